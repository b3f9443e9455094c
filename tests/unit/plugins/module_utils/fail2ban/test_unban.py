# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An unban reaches fail2ban's own list, with a client that is played."""

from __future__ import annotations

from typing import Any

from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import Fail2banUnavailable
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._unban import keep, lift


class Client:
    def __init__(self, banned: dict[str, list[str]] | None) -> None:
        self._banned = banned
        self.called: list[list[str]] = []

    def banned(self) -> dict[str, list[str]]:
        if self._banned is None:
            raise Fail2banUnavailable("not running")
        return self._banned

    def call(self, command: list[str], **_timeout: float) -> Any:
        self.called.append(command)


def test_a38_every_jail_forgets_what_it_held_and_nothing_else() -> None:
    client: Any = Client({"sshd": ["203.0.113.9"], "nginx": ["203.0.113.9", "203.0.113.51"]})
    assert lift(["203.0.113.5", "203.0.113.9"], check=False, client=client) == ["203.0.113.9"]
    assert client.called == [["unban", "203.0.113.9"]]


def test_check_mode_only_looks() -> None:
    client: Any = Client({"sshd": ["203.0.113.9"]})
    assert lift(["203.0.113.9"], check=True, client=client) == ["203.0.113.9"]
    assert client.called == []


def test_a_host_without_fail2ban_holds_none() -> None:
    client: Any = Client(None)
    assert lift(["203.0.113.9"], check=False, client=client) == []


def test_a37_one_jail_forgets_and_the_others_keep() -> None:
    client: Any = Client({"sshd": ["203.0.113.9", "2001:db8::1"], "nginx": ["203.0.113.9"]})
    found = lift(["203.0.113.9", "2001:db8::1"], check=False, jail="sshd", client=client)
    assert found == ["203.0.113.9", "2001:db8::1"]
    assert client.called == [["set", "sshd", "unbanip", "203.0.113.9", "2001:db8::1"]]
    assert lift(["2001:db8::1"], check=False, jail="nginx", client=client) == []


def test_a37_what_other_jails_hold_remains_and_is_told_once() -> None:
    client: Any = Client({"sshd": ["203.0.113.9"], "nginx": ["203.0.113.9"], "ftp": ["203.0.113.9"]})
    row = {"network": "203.0.113.9", "source": "fail2ban/nginx", "reason": "3 failures"}
    results: list[dict[str, Any]] = [{"network": "203.0.113.9", "remaining": [row]}]
    keep(results, "sshd", client=client)
    assert results[0]["remaining"] == [row, {"network": "203.0.113.9", "source": "fail2ban/ftp"}]


def test_ah14_addresses_are_compared_by_what_they_are() -> None:
    client: Any = Client({"sshd": ["203.0.113.51", "2001:DB8:0::1", "some.host"]})
    assert lift(["203.0.113.5", "2001:db8::1"], check=False, client=client) == ["2001:db8::1"]
    assert client.called == [["unban", "2001:DB8:0::1"]]
