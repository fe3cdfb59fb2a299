#!/bin/bash
#
# Do random operations while random faults take every part of the control plane
# away, for all or for one conductor, and check the history of both:
# tools/chaos-drill.sh [OPTION ...]
#
# --minutes M, --database NAME and --seed N are the usual options; --help lists
# all. The script starts private servers, conductors and members, and stops all
# of them when it ends, also at Ctrl-C. It prints each violation with the part of
# the history that shows it. Its last line is "operations N, faults N,
# violations N". The status is 0 if there was no violation. The first run makes
# .venv, as tools/test.sh does.

set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

source tools/prepare.sh

prepare
python -m tests.chaos.drill "$@"
