# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be known beforehand: check mode says it, the run refuses, and nothing was changed."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import pytest
from lockouthosts import Host, Record


class Case(NamedTuple):
    """What is broken on the host (``undo`` mends it), what is asked for, and the reason that has to be given."""

    name: str
    arguments: dict[str, Any]
    reason: str
    broken: str = "true"
    undo: str = "true"


_D = "/etc/ssh/sshd_config.d"
CASES = [
    Case("AllowUsers without the operator", {"allow_users": ["admin"]}, "AllowUsers admin leaves operator out"),
    Case("AllowGroups with a missing group", {"allow_groups": ["nosuch"]}, "AllowGroups nosuch holds no group"),
    Case(
        "AllowGroups with an empty group",
        {"allow_groups": ["stockade-empty"]},
        "AllowGroups stockade-empty holds no group",
        "groupadd stockade-empty",
        "groupdel stockade-empty",
    ),
    Case(
        "passwords off without a usable key",
        {"operator": "nokey", "password_authentication": False},
        "no usable authorized key",
        "useradd -m -p '$6$x$x' nokey",
        "userdel -r nokey 2>/dev/null",
    ),
    Case(
        "root login off while connecting as root",
        {"operator": "root", "permit_root_login": "no"},
        "PermitRootLogin no shuts out root",
        "mkdir -p -m 700 /root/.ssh && cp -p ~operator/.ssh/authorized_keys /root/.ssh/ && chown root: /root/.ssh/*",
        "rm /root/.ssh/authorized_keys",
    ),
    Case(
        "locked password with UsePAM no",
        {"settings": {"UsePAM": False}},
        "is locked, which refuses every login",
        "passwd -l operator",
        "passwd -u operator 2>/dev/null || usermod -p '*' operator",
    ),
    Case(
        "broken foreign drop-in",
        {},
        "broken already",
        f"echo 'NoSuchKeyword yes' > {_D}/20-foreign.conf",
        f"rm {_D}/20-foreign.conf",
    ),
    Case(
        "trailing Match block that denies the operator",
        {},
        "DenyUsers operator names operator",
        f"printf 'Match all\\n  DenyUsers operator\\n' > {_D}/99-foreign.conf",
        f"rm {_D}/99-foreign.conf",
    ),
    Case(
        "earlier drop-in that wins",
        {},
        f"{_D}/00-early.conf:1",
        f"echo 'MaxAuthTries 6' > {_D}/00-early.conf",
        f"rm {_D}/00-early.conf",
    ),
    Case(
        "files on disk that the running daemon never loaded",
        {},
        "restart",
        f"echo 'Ciphers aes256-ctr' > {_D}/20-foreign.conf",
        f"rm {_D}/20-foreign.conf",
    ),
    Case(
        "no common key exchange",
        {"profile": "none", "settings": {"KexAlgorithms": "diffie-hellman-group1-sha1"}},
        "no common key exchange",
    ),
    Case("a keyword that sshd does not know", {"settings": {"MaxAuthTrys": 3}}, "MaxAuthTr"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_change_that_would_lock_the_operator_out_is_refused(host: Host, record: Record, case: Case) -> None:
    began = time.monotonic()
    before = host.files()
    host.shell(case.broken)
    try:
        broken = host.files()
        predicted = host.harden(check=True, **case.arguments)
        refused = host.harden(**case.arguments)
        unchanged = host.files() == broken and not host.is_armed()
    finally:
        host.shell(case.undo)
    recovered = host.lets_in()
    record.add(
        case.name,
        host.name,
        predicted=bool(predicted["failed"] and case.reason in predicted["msg"]),
        outcome="refused" if refused["failed"] else "changed",
        recovered=recovered,
        seconds=time.monotonic() - began,
    )
    assert refused["failed"] and case.reason in refused["msg"], refused
    assert predicted["failed"] and predicted["msg"] == refused["msg"], predicted
    assert unchanged and recovered
    assert host.files() == before
