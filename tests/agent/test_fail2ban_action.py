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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ACTION = Path(__file__).resolve().parents[2] / "roles" / "fail2ban" / "files" / "action.d" / "stockade.py"


class Warden:
    """Keeps what it is asked and answers with ``answer``; with None it is silent until it is `mend`ed."""

    def __init__(self, path: Path) -> None:
        self.mended = threading.Event()
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
                self.mended.wait()
            text = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode() + b"\n"
            with contextlib.suppress(BrokenPipeError), link:  # the action does not wait for a late answer
                link.sendall(text)

    def told(self) -> list[tuple[str, list[str]]]:
        """The requests in brief."""
        return [(r["op"], r.get("networks") or [entry["network"] for entry in r["bans"]]) for r in self.asked]

    def mend(self) -> None:
        """Answer from now on."""
        self.answer = {"v": 1, "ok": True, "result": {"changed": True, "results": []}}
        self.mended.set()


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether the condition comes true before the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def idle(action: Any) -> bool:
    """Whether nothing waits and nobody tries."""
    return not action._courier._waiting and action._courier._thread is None


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
def action(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(module, "PAUSE", 0.02)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.05)
    jail = types.SimpleNamespace(name="sshd")
    # port, protocol and chain as `action_` of fail2ban's jail.conf passes them
    action = module.Action(
        jail, "stockade", port="22", protocol="tcp", chain="x", path=str(tmp_path / "w"), timeout="0.5"
    )
    yield action
    action._courier._waiting.clear()
    action.stop()


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
        ({"age": 590, "failures": 0}, 10, "banned by hand in fail2ban"),
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


def test_a_silent_warden_costs_one_deadline_and_not_one_a_ban(
    action: Any, warden: Warden, caplog: pytest.LogCaptureFixture
) -> None:
    """Bans of any kind: what comes after the first one waits at once, and all arrive when the warden is back."""
    caplog.set_level(logging.INFO)
    warden.answer = None
    began = time.monotonic()
    for last in range(100):
        action.ban(ban(ip="203.0.113.%d" % last, restored=last % 2))
    assert time.monotonic() - began < 20  # a hundred deadlines are 50 s
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    warden.mend()
    assert eventually(lambda: idle(action))
    assert {address for _op, told in warden.told() for address in told} == {"203.0.113.%d" % n for n in range(100)}
    assert caplog.records[-1].getMessage() == "[sshd] the warden is back and was told of 100 bans and unbans"


def test_what_was_missed_is_delivered_without_another_ban(action: Any, tmp_path: Path) -> None:
    """Down, and back: nobody has to ban anybody for that."""
    action.ban(ban())
    action.ban(ban(ip="203.0.113.2"))
    action.unban(ban(ip="203.0.113.2"))  # the last word counts
    warden = Warden(tmp_path / "w")
    assert eventually(lambda: idle(action))
    assert warden.told() == [("ban", ["203.0.113.9"]), ("unban", ["203.0.113.2"])]
    action.ban(ban(ip="203.0.113.4"))
    assert warden.told()[2:] == [("ban", ["203.0.113.4"])]  # delivered once


