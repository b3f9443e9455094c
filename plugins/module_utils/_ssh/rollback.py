# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What undoes an armed change on the host without Python: the shell script and the units that run it. Text only.

Two services, because one cannot be both. At boot it has to be ordered before sshd, and what is ordered before
sshd cannot wait for sshd's reload: systemd keeps that back until the service has ended. The one for the boot leaves
everything to the timer while that runs, because `systemctl isolate` starts what sysinit.target wants once more.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

SERVICE = "stockade-ssh-rollback.service"
TIMER = "stockade-ssh-rollback.timer"
BOOT = "stockade-ssh-rollback-boot.service"
WANTED = "sysinit.target.wants/" + BOOT
SCRIPT = "rollback.sh"

# Tried again after so many seconds, in case that the script is killed or sshd's reload fails.
_AGAIN = (0, 5, 15, 60, 300)

SCRIPT_TEXT = r"""#!/bin/sh
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Puts back the SSH configuration from before the change that `token` names, unless it was committed. Killed at any
# line it goes on where it was. `rollback.sh boot` runs before sshd does and leaves the daemon alone.
set -u
umask 077
PATH=${PATH:-/usr/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
at=${1:-now}
cd "${0%/*}" || exit 1

# Whoever starts sysinit.target or isolates a target starts this one again: while the timer runs, it is its turn.
if [ "$at" = boot ] && systemctl is-active --quiet stockade-ssh-rollback.timer; then exit 0; fi

# One rename wins, this one or the commit's.
mv -f token rolling-back 2>/dev/null
[ -e rolling-back ] || exit 0

told='' failed=no units=no
tell() {
    told="$told$1
"
}
there() { [ -e "$1" ] || [ -L "$1" ]; }
digest() {
    if there "$1"; then
        sum=$(sha256sum <"$1") || sum='?'
        echo "${sum%% *}"
    else
        echo -
    fi
}

# $1: hash of what the change wrote, - if it removed the file. $2: name of the old file, - if there was none. $3: path.
put_back() {
    old=${3%/*}/$2
    now=$(digest "$3")
    was=-
    if [ "$2" != - ]; then was=$(digest "$old"); fi
    if [ "$now" = '?' ] || [ "$was" = '?' ]; then
        tell "FAILED: $3 could not be read"
        failed=yes
        return
    fi
    if [ "$2" != - ] && ! there "$old"; then
        tell "put back: $3"
    elif [ "$2" = - ] && [ "$now" = - ]; then
        tell "removed: $3"
    elif [ "$2" != - ] && [ "$now" = "$was" ]; then
        rm -f "$old"
        tell "as before: $3"
    elif [ "$now" != "$1" ] && [ "$2" = - ]; then
        tell "left alone: $3 (edited since the change; it did not exist before)"
    elif [ "$now" != "$1" ]; then
        tell "left alone: $3 (edited since the change; the file from before is $old until the next change)"
    elif [ "$2" = - ] && rm -f "$3"; then
        tell "removed: $3"
    elif [ "$2" != - ] && mv -f "$old" "$3"; then
        tell "put back: $3"
    else
        tell "FAILED: $3 could not be put back"
        failed=yes
    fi
    # On disk before it counts as done: the state may be on another file system.
    sync "${3%/*}/" || :
    case $3 in */systemd/*.d/*) rmdir "${3%/*}" 2>/dev/null ;; esac
}

while IFS= read -r line; do
    rest=${line#* }
    put_back "${line%% *}" "${rest%% *}" "${rest#* }"
    case ${rest#* } in */systemd/*) units=yes ;; esac
done <manifest

mode=none service=- socket=-
read -r mode service socket <listener
if [ -e /usr/lib/systemd/system-generators/sshd-socket-generator ] && [ "$mode" = socket ]; then units=yes; fi
if [ "$units" = yes ]; then systemctl daemon-reload || failed=yes; fi

step() {
    if problem=$(systemctl "$@" 2>&1); then
        tell "done: systemctl $*"
    else
        tell "FAILED: systemctl $*: $problem"
        failed=yes
    fi
}
good() {
    problem=$(sshd -t 2>&1) && return
    # sshd does not even test without its empty directory, which the service makes. Its lines end with \r.
    missing=$(echo "$problem" | sed -n 's/^Missing privilege separation directory: \([^[:cntrl:]]*\).*/\1/p')
    if [ -n "$missing" ] && mkdir -m 0755 "$missing"; then problem=$(sshd -t 2>&1) && return; fi
    tell "FAILED: sshd refuses the configuration and was left as it is: $problem"
    failed=yes
    return 1
}
if [ "$at" != boot ] && [ "$mode" != none ] && good; then
    # Starts count against a limit, and a service over it takes its socket down with it.
    if [ "$mode" = service ]; then
        systemctl reset-failed "$service" 2>/dev/null
        if [ "$units" = yes ]; then step restart "$service"; else step reload-or-restart "$service"; fi
    else
        systemctl reset-failed "$service" "$socket" 2>/dev/null
        if [ "$units" = yes ]; then
            # A socket does not start while its service runs.
            step stop "$service"
            step restart "$socket"
        else
            # Not reload: sshd would start itself anew without the sockets that systemd gave it.
            step try-restart "$service"
            step start "$socket"
        fi
    fi
fi

when=$(date -u '+%Y-%m-%d %H:%M:%S UTC')
told="$(head -n 1 rolling-back)
rolled back $when ($at)
$told"
printf '%s' "$told"
{ printf '%s' "$told" >result; } 2>/dev/null || rm -f result
[ "$failed" = no ] || exit 1
mv -f rolling-back rolled-back
"""

_SERVICE = """\
# Of the collection stockade.fleet: see {directory}
[Unit]
Description=Put back the SSH configuration from before an armed change
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target
RequiresMountsFor={directory} /etc/ssh
ConditionPathExists=|{directory}/token
ConditionPathExists=|{directory}/rolling-back
StartLimitIntervalSec=0
{order}
[Service]
Type=oneshot
ExecStart=/bin/sh {directory}/{script}{argument}
TimeoutStartSec=90
"""

_ORDER = """\
After=local-fs.target
Before=sysinit.target ssh.service sshd.service ssh.socket sshd.socket
"""

_INSTALL = """
[Install]
WantedBy=sysinit.target
"""

_TIMER = """\
# Of the collection stockade.fleet: see {directory}
[Unit]
Description=Put back the SSH configuration unless the armed change is committed in time
IgnoreOnIsolate=yes

[Timer]
{elapses}
AccuracySec=1s
Unit={service}
"""


def units(directory: str, seconds: int) -> dict[str, str]:
    """File name to text of each unit."""
    elapses = "\n".join("OnActiveSec={}s".format(seconds + more) for more in _AGAIN)
    texts = {"directory": directory, "script": SCRIPT}
    return {
        SERVICE: _SERVICE.format(order="", argument="", **texts),
        BOOT: _SERVICE.format(order=_ORDER, argument=" boot", **texts) + _INSTALL,
        TIMER: _TIMER.format(elapses=elapses, service=SERVICE, directory=directory),
    }
