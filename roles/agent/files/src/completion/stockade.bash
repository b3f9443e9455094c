# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Completion of `stockade` in bash. It needs nothing of the package bash-completion.

# The networks of an answer in JSON. What stands in a reason has its quotes escaped, so it cannot look like a field;
# and whatever it looks like, only digits, a to f, dots, colons and slashes come out.
_stockade_networks() {
    timeout 2 stockade "$@" --json 2>/dev/null </dev/null |
        LC_ALL=C grep -oE '"network": ?"[0-9a-f.:/]+"' | LC_ALL=C grep -oE '[0-9a-f.:/]+"$' | tr -d '"' | sort -u
}

_stockade() {
    # The line is taken apart anew: bash takes an IPv6 address for several words, because of its colons.
    local IFS=$' \t\n'
    local -a said=() choices=()
    COMPREPLY=()
    read -ra said <<<"${COMP_LINE:0:COMP_POINT}"
    local current=''
    if [[ ${COMP_LINE:0:COMP_POINT} != *[[:space:]] ]]; then
        current=${said[-1]}
        unset 'said[-1]'
    fi
    local word=${said[1]:-} previous=${said[-1]:-} live='' choice

    case $word:$previous in
    *:--duration) choices=(10m 1h 1d 7d 4w permanent) ;;
    *:--why) live=bans ;;
    check:--*-config | report:--events | report:--config | replay:--config)
        compopt -o default 2>/dev/null || :
        return
        ;;
    replay:--preset) choices=(default strict original) ;;
    replay:--sort) choices=(time spared) ;;
    replay:--format) choices=(access access-json sshd proftpd proftpd-json nginx-error apache-error) ;;
    report:--log)
        compopt -o dirnames 2>/dev/null || :
        return
        ;;
    report:--since | report:--until | replay:--since | replay:--until) choices=(1h 24h 7d) ;;
    report:--address) live=bans ;;
    *:--reason | *:--comment | *:--source | *:--limit | *:--list | *:--rule | *:--timezone) return ;;
    ban:*) choices=(--duration --reason --force) ;;
    unban:*)
        choices=(--all --source)
        live=bans
        ;;
    bans:*) choices=(--why --source --limit) ;;
    whitelist:whitelist) choices=(show add remove) ;;
    whitelist:*)
        case ${said[2]:-} in
        add) choices=(--list --comment --duration) ;;
        remove)
            choices=(--list)
            live=whitelist
            ;;
        esac
        ;;
    check:*) choices=(--warden-config --watcher-config --report-config) ;;
    replay:*) choices=(--preset --config --rule --format --since --until --timezone --sort --limit) ;;
    report:*)
        case ${said[2]:-} in
        traffic | security) choices=(--since --csv --exit-code --log --config) ;;
        *) choices=(--address --rule --since --until --limit --events) ;;
        esac
        [[ $previous != report ]] || choices+=(traffic security)
        ;;
    status:* | release:* | resume:*) ;;
    :*) choices=(ban unban bans whitelist report replay status release resume check --version) ;;
    *) return ;;
    esac
    case $previous in
    --why | --duration | --address | --since | --until | --preset | --sort | --format) ;;
    stockade) choices+=(--help) ;;
    *) choices+=(--json --help) ;;
    esac
    if [[ $current != -* ]]; then
        case $live in
        bans) mapfile -t -O "${#choices[@]}" choices < <(_stockade_networks bans --limit 1000) ;;
        whitelist) mapfile -t -O "${#choices[@]}" choices < <(_stockade_networks whitelist) ;;
        esac
    fi

    for choice in "${choices[@]}"; do
        if [[ $choice == "$current"* ]]; then
            COMPREPLY+=("$choice")
        fi
    done
    # bash puts the part behind the last colon in place of what is typed there.
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        local lead=${current%"${current##*:}"}
        COMPREPLY=("${COMPREPLY[@]#"$lead"}")
    fi
}

complete -F _stockade stockade
