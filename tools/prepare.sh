# shellcheck shell=bash
#
# Prepares what the other scripts here need: Python, .venv, and servers. Source
# this file in the root of the project, and call "prepare". As root, it installs
# missing packages with apt-get; otherwise it prints their names.
#
# "work" is a directory for the script. It is removed when the script ends.

policy=/usr/sbin/policy-rc.d
made_policy=
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" ${made_policy:+"$policy"}' EXIT

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Install packages without starting their services. Fails if we are not root or
# there is no apt-get.
install() {
    [ "$(id -u)" -eq 0 ] && [ -n "$(command -v apt-get)" ] || return 1
    printf 'Installing %s\n' "$*"
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" || return 1
        made_policy=yes
        chmod +x "$policy"
    fi
    local apt=(apt-get -q -o DPkg::Lock::Timeout=300)
    export DEBIAN_FRONTEND=noninteractive
    if ! { "${apt[@]}" update &&
        "${apt[@]}" install -y --no-install-recommends "$@"; } \
        </dev/null >"$work/apt" 2>&1; then
        cat "$work/apt" >&2
        die "apt-get could not install $*"
    fi
}

find_python() {
    local name new='import sys; sys.exit(sys.version_info < (3, 11))'
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c "$new" 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

prepare_python() {
    local missing=()
    if ! python=$(find_python); then
        missing+=(python3 python3-venv)
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian keeps ensurepip in a package of its own.
        missing+=("python$("$python" -c \
            'import sys; print("%d.%d" % sys.version_info[:2])')-venv")
    fi
    [ -n "$(command -v git)" ] || missing+=(git)
    [ "${#missing[@]}" -gt 0 ] || return 0
    install "${missing[@]}" ||
        die "missing: ${missing[*]}. As root: apt-get install ${missing[*]}"
    python=$(find_python) || die 'Python 3.11 or newer is needed'
}

# pbr reads the version from git, or from the PKG-INFO of an sdist.
check_version_source() {
    if [ -z "${PBR_VERSION:-}" ] && [ ! -f PKG-INFO ] &&
        ! git rev-parse --verify HEAD >/dev/null; then
        die 'git shows no commit here, and the version comes from git:' \
            'clone the repository, or set PBR_VERSION=0.0.1'
    fi
}

prepare_venv() {
    local needs=(requirements.txt test-requirements.txt) stamp
    stamp=$({
        pwd
        "$python" -VV
        cat "${needs[@]}" constraints.txt setup.cfg
    } | sha256sum)
    if [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ]; then
        [ ! -d .venv ] || [ -f .venv/stamp ] || [ -f .venv/quickstart ] ||
            die 'there is a .venv that no script here has made, and this' \
                'would remove it: move it away'
        printf 'Making .venv with %s\n' "$python"
        # The stamp is there from the start: so we know later that an unfinished
        # .venv is ours, and may remove it.
        rm -rf .venv && mkdir .venv && : >.venv/stamp &&
            "$python" -m venv .venv || die 'could not make .venv'
        .venv/bin/python -m pip install -qq -c constraints.txt \
            "${needs[@]/#/-r}" -e . || die 'pip could not fill .venv'
        printf '%s\n' "$stamp" >.venv/stamp
    fi
    export PATH="$PWD/.venv/bin:$PATH"
}

prepare_servers() {
    local names missing
    if names=$(bindep -b test); then
        return
    elif [ -z "$names" ]; then
        printf 'bindep cannot tell here which servers are missing\n'
        return
    fi
    mapfile -t missing <<<"$names"
    install "${missing[@]}" || cat <<END
Missing for some tests: ${missing[*]}. As root:
  apt-get install --no-install-recommends ${missing[*]}
END
}

prepare() {
    prepare_python
    check_version_source
    prepare_venv
    prepare_servers
}
