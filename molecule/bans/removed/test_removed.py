# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After `remove.yml`, of whatever version of the agent: nothing is left, and fail2ban never missed its action."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

HOSTS = ("web1", "web2")
# Debian 12's own sshd jail reads a file that is not there; it speaks up when ours, which read the journal, are gone.
OF_THE_DISTRIBUTION = ("Have not found any log file for sshd jail", "Async configuration of server failed")


@pytest.mark.parametrize("name", HOSTS)
def test_fail2ban_never_missed_its_action(operator: Any, name: str) -> None:
    """Watched without a pause: what the jails' files name was there, and the running fail2ban met no error."""
    assert operator.eventually(lambda: operator.shell(name, "test", "-e", "/run/watch-over").returncode != 0)
    seen = operator.shell(name, "cat", "/run/watch-fail2ban").stdout.splitlines()
    assert set(seen) == {"there"}
    log = operator.shell(name, "journalctl", "-b", "-u", "fail2ban", "--no-pager", "-q", "-o", "cat").stdout
    log += operator.shell(name, "sh", "-c", "cat /var/log/fail2ban.log 2>/dev/null").stdout
    wrong = [line for line in log.splitlines() if "ERROR" in line or "No such file" in line or "Traceback" in line]
    assert [line for line in wrong if not line.endswith(OF_THE_DISTRIBUTION)] == []


@pytest.mark.parametrize("name", HOSTS)
def test_nobody_is_refused_any_more(operator: Any, name: str) -> None:
    assert operator.shell(name, "nft", "list", "table", "inet", "stockade").returncode != 0
    assert operator.status_code("attacker", {"web1": "198.18.77.11", "web2": "198.18.77.12"}[name]) == 200


@pytest.mark.parametrize("name", HOSTS)
def test_the_host_is_as_it_was(operator: Any, differences: Callable[..., list[str]], name: str) -> None:
    operator.shell(name, "rm", "-f", "/run/watch-fail2ban")
    assert differences(name) == []
