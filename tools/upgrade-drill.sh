#!/bin/bash
#
# Upgrade a fleet under load, roll it back, and upgrade it again:
# tools/upgrade-drill.sh [OPTION ...]
#
# --help lists the options. The script starts a private RabbitMQ and MariaDB,
# conductors, and workers and clients of examples/acme, and ends them all at
# its end or at Ctrl-C. The last line is "calls N, failed N, above receiver N, restarts
# N", and the status is 0 if nothing went wrong. The first run makes .venv, as
# tools/test.sh does.

set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

source tools/prepare.sh

prepare
python -m tests.upgrade.drill "$@"
