# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service against a fake warden: a socket that answers as the protocol says. The real one is met on the fleet."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from watcherlab import SOURCE, add, settle

from stockade.watcher.service import main


def test_a_ban_reaches_the_warden_once_with_all_it_needs(start, warden, access, log, capfd) -> None:
    service = start()
    now = int(time.time())
    add(access, log.lines(40, now))
    settle(service)
    settle(service)
    (ban,) = warden.asked
    assert ban["network"] == "203.0.113.1"
    assert ban["source"] == "watcher/requests"
    assert ban["reason"] == "30 requests in 1s (threshold 30 in 60s)"
    assert 590 <= ban["duration"] <= 600
    assert ban["id"].startswith("requests-203.0.113.1-")
    # A7: one structured line.
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("ban ")]
    for field in ("network=203.0.113.1", "rule=requests", "count=30", "threshold=30/60s", "result=banned"):
        assert field in line.split()


def test_a2_an_old_log_found_at_the_first_start_bans_nobody(start, warden, access, log) -> None:
    add(access, log.lines(40, int(time.time()) - 120))
    settle(start())
    assert warden.asked == []


def test_a8_a_restart_asks_for_nothing_again(start, warden, access, log) -> None:
    add(access, log.lines(40, int(time.time())))
    first = start()
    settle(first)
    first.save()
    settle(start())
    assert warden.networks == ["203.0.113.1"]


def test_sigkill_between_two_saves_neither_loses_a_ban_nor_counts_twice(start, warden, access, log) -> None:
    now = int(time.time())
    add(access, log.lines(20, now))
    first = start()
    settle(first)
    first.save()
    add(access, log.lines(5, now))
    settle(first)  # 25 read, 20 saved; then it is killed
    second = start()
    settle(second)
    assert warden.asked == []
    add(access, log.lines(4, now))
    settle(second)
    assert warden.asked == []  # 29
    add(access, log.lines(1, now))
    settle(second)
    assert warden.networks == ["203.0.113.1"]
    settle(start())  # killed before it could save: the same question with the same id
    assert [ban["id"] for ban in warden.asked] == [warden.asked[0]["id"]] * 2


def test_counts_survive_a_restart(start, warden, access, log) -> None:
    now = int(time.time())
    add(access, log.lines(29, now))
    first = start()
    settle(first)
    first.save()
    second = start()
    add(access, log.lines(1, now))
    settle(second)
    assert warden.networks == ["203.0.113.1"]


def test_verdicts_wait_for_a_warden_that_is_away_and_survive_a_restart(start, warden, access, log, monkeypatch) -> None:
    monkeypatch.setattr("stockade.watcher.asking._BACKOFF", (0.0,))
    warden.stop()
    add(access, log.lines(40, int(time.time())))
    service = start()
    settle(service)
    status = service.status()
    assert (status["pending"], status["state"]) == (1, "degraded")
    assert "the warden does not answer" in status["last_error"]
    service.save()
    service = start()
    settle(service)
    warden.start()
    settle(service)
    assert warden.networks == ["203.0.113.1"]
    assert service.status()["problems"] == []


def test_a_backlog_counts_in_its_own_past_and_bans_only_what_would_still_run(start, warden, access, log) -> None:
    now = int(time.time())
    service = start()
    settle(service)
    service.save()
    lines = log.lines(30, now - 700, "203.0.113.7") + log.lines(15, now - 500, "203.0.113.8")
    lines += log.lines(30, now - 400, "203.0.113.9") + log.lines(15, now - 300, "203.0.113.8")
    add(access, lines)
    later = start()
    later.reading.not_before["web"] = 0  # it has watched this log for long
    settle(later)
    (ban,) = warden.asked
    assert ban["network"] == "203.0.113.9"
    assert 195 <= ban["duration"] <= 200
    assert later.courier.late == 1


def test_a_refusal_is_said_once_and_not_repeated(start, warden, access, log, capfd) -> None:
    def refuse(request: dict[str, Any]) -> dict[str, Any]:
        rows = [{"network": "203.0.113.1", "state": "refused", "message": "it is whitelisted\n"}]
        return {"v": 1, "ok": True, "result": {"changed": False, "results": rows}}

    warden.answer = refuse
    service = start()
    add(access, log.lines(200, int(time.time())))
    settle(service)
    assert len(warden.asked) == 1
    assert r"result=refused (it is whitelisted\n)" in capfd.readouterr().err


def test_an_error_answer_ends_the_verdict_an_internal_one_is_asked_again(
    start, warden, access, log, monkeypatch
) -> None:
    monkeypatch.setattr("stockade.watcher.asking._BACKOFF", (0.0,))
    service = start()
    now = int(time.time())
    answers = ["internal", "invalid"]
    warden.answer = lambda _: {"v": 1, "ok": False, "error": {"code": answers.pop(0), "message": "no"}}
    add(access, log.lines(30, now))
    settle(service)
    assert service.status()["pending"] == 1
    settle(service)
    assert service.status()["pending"] == 0
    assert [ban["id"] for ban in warden.asked] == [warden.asked[0]["id"]] * 2


