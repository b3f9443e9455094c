# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second ring taken back: bans by ufw, mail, permanent bans, ProFTPD's access rules."""

from __future__ import annotations

from jailhosts import Target, both


@both
def test_nothing_of_ours_is_left(target: Target) -> None:
    """E2: what ufw itself has made of its own files stays; it was turned on by this scenario."""
    left = target.script(
        "find /etc/fail2ban /etc/proftpd /etc/systemd/system /etc/stockade /var/lib/stockade* -name '*stockade*' "
        "2>/dev/null || true"
    )
    assert left == ""
    if not target.old:  # there fail2ban was before us
        assert target.shell("fail2ban-client", "status").split()[-1] == "sshd"


@both
def test_no_ban_is_left(target: Target) -> None:
    """D27: a jail that stops takes its entries with it."""
    assert target.script("grep -c '^ALL: 198.18' /etc/hosts.deny || true").strip() == "0"
    assert target.client.reaches(target) and target.client.reaches(target, 22)


@both
def test_d26_proftpd_runs_as_before(target: Target) -> None:
    """D26: an entry in hosts.deny is nothing to it any more."""
    client = target.client
    try:
        target.script(f"echo 'proftpd: {client.ipv4}' >>/etc/hosts.deny")
        assert "< 230" in client.ftp(target, password="right")
    finally:
        target.script(f"sed -i '/{client.ipv4}/d' /etc/hosts.deny")
