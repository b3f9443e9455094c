# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told to read sshd's files anew."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._ssh import host
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.change import Change
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Unit

SERVICE = Unit("ssh.service", loaded=True, active=True, pid=0, listen=())
SOCKET = Unit("ssh.socket", loaded=True, active=True, pid=0, listen=("[::]:22",))


def told(monkeypatch: pytest.MonkeyPatch, before: host.Listener, now: host.Listener) -> list[str]:
    asked: list[str] = []

    def run(words: list[str], **_more: Any) -> tuple[int, str, str]:
        asked.append(" ".join(words[1:]))
        return 0, "", ""

    monkeypatch.setattr(host, "find_listener", lambda _run: now)
    Change(run, host.Sshd(run, "/usr/sbin/sshd"), (), {}, before)._reload()
    return asked


@pytest.mark.parametrize(
    ("before", "now", "asked"),
    [
        (host.Listener("service", SERVICE, None),) * 2 + (["reload ssh.service"],),
        (host.Listener("socket", SERVICE, SOCKET),) * 2 + (["reset-failed ssh.service", "restart ssh.service"],),
        (host.Listener("socket", None, SOCKET),) * 2 + ([],),
        (
            host.Listener("socket", None, SOCKET),
            host.Listener("socket", SERVICE, SOCKET),
            ["reset-failed ssh.service", "restart ssh.service"],
        ),
    ],
    ids=["a service", "a socket and its service", "a socket alone", "a socket whose service was started meanwhile"],
)
def test_whoever_runs_is_told(
    monkeypatch: pytest.MonkeyPatch, before: host.Listener, now: host.Listener, asked: list[str]
) -> None:
    assert told(monkeypatch, before, now) == asked
