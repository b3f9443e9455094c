#!/usr/bin/env bash
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sanity.sh CORE...: ansible-test sanity with each of these ansible-core versions, side by side, on a copy of the files
# git knows. Everything ansible-test keeps (its environments, its caches) stays under build/sanity.
set -euo pipefail
# shellcheck source=tests/tools/lib.sh
source "$(dirname "$0")/lib.sh"

# ansible-test asks git for the files; a hook's variables would answer for another repository.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

# prepare_home HOME PACKAGE: a home directory in which ansible-test finds the user's pip settings and our get_pip.py.
prepare_home() {
    local home="$1" package="$2" version
    mkdir -p "$home/.ansible/test/cache" "$home/.config" "$HOME/.cache/pip"
    if [ -d "$HOME/.config/pip" ]; then ln -sfn "$HOME/.config/pip" "$home/.config/pip"; fi
    if [ -d "$HOME/.pip" ]; then ln -sfn "$HOME/.pip" "$home/.pip"; fi
    mkdir -p "$home/.cache"
    ln -sfn "$HOME/.cache/pip" "$home/.cache/pip"
    version="$(sed -n "s/^ *pip='\([0-9.]*\)'.*/\1/p" "$package/_internal/python_requirements.py")"
    cp "$ROOT/tests/tools/get_pip.py" "$home/.ansible/test/cache/get_pip_${version//./_}.py"
}

# Real interpreters under plain names: the ones ansible-test may use, without a version manager's shims.
link_pythons() {
    local directory="$1" version real
    mkdir -p "$directory"
    for version in 3.8 3.9 3.10 3.11 3.12 3.13 3.14; do
        if real="$(find_python "$version")"; then ln -sfn "$real" "$directory/python$version"; fi
    done
}

# PATH without directories of shims.
plain_path() { tr ':' '\n' <<<"$PATH" | grep -v '/shims$' | paste -sd: -; }

run_core() {
    local core="$1" venv work tree
    venv="$(venv_of "$core")"
    work="$ROOT/build/sanity/$core"
    tree="$work/ansible_collections/stockade/fleet"
    "$venv/bin/python" "$ROOT/tests/tools/export_tree.py" "$tree"
    [ -d "$tree/.git" ] || git -C "$tree" init -q
    prepare_home "$work/home" "$("$venv/bin/python" -c 'import ansible_test; print(ansible_test.__path__[0])')"
    cd "$tree"
    env -u PYTHONPATH -u ANSIBLE_CONFIG -u ANSIBLE_COLLECTIONS_PATH HOME="$work/home" \
        PATH="$venv/bin:$ROOT/build/sanity/pythons:$(plain_path)" \
        "$venv/bin/ansible-test" sanity --venv --color no
}

mkdir -p "$ROOT/build/sanity"
link_pythons "$ROOT/build/sanity/pythons"

declare -A pids=()
for core in "$@"; do
    if [ ! -x "$(venv_of "$core")/bin/ansible-test" ]; then
        say "sanity: ansible-core $core has no environment here, skipped"
        continue
    fi
    say "sanity: ansible-core $core (log: build/sanity/$core.log)"
    run_core "$core" >"$ROOT/build/sanity/$core.log" 2>&1 </dev/null &
    pids[$core]=$!
done

failed=()
for core in "${!pids[@]}"; do
    log="$ROOT/build/sanity/$core.log"
    if wait "${pids[$core]}"; then
        say "sanity: ansible-core $core passed $(grep -c '^Running sanity test' "$log") tests after $SECONDS s"
    else
        failed+=("$core")
        say "sanity: ansible-core $core failed after $SECONDS s"
        # The same error comes once for each Python.
        grep -E '^(ERROR: [^F]|FATAL: The|WARNING: Skip)' "$log" | awk '!seen[$0]++' || tail -n 30 "$log"
    fi
done
[ "${#failed[@]}" -eq 0 ] || die "sanity with ansible-core ${failed[*]}"
