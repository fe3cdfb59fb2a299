#!/bin/bash
#
# Take a part of the control plane away for a while, under a fleet that lives
# on: tools/outage-drill.sh PART [OPTION ...]
#
# PART is conductors, conductor, broker, database, zookeeper or memcached;
# --help lists the options. The script starts private servers, conductors and
# members, and ends them all at its end or at Ctrl-C. The last line is "members
# N, false downs N, dead found after S s", and the status is 0 if no live member
# was down and the dead were found in time. The first run makes .venv, as
# tools/test.sh does.

set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

source tools/prepare.sh

prepare
python -m tests.outage.drill "$@"
