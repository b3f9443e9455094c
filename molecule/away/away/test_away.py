# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warden is away for ten minutes in the middle of a flood, and nobody turns a clock."""

from __future__ import annotations

import time

from jailhosts import Target, both
from watcherhosts import has_read, source_of, status

AWAY = 600.0  # seconds
BACK = 10.0  # the watcher asks a warden that was silent for long every 5
WARDEN = "stockade-warden.socket stockade-warden.service"


@both
def test_ah12_ten_minutes_without_a_warden_cost_no_ban(target: Target) -> None:
    """AH12: neither of the one who goes on all the time, nor of the one who came once; a ban that has run its ten
    minutes by then is none."""
    client = target.client
    began = time.monotonic()
    seen_once = False
    target.script(f"systemctl stop {WARDEN}")
    try:
        while (away := time.monotonic() - began) < AWAY:
            client.request(target, *["/flood/x"] * 60)
            if away > AWAY / 2 and not seen_once:
                client.request(target, *["/flood/x"] * 60, family=6)
                seen_once = True
            assert has_read(target, "nginx")
            now = status(target)
            assert 1 <= now["pending"] <= 30, "one for each rule, client and window, not for each request"
            assert any("warden" in text for text in now["problems"]), now
            assert client.reaches(target) and client.reaches(target, family=6)
        assert "the warden does not answer" in target.script("stockade status 2>&1 || true")
    finally:
        target.script(f"systemctl start {WARDEN}")
    awaited = {client.ipv4, client.ipv6}
    assert target.eventually(lambda: awaited <= target.held(), BACK)
    assert source_of(target, client.ipv6) == "watcher/flood"
    assert target.eventually(lambda: not client.reaches(target) and not client.reaches(target, family=6), 2)
    assert target.eventually(lambda: status(target)["problems"] == [] and status(target)["pending"] == 0, 30)
