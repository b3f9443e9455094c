# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban's action `stockade.py`, with a warden that is played."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import re
import socket
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ACTION = Path(__file__).resolve().parents[2] / "roles" / "fail2ban" / "files" / "action.d" / "stockade.py"


class Warden:
    """Keeps what it is asked and answers with ``answer``; silent with None."""

    def __init__(self, path: Path) -> None:
        self.answer: Any = {"v": 1, "ok": True, "result": {"changed": True, "results": []}}
        self.asked: list[dict[str, Any]] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            link, _address = self.listener.accept()
            line = link.makefile("rb").readline()
            self.asked.append(json.loads(line))
            if self.answer is None:
                time.sleep(5)
            text = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode() + b"\n"
            with contextlib.suppress(BrokenPipeError), link:  # the action does not wait for a late answer
                link.sendall(text)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The action's module; of fail2ban no more than the class it derives from."""

    class ActionBase:
        def __init__(self, jail: Any, name: str) -> None:
            self._logSys = logging.getLogger("fail2ban.Action")

    played = types.ModuleType("fail2ban.server.action")
    played.ActionBase = ActionBase  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fail2ban", types.ModuleType("fail2ban"))
    monkeypatch.setitem(sys.modules, "fail2ban.server", types.ModuleType("fail2ban.server"))
    monkeypatch.setitem(sys.modules, "fail2ban.server.action", played)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("stockade_fail2ban_action", ACTION)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    yield loaded


@pytest.fixture
def warden(tmp_path: Path) -> Warden:
    return Warden(tmp_path / "w")


@pytest.fixture
def action(module: Any, tmp_path: Path) -> Any:
    jail = types.SimpleNamespace(name="sshd")
    # port, protocol and chain as `action_` of fail2ban's jail.conf passes them
    return module.Action(
        jail, "stockade", port="22", protocol="tcp", chain="x", path=str(tmp_path / "w"), timeout="0.5"
    )


def ban(age: float = 0, **changed: Any) -> dict[str, Any]:
    """What fail2ban tells its action of a ban that began `age` seconds ago."""
    return {"ip": "203.0.113.9", "bantime": 600, "time": time.time() - age, "failures": 5, "restored": 0, **changed}


def test_ban(action: Any, warden: Warden) -> None:
    action.ban(ban(ip="2001:db8::9"))
    entry = {"network": "2001:db8::9", "source": "fail2ban/sshd", "duration": 600, "reason": "5 failures"}
    assert re.fullmatch("[0-9a-f]{32}", warden.asked[0]["bans"][0].pop("id"))
    assert warden.asked == [{"v": 1, "op": "ban", "bans": [entry], "on_refused": "skip"}]


@pytest.mark.parametrize(
    ("about", "duration", "reason"),
    [
        ({"bantime": -1}, "permanent", "5 failures"),
        ({"age": 10_000, "bantime": 20_000, "failures": 1}, 10_000, "1 failure"),
        ({"age": -500, "bantime": 600}, 600, "5 failures"),
        ({"age": 2_000_000_000, "failures": 0}, 1, "banned by hand in fail2ban"),
    ],
)
def test_how_long_and_why(action: Any, warden: Warden, about: dict[str, Any], duration: Any, reason: str) -> None:
    action.ban(ban(**about))
    (entry,) = warden.asked[0]["bans"]
    assert entry["reason"] == reason
    assert entry["duration"] == (duration if isinstance(duration, str) else pytest.approx(duration, abs=5))


def test_a_restart_takes_nothing_back(action: Any, warden: Warden) -> None:
    action.stop()
    action.start()
    assert action.flush() is True  # else fail2ban unbans one by one
    assert warden.asked == []


def test_a_restored_ban_is_told_with_what_remains(action: Any, warden: Warden) -> None:
    """Until now another action may have enforced it."""
    assert not getattr(action, "norestored", False)
    action.ban(ban(restored=1, age=400))
    action.ban(ban(restored=1, age=-3, bantime=-1))
    action.ban(ban(restored=1, age=601))
    (first,), (second,) = (request["bans"] for request in warden.asked)
    assert first["duration"] == pytest.approx(200, abs=2)
    assert second["duration"] == "permanent"


def test_a_ban_keeps_its_id_over_a_restart(action: Any, warden: Warden) -> None:
    """So what an operator lifted at the warden does not come back with fail2ban's next start."""
    made = ban(time=1_900_000_000.4, bantime=-1)
    for told in (made, {**made, "time": 1_900_000_000, "restored": 1}, {**made, "bantime": 10**9}):
        action.ban(told)
    ids = [request["bans"][0]["id"] for request in warden.asked]
    assert ids[0] == ids[1] != ids[2]  # another duration is another ban: prolong must count


def test_a_new_ban_in_the_same_second_counts(action: Any, warden: Warden) -> None:
    told = {"network": "203.0.113.9", "state": "unchanged", "message": "this ban was made before and lifted since"}
    warden.answer = {"v": 1, "ok": True, "result": {"results": [told]}}
    action.ban(ban(restored=1))
    assert ["id" in request["bans"][0] for request in warden.asked] == [True]
    action.ban(ban())
    assert ["id" in request["bans"][0] for request in warden.asked] == [True, True, False]


