# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms are kept until the warden took them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from wardens import Says, couriers, verdicts
from watcherlab import add

from stockade.client import WardenUnavailable
from stockade.protocol import ProtocolError
from stockade.watcher.config import read
from stockade.watcher.service import Service

AWAY = WardenUnavailable("away")


@pytest.mark.parametrize("answer", [AWAY, ProtocolError("quota", "later"), ProtocolError("unavailable", "disk full")])
def test_an_alarm_that_was_not_taken_is_told_again(
    answer: Exception, config: Path, access: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockade.watcher.asking._BACKOFF", (0.0,))
    monkeypatch.setattr("stockade.watcher.service.STATUS", 0.0)
    warden = Says(alarm=answer)
    service = Service(read(config), warden=warden)
    add(access, [b"garbage"] * 150)
    for _turn in range(3):
        service.turn()
    assert set(warden.alarms) == {"format web"}
    before = len(warden.alarms)
    warden.answers["alarm"] = {"changed": True}
    for _turn in range(5):
        service.turn()
    assert len(warden.alarms) == before + 1  # taken, and not told again


def test_the_newest_text_wins_and_what_has_ended_is_not_told() -> None:
    warden = Says(alarm=AWAY)
    courier, _outcomes = couriers(warden)
    courier.alarm({"lag web": "web: 70s behind", "storm": "storm"})
    courier.deliver(now=100, monotonic=0)
    courier.alarm({"lag web": "web: 90s behind"})
    warden.answers["alarm"] = {}
    warden.asked.clear()
    courier.deliver(now=100, monotonic=60)
    assert warden.asked == [("alarm", {"about": "lag web", "text": "web: 90s behind"})]


def test_an_alarm_that_comes_back_is_told_again() -> None:
    warden = Says()
    courier, _outcomes = couriers(warden)
    for alarms in ({"storm": "one"}, {"storm": "two"}, {}, {"storm": "three"}):
        courier.alarm(alarms)
        courier.deliver(now=100, monotonic=0)
    assert [fields["text"] for _op, fields in warden.asked] == ["one", "three"]


def test_alarms_that_are_denied_hold_no_ban_back_and_are_told() -> None:
    warden = Says(alarm=ProtocolError("denied", "watcher may not ask alarm"))
    courier, outcomes = couriers(warden)
    courier.alarm({"storm": "text", "lag web": "text"})
    courier.deliver(now=100, monotonic=0)
    assert warden.alarms == ["storm"]
    assert "watcher may not ask alarm" in courier.problem
    courier.take(verdicts(1))
    courier.deliver(now=100, monotonic=0)
    assert outcomes == ["203.0.113.1 banned"]
    courier.alarm({})
    assert courier.problem == ""


def test_bans_that_are_denied_hold_no_alarm_back() -> None:
    warden = Says(ban=ProtocolError("denied", "no"))
    courier, _outcomes = couriers(warden)
    courier.take(verdicts(1))
    courier.alarm({"storm": "text"})
    courier.deliver(now=100, monotonic=0)
    assert warden.alarms == ["storm"]


def test_an_alarm_that_the_warden_never_takes_is_not_told_for_ever() -> None:
    def picky(fields: dict[str, Any]) -> Any:
        return ProtocolError("invalid", "text") if fields["about"] == "storm" else {}

    warden = Says(alarm=picky)
    courier, _outcomes = couriers(warden)
    courier.alarm({"storm": "text", "lag web": "text"})
    for second in range(0, 120, 40):
        courier.deliver(now=100, monotonic=second)
    assert warden.alarms == ["storm", "lag web"]
