#!/bin/bash
#
# Kill, stop, isolate and restart each node of a cluster, under load, and check
# that no live member is called down and nothing is lost:
# tools/cluster-drill.sh CLUSTER [OPTION ...]
#
# CLUSTER is galera, rabbitmq, zookeeper, postgresql or memcached; --help lists
# the options. The script starts private servers, conductors and members, and
# stops all of them when it ends, also at Ctrl-C. Its last line is "looks N,
# false downs N, lost writes N, events lost N, longest without an answer S s".
# The status is 0 if no live member was called down, nothing was lost, and the
# dead were found in time. The first run makes .venv, as tools/test.sh does.

set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

source tools/prepare.sh

prepare
python -m tests.cluster.drill "$@"