def test_restored_bans_do_not_wait_for_a_silent_warden_one_by_one(
    action: Any, warden: Warden, caplog: pytest.LogCaptureFixture
) -> None:
    warden.answer = None
    began = time.monotonic()
    for last in range(50):
        action.ban(ban(ip="203.0.113.%d" % last, restored=1))
    assert time.monotonic() - began < 1.5
    assert len(warden.asked) == 1
    assert len(caplog.records) == 1


def test_a_new_ban_is_tried_although_the_warden_was_silent(action: Any, tmp_path: Path) -> None:
    action.ban(ban(restored=1))
    assert Warden(tmp_path / "w").asked == []
    (tmp_path / "w").unlink()
    warden = Warden(tmp_path / "w")
    action.ban(ban(ip="203.0.113.8", restored=1))
    assert warden.asked == []
    action.ban(ban(ip="203.0.113.7"))
    assert [[entry["network"] for entry in request["bans"]] for request in warden.asked] == [
        ["203.0.113.7"],
        ["203.0.113.9", "203.0.113.8"],
    ]


def test_what_was_missed_is_delivered_with_the_next_ban(action: Any, tmp_path: Path) -> None:
    action.ban(ban())
    action.ban(ban(ip="203.0.113.1", age=599, bantime=600))
    action.ban(ban(ip="203.0.113.2"))
    action.unban(ban(ip="203.0.113.2"))  # the last word counts
    time.sleep(1.1)  # until the second is over
    warden = Warden(tmp_path / "w")
    action.unban(ban(ip="203.0.113.3"))
    told = [(r["op"], r.get("networks") or [entry["network"] for entry in r["bans"]]) for r in warden.asked]
    assert told == [("unban", ["203.0.113.3"]), ("ban", ["203.0.113.9"]), ("unban", ["203.0.113.2"])]
    action.ban(ban(ip="203.0.113.4"))
    assert len(warden.asked) == 4  # delivered once


def test_what_is_kept_has_an_end(
    module: Any, action: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MAX_UNDELIVERED", 2)
    for last in range(3):
        action.ban(ban(ip="203.0.113.%d" % last))
    assert sorted(action._undelivered) == ["203.0.113.1", "203.0.113.2"]
    assert "will not hear of 203.0.113.0" in caplog.text


def test_one_bad_entry_does_not_cost_its_neighbours(action: Any, tmp_path: Path) -> None:
    action.ban(ban(ip="some-id", restored=1))
    action.ban(ban(restored=1))
    warden = Warden(tmp_path / "w")
    warden.answer = {"v": 1, "ok": False, "error": {"code": "invalid", "message": "no address"}}
    action.ban(ban(ip="203.0.113.4"))
    assert [len(request["bans"]) for request in warden.asked] == [1, 2, 1, 1]
    assert action._undelivered == {}


def test_unban_ends_only_the_jails_own_row(action: Any, warden: Warden) -> None:
    action.unban(ban())
    assert warden.asked[0]["op"] == "unban"
    assert warden.asked[0]["networks"] == ["203.0.113.9"]
    assert warden.asked[0]["source"] == "fail2ban/sshd"


def test_prolong_tells_the_new_end(action: Any, warden: Warden) -> None:
    assert action._prolongable
    action.prolong(ban(bantime=6000))
    assert warden.asked[0]["bans"][0]["duration"] == pytest.approx(6000, abs=2)


def test_it_outlives_a_reload(action: Any) -> None:
    action.clearAllParams()
    action.reload(path="/elsewhere")
    assert (action._path, action._timeout) == ("/elsewhere", 2.0)


def test_refused_is_one_warning(action: Any, warden: Warden, caplog: pytest.LogCaptureFixture) -> None:
    told = {"network": "203.0.113.9", "state": "refused", "message": "whitelisted\nby list operator"}
    warden.answer = {"v": 1, "ok": True, "result": {"results": [told]}}
    action.ban(ban())
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "[sshd] the warden refused to ban 203.0.113.9: whitelisted\\x0aby list operator"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"v": 1, "ok": False, "error": {"code": "denied", "message": "not you"}}, "denied: not you"),
        (b"junk\n", "Expecting value"),
        (b"[]\n", "no attribute"),
        (b"{", "closed without an answer"),
        (b"\xff\n", "can't decode"),
    ],
)
def test_other_answers_are_logged_not_raised(
    action: Any, warden: Warden, caplog: pytest.LogCaptureFixture, answer: Any, why: str
) -> None:
    warden.answer = answer
    action.ban(ban())
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith("[sshd] the warden did not ban 203.0.113.9: ")
    assert why in record.getMessage()


def test_silence_costs_the_deadline_only(action: Any, warden: Warden, caplog: pytest.LogCaptureFixture) -> None:
    warden.answer = None
    began = time.monotonic()
    action.ban(ban())
    assert time.monotonic() - began < 1.5
    assert "no answer within 0.5 s" in caplog.text


def test_no_warden(action: Any, caplog: pytest.LogCaptureFixture) -> None:
    action.unban(ban())
    assert "the warden did not unban 203.0.113.9: [Errno 2]" in caplog.text
