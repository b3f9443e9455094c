# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong passwords at sshd, proftpd, nginx and apache; names that are text for a parser; logins by key."""

from __future__ import annotations

import json

import pytest
from jailhosts import Target, both
from watcherhosts import has_read, is_banned, source_of, status, told

VICTIM = "198.51.100.53"


@both
def test_c13_five_wrong_passwords_at_sshd_ban(target: Target) -> None:
    """B1, BH2, C4, C13: from the journal, sshd and sshd-session; four do not."""
    client = target.client
    client.login(target, 4)
    assert has_read(target, "sshd") and source_of(target, client.ipv4) == ""
    client.login(target, 1)
    assert is_banned(target, "logins")
    assert target.eventually(lambda: not client.reaches(target, 22), 2)


@both
def test_ch3_an_attempt_for_nobody_is_one_failure(target: Target) -> None:
    """CH3: sshd says two things about it."""
    client = target.client
    client.login(target, 4, user="nobody-of-that-name")
    assert target.eventually(lambda: _failures(target) >= 4) and has_read(target, "sshd")
    assert source_of(target, client.ipv4) == ""
    assert _failures(target) == 4


@both
@pytest.mark.parametrize(
    "user", [f"Failed password for x from {VICTIM} port 22 ssh2", f"x from {VICTIM}", VICTIM, f"x from {VICTIM} port 1"]
)
def test_ch1_a_name_cannot_have_somebody_else_banned(target: Target, user: str) -> None:
    """CH1, BH4, B7."""
    for _attempt in range(5):
        target.client.login(target, 1, user=f"'{user}'")
    assert is_banned(target, "logins")
    assert source_of(target, VICTIM) == ""


@both
def test_ch2_nobody_but_sshd_speaks_for_sshd(target: Target) -> None:
    """CH2: any user can write any line under any name into the journal, and any program may be called sshd."""
    line = f"Failed password for root from {VICTIM} port 4711 ssh2"
    speak = "import sys, syslog; open('/proc/self/comm', 'w').write('sshd'); syslog.openlog('sshd', syslog.LOG_PID)\n"
    speak += "for _n in range(6): syslog.syslog(sys.argv[1])\nimport time; time.sleep(1)"
    target.script(f"for _n in 1 2 3 4 5 6; do runuser -u bob -- logger -t sshd -p auth.info '{line}'; done")
    target.shell("runuser", "-u", "bob", "--", "python3", "-c", speak, line)
    target.client.login(target, 1, user="eve")
    assert target.eventually(lambda: _failures(target) >= 1), "what came later has been read"
    assert source_of(target, VICTIM) == ""


@both
def test_d26_wrong_passwords_by_ftp_ban(target: Target) -> None:
    """D8, D27: a real proftpd with Debian's configuration."""
    client = target.client
    client.ftp(target, user="eve", times=4)
    assert has_read(target, "proftpd") and source_of(target, client.ipv4) == ""
    client.ftp(target, user=f"'USER x ({VICTIM}[{VICTIM}]): no such user found'", times=1)
    assert is_banned(target, "logins")
    assert source_of(target, VICTIM) == ""


@both
@pytest.mark.parametrize("port", [80, 8080])
def test_b33_wrong_passwords_at_web_servers_ban(target: Target, port: int) -> None:
    client = target.client
    client.request(target, *["/private/"] * 4, port=port, options="-u bob:wrong")
    user = f"x, client: {VICTIM}, server: y" if port == 80 else f"x] [client {VICTIM}:1"
    client.request(target, "/private/", port=port, options=f"-u '{user}:wrong'")
    # a name that could be read in two ways is not parsed: then one more of the plain kind decides
    if not is_banned(target, "logins", seconds=3):
        client.request(target, "/private/", port=port, options="-u bob:wrong")
    assert is_banned(target, "logins")
    assert source_of(target, VICTIM) == ""


@both
def test_b32_a_key_login_eases_the_address_and_is_told(target: Target) -> None:
    """B32: named in the configuration, by key, and the watcher bans nothing of that address for an hour."""
    client = target.client
    key = f"/run/key-{client.ipv4}"
    client.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    public = client.run("cat", f"{key}.pub").stdout.strip()
    target.script(
        f"install -d -m 700 -o bob -g bob /home/bob/.ssh && echo '{public}' >>/home/bob/.ssh/authorized_keys"
        " && chown bob:bob /home/bob/.ssh/authorized_keys && chmod 600 /home/bob/.ssh/authorized_keys"
    )
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes"
    words = f"ssh {options} -i {key} -b {client.ipv4} bob@{target.ipv4} true".split()
    assert client.run(*words).returncode == 0
    assert target.eventually(lambda: client.ipv4 in status(target)["eased"])
    client.request(target, *["/flood/x"] * 60)
    assert target.eventually(lambda: told(target, f"network={client.ipv4} rule=flood"))
    assert source_of(target, client.ipv4) == "" and client.reaches(target)
    target.script("rm -r /home/bob/.ssh")


@both
def test_a_rule_that_observes_only_tells(target: Target) -> None:
    client = target.client
    client.login(target, 2, user="oracle")
    assert target.eventually(lambda: told(target, f"network={client.ipv4} rule=crowd"))
    assert source_of(target, client.ipv4) == ""


@both
def test_c12_events_are_kept_without_what_may_be_a_password(target: Target) -> None:
    """C9, C12, BH16: a name that is no account may be somebody's password."""
    client = target.client
    client.login(target, 1, user="hunter2-is-my-password")
    client.login(target, 1, user="bob")
    assert target.eventually(lambda: _failures(target) >= 2)
    rows = _events(target)
    assert {row["user"] for row in rows if row["kind"] == "failure"} <= {"bob", "", None}
    assert target.script("grep -l hunter2 /var/lib/stockade-watcher/events.db* || true") == ""
    assert target.script("stat -c '%a %U' /var/lib/stockade-watcher/events.db").split() == ["600", "stockade-watcher"]


def _events(target: Target) -> list[dict[str, object]]:
    answer = json.loads(target.shell("stockade", "report", "--address", target.client.ipv4, "--json"))
    found: list[dict[str, object]] = answer["events"]
    return found


def _failures(target: Target) -> int:
    return sum(row["kind"] == "failure" for row in _events(target))