def test_a_ban_whose_time_is_over_is_told_to_nobody(
    module: Any, action: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    action.ban(ban())
    action.ban(ban(ip="203.0.113.1", bantime=-1))
    later = time.time() + 601
    monkeypatch.setattr(module.time, "time", lambda: later)
    warden = Warden(tmp_path / "w")
    assert eventually(lambda: idle(action))
    assert warden.told() == [("ban", ["203.0.113.1"])]


def test_an_unban_that_comes_while_its_ban_is_told_is_told_after_it(action: Any, warden: Warden) -> None:
    """One address keeps its order, also where two threads of fail2ban are at it."""
    warden.answer = None
    first = threading.Thread(target=action.ban, args=(ban(),))
    first.start()
    assert eventually(lambda: bool(warden.asked))
    action.unban(ban())
    first.join()
    warden.mend()
    assert eventually(lambda: idle(action))
    assert warden.told()[-1] == ("unban", ["203.0.113.9"])


def test_two_threads_wait_for_one_deadline_each_at_most(action: Any, warden: Warden) -> None:
    warden.answer = None
    took: list[float] = []

    def timed(last: int) -> None:
        began = time.monotonic()
        action.ban(ban(ip="203.0.113.%d" % last))
        took.append(time.monotonic() - began)

    threads = [threading.Thread(target=timed, args=(last,)) for last in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(took) < 10  # one after the other they would take 20 s


def test_stop_gives_what_waits_one_more_deadline(action: Any, tmp_path: Path, module: Any) -> None:
    """And unbans with it: fail2ban's next start tells its bans again, and no unban."""
    action.unban(ban())
    action.ban(ban(ip="203.0.113.2"))
    warden = Warden(tmp_path / "w")
    action.stop()
    assert sorted(told for _op, [told] in warden.told()) == ["203.0.113.2", "203.0.113.9"]
    assert idle(action)


def test_stop_does_not_wait_for_a_warden_that_is_gone(
    action: Any, warden: Warden, caplog: pytest.LogCaptureFixture
) -> None:
    warden.answer = None
    action.ban(ban())
    thread = action._courier._thread
    began = time.monotonic()
    action.stop()
    assert time.monotonic() - began < 20
    assert "was not told of 1 bans and unbans" in caplog.text
    thread.join(timeout=20)
    assert not thread.is_alive() and idle(action)


def test_after_a_stop_it_works_as_before(action: Any, tmp_path: Path) -> None:
    action.ban(ban())
    action.stop()
    action.start()
    action.ban(ban(ip="203.0.113.2"))
    warden = Warden(tmp_path / "w")
    assert eventually(lambda: idle(action))
    assert warden.told() == [("ban", ["203.0.113.2"])]


def test_a_reload_keeps_what_waits(action: Any, tmp_path: Path) -> None:
    action.ban(ban())
    action.clearAllParams()
    action.reload(path=str(tmp_path / "w"), timeout="0.5")
    warden = Warden(tmp_path / "w")
    assert eventually(lambda: idle(action))
    assert warden.told() == [("ban", ["203.0.113.9"])]


def test_a_defect_does_not_end_the_delivery(
    action: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    action.ban(ban())
    deliver, failed = action._courier._deliver, threading.Event()

    def once(told: Any, deadline: float) -> None:
        if not failed.is_set():
            failed.set()
            raise KeyError("boom")
        deliver(told, deadline)

    action._courier._deliver = once
    assert failed.wait(5)
    warden = Warden(tmp_path / "w")
    assert eventually(lambda: idle(action))
    assert warden.told() == [("ban", ["203.0.113.9"])] and "telling the warden failed" in caplog.text


def test_nobody_runs_in_the_background_while_all_is_told(action: Any, warden: Warden) -> None:
    before = threading.active_count()
    action.ban(ban())
    assert idle(action) and threading.active_count() == before


def test_what_is_kept_has_an_end(
    module: Any, action: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MAX_UNDELIVERED", 2)
    for last in range(5):
        action.ban(ban(ip="203.0.113.%d" % last))
    assert sorted(action._courier._waiting) == ["203.0.113.3", "203.0.113.4"]
    assert caplog.text.count("will not hear of") == 1


def test_one_bad_entry_does_not_cost_its_neighbours(action: Any, tmp_path: Path) -> None:
    action.ban(ban(ip="some-id"))
    action.ban(ban())
    action.unban(ban(ip="other-id"))
    action.unban(ban(ip="203.0.113.8"))
    warden = Warden(tmp_path / "w")
    warden.answer = {"v": 1, "ok": False, "error": {"code": "invalid", "message": "no address"}}
    assert eventually(lambda: idle(action))
    assert warden.told() == [
        ("ban", ["some-id", "203.0.113.9"]), ("ban", ["some-id"]), ("ban", ["203.0.113.9"]),
        ("unban", ["other-id", "203.0.113.8"]), ("unban", ["other-id"]), ("unban", ["203.0.113.8"]),
    ]  # fmt: skip


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
    assert time.monotonic() - began < 20
    assert "no answer within 0.5 s" in caplog.text


def test_no_warden(action: Any, caplog: pytest.LogCaptureFixture) -> None:
    action.unban(ban())
    assert "the warden did not unban 203.0.113.9: [Errno 2]" in caplog.text
