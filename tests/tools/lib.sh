# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# What the scripts behind `make` share. Sourced, never run.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
export ROOT
export PATH="$ROOT/.venv/bin:$PATH"

say() { printf '==> %s\n' "$*"; }

die() {
    printf '==> FAILED: %s\n' "$*" >&2
    exit 1
}

# The uncommented words of a file, one a line.
words_of() { sed -e 's/#.*//' -- "$1" | tr -s '[:space:]' '\n' | sed '/^$/d'; }

# find_python 3.11: print the real binary of that Python if this machine has one that can make environments.
# Shims of version managers answer for versions that are switched off and confuse ansible-test, so the binary behind
# them is taken, and the manager's own directory of versions is searched as well.
find_python() {
    local version="$1" candidate real
    local -a candidates=()
    mapfile -t candidates < <(type -aP "python${version}" || true)
    if command -v pyenv >/dev/null; then
        candidates+=("$(pyenv root)"/versions/"${version}".*/bin/"python${version}")
    fi
    for candidate in "${candidates[@]}"; do
        real="$("$candidate" -c 'import ensurepip, os, sys, venv; print(os.path.realpath(sys.executable))' \
            2>/dev/null)" || continue
        printf '%s\n' "$real"
        return 0
    done
    return 1
}

# first_python 3.11 3.12 ...: the first of these versions that is there.
first_python() {
    local version
    for version in "$@"; do
        find_python "$version" && return 0
    done
    return 1
}

# The Python versions an ansible-core can have as its controller, the one of the lock file first.
controller_pythons() {
    case "$1" in
        2.18 | 2.19) echo 3.11 3.12 3.13 ;;
        2.20 | 2.21) echo 3.12 3.13 3.14 ;;
        *) die "ansible-core $1: no lock file requirements/dev-$1.txt" ;;
    esac
}

# The environment of an ansible-core version: .venv for the main one, .venv-<version> for a further one.
venv_of() {
    if [ "$1" = "${CORE_MAIN:-2.19}" ]; then echo "$ROOT/.venv"; else echo "$ROOT/.venv-$1"; fi
}

# Run as root: directly, or by sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root to run: $* (be root, or install sudo)"
    fi
}