def test_many_bans_go_in_batches(start, warden, access, log) -> None:
    now = int(time.time())
    add(access, [log.line(now, f"203.0.{112 + n // 250}.{1 + n % 250}") for n in range(350) for _time in range(30)])
    settle(start())
    assert len(set(warden.networks)) == len(warden.asked) == 350


def test_observe_asks_nobody(start, warden, config, access, log, capfd) -> None:
    config.write_text(config.read_text() + '[[rule]]\nname = "try"\ntype = "rate"\nmaxretry = 20\nobserve = true\n')
    service = start()
    add(access, log.lines(20, int(time.time())))
    settle(service)
    assert warden.asked == []
    assert "result=observed" in capfd.readouterr().err


def test_a_missing_log_is_a_problem_not_the_end(start, access, log, warden) -> None:
    access.unlink()
    service = start()
    settle(service)
    assert service.status()["problems"] == [f"{access}: No such file or directory"]
    add(access, log.lines(30, int(time.time())))
    settle(service)
    assert service.status()["problems"] == []
    assert warden.networks == ["203.0.113.1"]


def test_ah8_an_input_that_mostly_does_not_parse_is_a_problem(start, access) -> None:
    add(access, [b'{"status":200}'] * 150)
    service = start()
    settle(service)
    assert service.status()["problems"] == [f"{access}: 150 of 150 lines do not parse"]
    assert service.status()["inputs"][0]["unparsed"] == 150


def test_reload_keeps_counts_and_refuses_a_wrong_file(start, config, access, warden, log) -> None:
    service = start()
    now = int(time.time())
    add(access, log.lines(20, now))
    settle(service)
    good = config.read_text()
    config.write_text(good + "[[rule]]\nname = 'x'\n")
    service.reload_wanted = True
    settle(service)
    assert "not reloaded" in service.status()["last_error"]
    assert [rule["name"] for rule in service.status()["rules"]] == ["requests", "requests-all"]
    config.write_text(good + "[[rule]]\nname = 'x'\ntype = 'rate'\nobserve = true\n")
    service.reload_wanted = True
    settle(service)
    assert service.status()["problems"] == []
    assert len(service.status()["rules"]) == 3
    add(access, log.lines(10, now))
    settle(service)
    assert [ban["source"] for ban in warden.asked] == ["watcher/requests"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 9}', '{"version": 1, "rules": {"requests": 3}}', '{"version":2}\n[1]\n']
)
def test_a_damaged_state_is_moved_aside(start, tmp_path, access, warden, log, text) -> None:
    (tmp_path / "state.json").write_text(text)
    add(access, log.lines(30, int(time.time())))
    settle(start())
    assert warden.networks == ["203.0.113.1"]
    assert (tmp_path / "state.json.broken").read_text() == text


def test_a_state_that_cannot_be_saved_is_a_problem(start, tmp_path, access, log) -> None:
    service = start()
    (tmp_path / "state.json.new").mkdir()
    service.save()
    assert "cannot save" in service.status()["last_error"]


def test_the_status_file(start, tmp_path, access, log) -> None:
    service = start()
    add(access, log.lines(3, int(time.time())))
    settle(service)
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "watching"
    assert status["inputs"][0]["lines"] == 3
    assert [rule["tracked"] for rule in status["rules"]] == [1, 1]


def test_a_wrong_configuration_is_exit_2(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(tmp_path / "absent.toml")]) == 2
    assert "no such file" in capfd.readouterr().err


def test_the_process_bans_within_seconds_and_ends_at_sigterm(tmp_path, config, access, warden, log) -> None:
    """A14 in small, with readiness and watchdog as systemd would hear them."""
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(tmp_path / "notify.sock"))
    notify.settimeout(10)
    arguments = ["--config", str(config), "--socket", str(warden.path)]
    arguments += ["--state-dir", str(tmp_path), "--runtime-dir", str(tmp_path)]
    code = "import sys; from stockade.watcher.service import main; sys.exit(main(sys.argv[1:]))"
    environment = {
        **os.environ,
        "PYTHONPATH": str(SOURCE),
        "NOTIFY_SOCKET": str(tmp_path / "notify.sock"),
        "WATCHDOG_USEC": "1000000",
    }
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment)
    try:
        assert notify.recv(1000).startswith(b"READY=1")
        assert notify.recv(1000) == b"WATCHDOG=1"
        began = time.monotonic()
        add(access, log.lines(30, int(time.time())))
        while not warden.asked and time.monotonic() - began < 5:  # the bound of A14
            time.sleep(0.01)
        assert warden.networks == ["203.0.113.1"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "stopped"
    assert "203.0.113.1" in (tmp_path / "state.json").read_text()
