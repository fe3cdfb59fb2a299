#!/bin/bash
#
# Have a part of the control plane away for a while, under a fleet that lives
# on: tools/outage-drill.sh PART [OPTION ...]
#
# PART is conductors, broker, database, zookeeper or memcached; --help names
# the options. It starts private servers, conductors and members, and ends them
# all; Ctrl-C does so too. The last line is "members N, false downs N, dead
# found after S s", and the status is 0 if nobody was called down falsely. The
# first run makes .venv, as tools/test.sh does.

set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

source tools/prepare.sh

prepare
python -m tests.outage.drill "$@"
