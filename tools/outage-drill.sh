#!/bin/bash
#
# Stop a part of the control plane for a while, and check that no live member is
# called down: tools/outage-drill.sh PART [OPTION ...]
#
# PART is conductors, conductor, broker, database, zookeeper or memcached;
# --help lists the options. The script starts private servers, conductors and
# members, and stops all of them when it ends, also at Ctrl-C. Its last line is
# "members N, false downs N, dead found after S s". The status is 0 if no live
# member was called down and the dead ones were found in time. The first run
# makes .venv, as tools/test.sh does.

set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

source tools/prepare.sh

prepare
python -m tests.outage.drill "$@"
