#!/bin/bash
#
# Run the checks and the tests: tools/test.sh [--no-checks] [FILTER ...]
#
# FILTER and whatever else is given goes to "stestr run", for example
# tools/test.sh --no-checks 'unit.*liveness'. The first run makes .venv. As
# root, with apt-get, what the system lacks is installed too; else its names
# are printed, and the tests that want a missing server are skipped (with
# CI=true they fail).

set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

source tools/prepare.sh

passed=0
failed=0

# Run a check and say how it went in one line: check NAME COMMAND ...
check() {
    local name=$1 start=${EPOCHREALTIME//[!0-9]/} word=ok took
    shift
    if "$@" >"$work/check" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        word=FAILED
    fi
    took=$(((${EPOCHREALTIME//[!0-9]/} - start) / 100000))
    printf '%s  %s  %d.%d s\n' "$word" "$name" $((took / 10)) $((took % 10))
    [ "$word" = ok ] || cat "$work/check"
}

run_checks() {
    check 'ruff check' ruff check .
    check 'ruff format' ruff format --check .
    check 'mypy' mypy
    check 'mypy of acme release 1' env MYPYPATH=examples/acme/release1 \
        mypy -p acme -m test_history
    check 'lint-imports' lint-imports
    check 'sample configuration' oslo-config-generator \
        --config-file etc/sgconductor/config-generator.conf \
        --output-file "$work/sgconductor.conf.sample"
    check 'sample configuration of the API' oslo-config-generator \
        --config-file etc/sgconductor/api-config-generator.conf \
        --output-file "$work/sgconductor-api.conf.sample"
    check 'sample policy' oslopolicy-sample-generator \
        --config-file etc/sgconductor/policy-generator.conf \
        --output-file "$work/policy.yaml.sample"
    check 'reno lint' reno lint
    check 'doc8' doc8 README.rst CONTRIBUTING.rst doc
}

checks=yes
filters=()
for argument in "$@"; do
    case $argument in
    --no-checks) checks= ;;
    *) filters+=("$argument") ;;
    esac
done

prepare
if [ -n "$checks" ]; then
    # It takes a minute, which the checks do not fill. What goes wrong here
    # goes wrong again in the first test that wants it, and is told there.
    python -m tests.release &>/dev/null &
    run_checks
    wait
fi

# "stestr last" must not find an earlier run if this one comes to nothing.
rm -rf .stestr
# Most tests wait for a server or a process most of the time.
stestr run --concurrency "$((2 * $(nproc)))" "${filters[@]}"
status=$?
stestr last --subunit 2>/dev/null |
    python tools/tally.py --extra-passed "$passed" --extra-failed "$failed" ||
    status=1
exit "$status"
