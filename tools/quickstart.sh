#!/bin/bash
#
# Show a demo of a whole group: tools/quickstart.sh [OPTION ...]
#
# The options are those of sgconductor-allinone, for example --seconds 20; --help
# lists them. The first run makes .venv, which needs Python 3.11 or newer. As
# root on Debian, it also installs the package python3-venv if that is missing.

set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
venv=$root/.venv
stamp=$venv/quickstart

# Messages go to stderr, because stdout is for the demo.
say() {
    printf 'quickstart: %s\n' "$*" >&2
}

die() {
    say "$@"
    exit 1
}

find_python() {
    local name new='import sys; sys.exit(sys.version_info < (3, 11))'
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c "$new" 2>/dev/null; then
            printf '%s\n' "$name"
            return
        fi
    done
    return 1
}

has_pip() {
    "$venv/bin/python" -m pip --version >/dev/null 2>&1
}

make_venv() {
    local python package output
    python=$(find_python) ||
        die 'Python 3.11 or newer is needed. On Debian, as root:' \
            'apt-get install python3 python3-venv'
    # Debian keeps ensurepip in a package of its own.
    package=$python-venv
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" -ne 0 ] || [ -z "$(command -v apt-get)" ]; then
            die "$python lacks the module venv or ensurepip. On Debian, as" \
                "root: apt-get install $package"
        fi
        say "Installing the package $package"
        export DEBIAN_FRONTEND=noninteractive
        if ! output=$({
            apt-get -q update &&
                apt-get -q install -y --no-install-recommends "$package"
        } </dev/null 2>&1); then
            printf '%s\n' "$output" >&2
            die "apt-get could not install $package"
        fi
    fi
    # This keeps an existing environment, and adds what it lacks.
    if ! "$python" -m venv "$venv" || ! has_pip; then
        die "could not make $venv; if it exists and is broken, remove it and" \
            'run this again'
    fi
}

# A checksum of everything that the installation depends on.
fingerprint() {
    {
        printf '%s\n' "$root"
        "$venv/bin/python" -VV
        cd "$root"
        cat requirements.txt setup.cfg pyproject.toml
        [ ! -f constraints.txt ] || cat constraints.txt
    } | cksum
}

install() {
    local pip=("$venv/bin/python" -m pip install --quiet
        --disable-pip-version-check)
    [ ! -f "$root/constraints.txt" ] || pip+=(-c "$root/constraints.txt")
    # pbr reads the version from git. In an unpacked archive without git, any
    # version will do.
    if [ -z "${PBR_VERSION:-}" ] &&
        ! git -C "$root" rev-parse --verify --quiet HEAD >/dev/null 2>&1; then
        export PBR_VERSION=0.0.0
    fi
    "${pip[@]}" --editable "$root[api]" ||
        die 'pip could not install sgconductor; its output is above'
    fingerprint >"$stamp"
}

if [ ! -x "$venv/bin/sgconductor-allinone" ] ||
    [ "$(cat "$stamp" 2>/dev/null)" != "$(fingerprint 2>/dev/null)" ]; then
    say "Installing sgconductor into $venv; the first time takes a minute"
    has_pip || make_venv
    install
fi
exec "$venv/bin/sgconductor-allinone" "$@"
