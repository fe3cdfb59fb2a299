#!/bin/bash
#
# Upgrade a fleet under load, roll it back, and upgrade it again:
# tools/upgrade-drill.sh [OPTION ...]
#
# --help lists the options. The script starts a private RabbitMQ and MariaDB,
# conductors, and workers and clients of examples/acme, and stops all of them
# when it ends, also at Ctrl-C. Its last line is "calls N, failed N, above
# receiver N, restarts N": calls above the receiver are those in a version that
# the receiver does not know. The status is 0 if nothing went wrong. The first
# run makes .venv, as tools/test.sh does.

set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

source tools/prepare.sh

prepare
python -m tests.upgrade.drill "$@"
