#!/usr/bin/env bash
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The main job, before your eyes: install the collection, harden three hosts, attack them, see the ban report.
set -euo pipefail
# shellcheck source=tests/tools/lib.sh
source "$(dirname "$0")/../tools/lib.sh"
cd "$ROOT"

demo=build/demo
began=$SECONDS
mkdir -p "$demo" build/report

# The installed collection, not the checkout, and no configuration but these two words.
: >"$demo/ansible.cfg"
export ANSIBLE_CONFIG="$ROOT/$demo/ansible.cfg" ANSIBLE_COLLECTIONS_PATH="$ROOT/$demo/collections" ANSIBLE_PIPELINING=1
export ANSIBLE_CALLBACK_RESULT_FORMAT=yaml
# Nothing is asked for, so a missing key or password is an error at once.
exec </dev/null

step() { printf '\n==> %3d s  %s\n' "$((SECONDS - began))" "$*"; }
show() { printf '    %s\n' "$*"; }
indent() { sed -e 's/^/    /'; }
fleet() { python tests/fleet/fleet.py "$@"; }
on() { fleet exec "$@"; }

# quietly LOG COMMAND...: the log is shown only if the command fails.
quietly() {
    local log="$demo/$1"
    shift
    "$@" >"$log" 2>&1 || {
        tail -n 40 "$log" | indent >&2
        die "$* (all of it: $log)"
    }
}

play() {
    local name="$1"
    shift
    show "ansible-playbook stockade.fleet.$name $*"
    quietly "$name.log" ansible-playbook -i build/fleet/inventory.yml "stockade.fleet.$name" "$@"
}

# http CLIENT ADDRESS: the status code, 000 if no packet comes back.
http() { on "$1" curl -s -m 2 -o /dev/null -w '%{http_code}' "http://$2/" || true; }

# until_refused SECONDS COMMAND...: wait until the command fails.
until_refused() {
    local deadline=$((SECONDS + $1))
    shift
    while "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
    done
}

reaches_web1() { [ "$(http attacker 198.18.77.11)" = 200 ]; }
reaches_gate() { on attacker nc -z -w 2 198.18.77.13 22; }

step "build the collection and install its tarball"
quietly build.log make build
quietly install.log ansible-galaxy collection install --offline --force -p "$demo/collections" build/stockade-fleet-*.tar.gz
show "$(echo build/stockade-fleet-*.tar.gz)"

step "boot the fleet: web1 (Debian 12), web2, gate (Debian 13), an attacker and a visitor"
fleet reset web1 web2 gate attacker visitor | indent

step "harden the three servers"
play harden -e @docs/examples/site.yml
sed -n '/^PLAY RECAP/,$p' "$demo/harden.log" | tail -n +2 | sed '/^$/d' | indent

step "flood web1: 600 requests from the attacker"
show "before: attacker gets $(http attacker 198.18.77.11), visitor gets $(http visitor 198.18.77.11)"
on attacker ab -q -n 600 -c 4 -s 2 http://198.18.77.11/ >"$demo/ab.log" 2>&1 || true
until_refused 20 reaches_web1 || die "web1 still answers the attacker"
on web1 stockade bans --why 198.18.77.66 | indent

step "guess passwords on gate: eight logins from the attacker"
# shellcheck disable=SC2016 # expanded on the attacker
on attacker bash -c 'for n in 1 2 3 4 5 6 7 8; do
    sshpass -p "guess$n" ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=3 \
        "admin$n@198.18.77.13" true & done; wait' >"$demo/guesses.log" 2>&1 || true
until_refused 30 reaches_gate || die "gate still answers the attacker"
on gate stockade bans --why 198.18.77.66 | indent

step "ban an address by hand, everywhere"
show "ansible servers -b -m stockade.fleet.ban -a 'address=203.0.113.9 duration=1d reason=\"seen at three in the morning\"'"
quietly ban.log ansible -i build/fleet/inventory.yml servers -b -m stockade.fleet.ban \
    -a 'address=203.0.113.9 duration=1d reason="seen at three in the morning"'
grep ' | ' "$demo/ban.log" | indent

step "the proof is a packet that does not arrive"
attacker_web1="$(http attacker 198.18.77.11)"
visitor_web1="$(http visitor 198.18.77.11)"
show "attacker -> web1:80  $attacker_web1 (000: no answer)"
show "visitor  -> web1:80  $visitor_web1"
[ "$attacker_web1" = 000 ] || die "the attacker still reaches web1"
[ "$visitor_web1" = 200 ] || die "the visitor no longer reaches web1"
if reaches_gate >/dev/null 2>&1; then die "the attacker still reaches gate"; fi
show "attacker -> gate:22  no answer"
on visitor nc -z -w 2 198.18.77.13 22 2>/dev/null || die "the visitor no longer reaches gate"
show "visitor  -> gate:22  open"

step "report the bans of all hosts"
play report -e stockade_report_dir="$ROOT/build/report"
sed -n '/ADDRESS/,/^$/p' "$demo/report.log" | indent
printf '%s\n' build/report/* | indent

cat <<'WORDS'

    The hosts stay up. Look around:
      xdg-open build/report/index.html
      ssh -F build/fleet/ssh_config web1 sudo stockade status
      ssh -F build/fleet/ssh_config gate sudo stockade bans
      .venv/bin/ansible-playbook -i build/fleet/inventory.yml playbooks/audit.yml
    Remove them:
      make demo-down
WORDS
