#!/bin/bash
#
# Run the checks and the tests: tools/test.sh [--no-checks] [FILTER ...]
#
# All other arguments are passed to "stestr run", for example: tools/test.sh
# --no-checks 'unit.*liveness'. The first run makes .venv. As root, it installs
# missing packages with apt-get; otherwise it prints their names, and skips the
# tests that need a missing server. With CI=true these fail instead.

set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

source tools/prepare.sh

passed=0
failed=0

# Run a check and print its result in one line: check NAME COMMAND ...
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
    # Make the environment of the release before while the checks run. If that
    # fails, the first test that needs it tries again and reports the error.
    python -m tests.release &>/dev/null &
    run_checks
    wait
fi

# If this run fails to start, "stestr last" must not show an earlier one.
rm -rf .stestr
# Most tests spend most of their time waiting for a server or a process, so run
# more of them than there are processors.
stestr run --concurrency "$((2 * $(nproc)))" "${filters[@]}"
status=$?
stestr last --subunit 2>/dev/null |
    python tools/tally.py --extra-passed "$passed" --extra-failed "$failed" ||
    status=1
exit "$status"
