# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail, ProFTPD's access rules, and everything together."""

from __future__ import annotations

from jailhosts import Target, both, role

MAILS = "/var/tmp/mails"


def mails(target: Target) -> list[str]:
    said = target.shell("cat", MAILS, check=False)
    return [part for part in said.split("END\n") if part.strip()]


@both
def test_e4_one_mail_for_a_ban_with_the_lines_of_the_log(target: Target) -> None:
    """E3, E4, EH12: with address and lines; whois is not here, which the mail says and the ban does not mind."""
    client = target.client
    client.request(target, *["/private/"] * 5, options="-u 'bob; touch /var/tmp/owned:~!touch /var/tmp/owned'")
    assert target.eventually(lambda: target.banned("nginx-http-auth"))
    subject = f"MAIL -s [fail2ban] nginx-http-auth: banned {client.ipv4} "
    assert target.eventually(lambda: any(mail.startswith(subject) for mail in mails(target)))
    [mail] = [mail for mail in mails(target) if mail.startswith(subject)]
    assert "ops@example.org" in mail.splitlines()[0]
    assert mail.count("was not found in") + mail.count("password mismatch") == 5, mail
    assert "whois is not installed" in mail
    # what mailutils would take for a command begins a line with a tilde
    assert not any(line.startswith("~") for line in mail.splitlines())
    assert target.shell("ls", "/var/tmp/owned", check=False) == ""
    assert target.eventually(lambda: not client.reaches(target), 10)


@both
def test_eh12_no_mail_when_jails_start_and_stop_or_restore(target: Target) -> None:
    """E4, EH12: a restart of fail2ban says nothing to anybody."""
    client = target.client
    target.socket(["set", "nginx-botsearch", "banip", client.ipv4])
    assert target.eventually(lambda: any(client.ipv4 in mail for mail in mails(target)))
    before, jails = len(mails(target)), target.jails()
    target.shell("systemctl", "restart", "fail2ban")

    def back() -> bool:
        try:
            return target.jails() == jails and target.banned("nginx-botsearch")
        except OSError:
            return False

    assert target.eventually(back)
    assert len(mails(target)) == before


def test_e6_a_second_run_changes_nothing() -> None:
    """E6: with all of this."""
    done = role(playbook="side_effect.yml")
    recap = [line for line in done.stdout.splitlines() if "changed=" in line]
    assert done.returncode == 0 and len(recap) == 2 and all("changed=0 " in line for line in recap), done.stdout[-3000:]


@both
def test_d26_proftpd_asks_the_files_of_libwrap(target: Target) -> None:
    """D26: who is denied is refused at the connection; who is allowed gets in though denied."""
    client = target.client
    assert "< 230" in client.ftp(target, password="right")
    try:
        target.script(f"echo 'ALL: {client.ipv4}' >>/etc/hosts.deny")
        assert "< 230" not in client.ftp(target, password="right")
        target.script(f"echo 'proftpd: {client.ipv4}' >>/etc/hosts.allow")
        assert "< 230" in client.ftp(target, password="right")
    finally:
        target.script(f"sed -i '/{client.ipv4}/d' /etc/hosts.deny /etc/hosts.allow")
    assert "< 230" in client.ftp(target, password="right")


@both
def test_e11_doors_scans_and_applications_together(target: Target) -> None:
    """E11: ufw, rules that log for a detector of scans, fail2ban by ufw, the warden; ufw reload breaks none of them.

    psad itself brings a mail system and a syslog daemon, and is not here; the rules it reads are.
    """
    client = target.client
    target.socket(["set", "sshd", "banip", client.ipv4])
    assert target.eventually(lambda: not client.reaches(target), 10)
    before = target.script("iptables -S | grep -c IPTABLES")
    target.shell("ufw", "reload")
    assert target.eventually(lambda: not client.reaches(target), 10)
    assert target.script("iptables -S | grep -c IPTABLES") == before
    assert target.operator.ask(target.name, "status")["state"] == "enforcing"
    target.socket(["set", "sshd", "unbanip", client.ipv4])
    assert client.reaches(target)
    target.shell("stockade", "ban", client.ipv4)
    assert target.eventually(lambda: not client.reaches(target), 10)
    target.shell("ufw", "reload")
    assert target.eventually(lambda: not client.reaches(target), 10)
