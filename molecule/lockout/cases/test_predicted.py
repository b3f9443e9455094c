# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be known beforehand: check mode says it, the run refuses, and nothing was changed."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from lockouthosts import Host, Record


class Case(NamedTuple):
    """What is broken on the host, what is asked for, and the reason that has to be given.

    ``undo`` mends the host; ``reread`` is whether sshd has to know of both. A run without the whole campaign
    takes one case of each kind.
    """

    kind: str
    name: str
    arguments: dict[str, Any]
    reason: str
    broken: str = "true"
    undo: str = "true"
    reread: bool = False


_D = "/etc/ssh/sshd_config.d"
CASES = [
    Case(
        "accounts",
        "AllowUsers without the operator",
        {"allow_users": ["admin"]},
        "AllowUsers admin leaves operator out",
    ),
    Case(
        "groups", "AllowGroups with a missing group", {"allow_groups": ["nosuch"]}, "AllowGroups nosuch holds no group"
    ),
    Case(
        "groups",
        "AllowGroups with an empty group",
        {"allow_groups": ["stockade-empty"]},
        "AllowGroups stockade-empty holds no group",
        "groupadd stockade-empty",
        "groupdel stockade-empty",
    ),
    Case(
        "keys",
        "passwords off without a usable key",
        {"operator": "nokey", "password_authentication": False},
        "no usable authorized key",
        "useradd -m -p '$6$x$x' nokey",
        "userdel -r nokey 2>/dev/null",
    ),
    Case(
        "accounts",
        "root login off while connecting as root",
        {"operator": "root", "permit_root_login": "no"},
        "PermitRootLogin no shuts out root",
        "mkdir -p -m 700 /root/.ssh && cp -p ~operator/.ssh/authorized_keys /root/.ssh/ && chown root: /root/.ssh/*",
        "rm /root/.ssh/authorized_keys",
    ),
    Case(
        "accounts",
        "locked password with UsePAM no",
        {"settings": {"UsePAM": False}},
        "is locked, which refuses every login",
        "passwd -l operator",
        "passwd -u operator 2>/dev/null || usermod -p '*' operator",
    ),
    Case(
        "files",
        "broken foreign drop-in",
        {},
        "broken already",
        f"echo 'NoSuchKeyword yes' > {_D}/20-foreign.conf",
        f"rm {_D}/20-foreign.conf",
    ),
    Case(
        "accounts",
        "trailing Match block that denies the operator",
        {},
        "DenyUsers operator names operator",
        f"printf 'Match all\\n  DenyUsers operator\\n' > {_D}/99-foreign.conf",
        f"rm {_D}/99-foreign.conf",
    ),
    Case(
        "order",
        "earlier drop-in that wins",
        {},
        f"{_D}/00-early.conf:1",
        f"echo 'MaxAuthTries 6' > {_D}/00-early.conf",
        f"rm {_D}/00-early.conf",
    ),
    Case(
        "daemon",
        "files on disk that the running daemon never loaded",
        {},
        "restart",
        f"echo 'Ciphers aes256-ctr' > {_D}/20-foreign.conf",
        f"rm {_D}/20-foreign.conf",
    ),
    Case(
        "algorithms",
        "no common key exchange",
        {"profile": "none", "settings": {"KexAlgorithms": "diffie-hellman-group1-sha1"}},
        "no common key exchange",
    ),
    Case(
        "algorithms",
        "no common cipher",
        {"profile": "none", "settings": {"Ciphers": "3des-cbc"}},
        "no common cipher",
    ),
    Case(
        "algorithms",
        "no common host key type",
        {"profile": "none", "settings": {"HostKeyAlgorithms": "ssh-rsa"}},
        "no common host key type",
    ),
    Case(
        "keys",
        "algorithms of the operator's key left out",
        {"settings": {"PubkeyAcceptedAlgorithms": "ecdsa-sha2-nistp521"}},
        "ssh-ed25519 is not in PubkeyAcceptedAlgorithms",
    ),
    Case(
        "keys",
        "AuthorizedKeysFile elsewhere",
        {"settings": {"AuthorizedKeysFile": "/etc/ssh/keys/%u"}},
        "AuthorizedKeysFile does not lead to it",
    ),
    Case(
        "keys",
        "home that others may write to",
        {"password_authentication": False},
        "may be written by others, which StrictModes refuses",
        f"chmod g+w ~operator && echo 'StrictModes no' > {_D}/20-foreign.conf",
        f"chmod g-w ~operator; rm {_D}/20-foreign.conf",
        reread=True,
    ),
    Case(
        "keys",
        "RevokedKeys unreadable",
        {"settings": {"RevokedKeys": "/etc/ssh/nosuch"}},
        "RevokedKeys /etc/ssh/nosuch cannot be read (No such file or directory), which refuses every key",
    ),
    Case(
        "keys",
        "RevokedKeys that names the operator's key",
        {"settings": {"RevokedKeys": "/etc/ssh/revoked"}},
        "RevokedKeys names it",
        "cp ~operator/.ssh/authorized_keys /etc/ssh/revoked",
        "rm /etc/ssh/revoked",
    ),
    Case(
        "files",
        "error only in combination",
        {"password_authentication": False},
        "AuthenticationMethods cannot be satisfied by enabled authentication methods",
        f"echo 'AuthenticationMethods password' > {_D}/20-foreign.conf && sshd -t",
        f"rm {_D}/20-foreign.conf",
    ),
    Case("files", "a keyword that sshd does not know", {"settings": {"MaxAuthTrys": 3}}, "MaxAuthTr"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_change_that_would_lock_the_operator_out_is_refused(host: Host, record: Record, case: Case) -> None:
    """A50, E14, E18, E41, EH3, EH5, EH6, EH7: check mode says the same and the run changes nothing."""
    before = host.files()
    with record.case(case.name, host) as outcome:
        host.shell(case.broken)
        try:
            if case.reread:
                host.reread()
            broken = host.files()
            predicted = host.harden(check=True, **case.arguments)
            refused = host.harden(**case.arguments)
            unchanged = host.files() == broken and not host.is_armed()
        finally:
            host.shell(case.undo)
            if case.reread:
                host.reread()
        outcome.predicted = bool(predicted["failed"] and case.reason in predicted["msg"])
        outcome.of(refused)
        outcome.recovered = host.lets_in()
    assert refused["failed"] and case.reason in refused["msg"], refused
    assert predicted["failed"] and predicted["msg"] == refused["msg"], predicted
    assert unchanged and outcome.recovered
    assert host.files() == before
    host.takes_a_correct_run()


def test_a_second_subsystem_of_one_name(host: Host, record: Record) -> None:
    """EH2: sshd before 9.5 would not start; later ones take the first, which is ours."""
    wish = {"settings": {"Subsystem": "sftp internal-sftp"}}
    with record.case("duplicate Subsystem", host) as outcome:
        predicted, done = host.harden(check=True, **wish), host.harden(**wish)
        outcome.predicted = bool(predicted["failed"])
        outcome.of(done)
        outcome.recovered = host.lets_in()
    assert outcome.recovered
    if host.name == "web1":
        assert done["failed"] and "sets sftp already, and OpenSSH before 9.5 takes no second one" in done["msg"], done
        assert predicted["msg"] == done["msg"]
    else:
        assert done["verified"] and not host.harden(state="absent")["failed"], done
