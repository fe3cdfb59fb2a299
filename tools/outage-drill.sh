#!/bin/bash
#
# Take a part of the control plane away for a while, and check that no live
# member is called down: tools/outage-drill.sh PART [OPTION ...]
#
# PART is conductors, conductor, broker, database, zookeeper or memcached;
# --help lists the options. By default the part is killed. --how HOW makes it
# hang, slow or unusable, and --of-one conductor does so for one conductor of
# two, --of-one member for the host of one member. The script starts private
# servers, conductors and members, and stops all of them when it ends, also at
# Ctrl-C. Its last line is "members N, false downs N, dead found after S s", and
# with --how "looks N, false downs N, dead found after S s, longest without an
# answer S s". The status is 0 if no live member was called down, the dead ones
# were found in time and calls failed for no longer than their timeout. The
# first run makes .venv, as tools/test.sh does.

set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

source tools/prepare.sh

prepare
python -m tests.outage.drill "$@"
