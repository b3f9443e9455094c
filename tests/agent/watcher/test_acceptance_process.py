# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the acceptance list that need a process of their own: exit codes, memory, what is said, what is loaded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watcherlab import SOURCE, FakeWarden, add

from stockade.watcher.verdict import Verdict

MAIN = "import sys; from stockade.cli import main; sys.exit(main(sys.argv[1:]))"
# What the five parts of the watcher are, and what each of them must do without.
EYES, BRAIN, MEMORY = "inputs.file inputs.glob inputs.journal", "engine", "eventlog state"
SHIELD, VOICE = "courier", "journal"
PARTS = {
    EYES: "engine rules formats courier eventlog state status service",
    BRAIN: "inputs courier eventlog state status service reading",
    MEMORY: "engine rules formats inputs courier status service",
    SHIELD: "engine formats inputs eventlog state status service",
    VOICE: "engine rules formats inputs courier eventlog state service",
}


def python(code: str, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False, **more)


def until(holds: Callable[[], Any], seconds: float = 10) -> None:
    """Poll with a deadline."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.01)


class Program:
    """`stockade watcher` as a process; `end` gives its exit code, what it said is then in `out` and `err`."""

    def __init__(self, directory: Path, config: Path, code: str = MAIN, socket: str = "warden.sock") -> None:
        command = [sys.executable, "-c", code, "watcher", "--config", str(config)]
        command += ["--socket", str(directory / socket)]
        command += ["--state-dir", str(directory), "--runtime-dir", str(directory)]
        self.status_file = directory / "status.json"
        self.out = self.err = ""
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def status(self) -> dict[str, Any]:
        """What this very process wrote last, or nothing."""
        try:
            found = json.loads(self.status_file.read_text())
        except OSError:
            return {}
        return dict(found) if found["pid"] == self.process.pid else {}

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        self.out, self.err = self.process.communicate(timeout=20)
        return self.process.returncode


@pytest.fixture
def program(tmp_path: Path, config: Path) -> Iterator[Callable[..., Program]]:
    running: list[Program] = []

    def start(**fields: Any) -> Program:
        running.append(Program(tmp_path, **{"config": config, **fields}))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def beyond_the_start(said: str) -> list[str]:
    """The lines that are not about what is read and counted, which are said at each start (C20)."""
    return [line for line in said.splitlines() if not line.startswith(("input ", "rules: "))]


def test_a11_a_quiet_log_is_no_word_no_ban_and_exit_0(program, access, warden: FakeWarden, log) -> None:
    add(access, log.lines(29, int(time.time())))
    running = program()
    until(running.status)
    assert running.end() == 0
    assert running.status()["inputs"][0]["lines"] == 29
    assert (running.out, beyond_the_start(running.err), warden.asked) == ("", [], [])


def test_a11_and_one_line_more_is_said(program, access, warden: FakeWarden, log) -> None:
    add(access, log.lines(30, int(time.time())))
    running = program()
    until(lambda: warden.asked)
    assert running.end() == 0
    assert (running.out, len(beyond_the_start(running.err))) == ("", 1)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--nonsense"], 2), (["one.toml", "two.toml"], 2), (["--config"], 2), (["--help"], 0)],
)
def test_d2_what_is_no_command_line_is_the_usage_and_exit_2(arguments: list[str], code: int) -> None:
    done = python(MAIN, "watcher", *arguments)
    assert done.returncode == code
    assert "usage: stockade watcher" in done.stdout + done.stderr


def test_d2_a_word_that_is_none_is_exit_2() -> None:
    done = python(MAIN, "wacher")
    assert done.returncode == 2
    assert "usage: stockade" in done.stderr


@pytest.mark.parametrize(("text", "named"), [(None, "no such file"), ("[[rule]]\nname = 'x'\n", "rule 1")])
def test_c19_ch18_what_is_wrong_is_said_before_anything_else_and_is_exit_2(program, tmp_path, text, named) -> None:
    path = tmp_path / "wrong.toml"
    if text is not None:
        path.write_text(text)
    running = program(config=path)
    assert running.wait() == 2
    assert named in running.err
    assert running.err.count("\n") == 1
    assert "Traceback" not in running.err
    assert not running.status_file.exists()


def test_c20_the_status_says_what_is_watched_by_which_rules(program, access, warden) -> None:
    running = program()
    until(running.status)
    status = running.status()
    assert [entry["path"] for entry in status["inputs"]] == [str(access)]
    assert [rule["name"] for rule in status["rules"]] == ["requests", "requests-all"]


def test_c20_the_start_says_the_log_and_the_threshold(program, access, warden) -> None:
    running = program()
    until(running.status)
    assert running.end() == 0
    assert str(access) in running.err
    assert "30" in running.err.replace(str(access), "")


def test_bh12_one_process_one_thread_and_an_input_that_fails_is_the_one_that_comes_back(
    program, tmp_path, access, warden: FakeWarden, log
) -> None:
    other = tmp_path / "other.log"
    config = tmp_path / "two.toml"
    config.write_text(
        "max_bans_per_minute = 0\n[[rule]]\nname = 'r'\ntype = 'rate'\nmaxretry = 5\n"
        f"[[input]]\nname = 'first'\npath = '{other}'\n[[input]]\nname = 'second'\npath = '{access}'\n"
    )
    other.mkdir()
    running = program(config=config)
    until(running.status)
    assert [bool(entry["problem"]) for entry in running.status()["inputs"]] == [True, False]
    add(access, log.lines(5, int(time.time()), "203.0.113.2"))
    until(lambda: warden.networks == ["203.0.113.2"])
    other.rmdir()
    add(other, log.lines(5, int(time.time()), "203.0.113.1"))
    until(lambda: warden.networks == ["203.0.113.2", "203.0.113.1"])
    tasks = Path(f"/proc/{running.process.pid}/task")
    assert [task.name for task in tasks.iterdir()] == [str(running.process.pid)]
    assert (tasks / str(running.process.pid) / "children").read_text() == ""
    assert running.end(signal.SIGINT) == 0


def test_bh12_what_nobody_expected_ends_the_process_with_a_code_that_says_so(program, access, warden) -> None:
    """So that whoever started it notices and starts it again, the whole of it."""
    code = """if True:
        from stockade.watcher import service
        def turn(self):
            raise RuntimeError("what nobody expected")
        service.Service.turn = turn
    """
    running = program(code=code + "\n" + MAIN)
    assert running.wait() == 1
    assert "what nobody expected" in running.err


def test_ah27_a_second_process_on_the_same_state_is_refused(program, access, warden) -> None:
    first = program()
    until(first.status)
    second = program()
    until(lambda: second.process.poll() is not None or second.status())
    assert second.process.poll() not in (None, 0)
    assert first.process.poll() is None


def test_b29_a_hundred_thousand_clients_fit(tmp_path: Path) -> None:
    """The limit of the unit is 64 MB. Each client is counted by all rules that judge requests, and probes as well."""
    config = tmp_path / "default.toml"
    config.write_text('[[input]]\nname = "web"\npath = "/var/log/web.log"\n')
    done = python(
        """if True:
        import sys
        from pathlib import Path
        from stockade.watcher.config import read
        from stockade.watcher.engine import Engine
        engine = Engine(read(Path(sys.argv[1])))
        for begin in range(0, 100_000, 1000):
            lines = []
            for number in range(begin, begin + 1000):
                address = f"203.{number >> 16}.{number >> 8 & 255}.{number & 255}"
                for path in ("/", "/.env", "/"):
                    stamp = f"[10/Oct/2026:12:00:{begin // 2000:02d} +0000]"
                    lines.append(f'{address} - - {stamp} "GET {path} HTTP/1.1" 404 1 "-" "x"'.encode())
            assert engine.feed(lines) == []
        print(*[tally.tracked for tally in engine.tallies if "requests" in tally.verdicts])
        print(*[rule.name for rule in engine.rules])
        print(*[line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS:")])
        """,
        str(config),
    )
    assert done.returncode == 0, done.stderr
    tracked, names, resident = done.stdout.splitlines()
    assert names.split() == ["errors", "requests", "requests-all", "probes"]
    assert tracked == "100000"
    assert int(resident) < 64 * 1024  # KiB


@pytest.mark.parametrize("part", list(PARTS), ids=["eyes", "brain", "memory", "shield", "voice"])
def test_c22_each_part_is_there_without_the_others(part: str) -> None:
    modules = [f"stockade.watcher.{name}" for name in part.split()]
    done = python(f"import sys, {', '.join(modules)}; print(*sorted(sys.modules))")
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.split()
    assert set(modules) <= set(loaded)
    for name in PARTS[part].split():
        assert not [one for one in loaded if f"{one}.".startswith(f"stockade.watcher.{name}.")], name


def test_c22_the_parts_work_alone_with_fakes_around_them(tmp_path, access, log, engine, capfd) -> None:
    """The notifier is a program of its own; the watcher's voice is the journal."""
    from stockade.watcher.courier import Courier
    from stockade.watcher.eventlog import EventLog
    from stockade.watcher.inputs.file import FileInput
    from stockade.watcher.journal import WARNING
    from stockade.watcher.journal import log as say

    add(access, [b"one", b"two"])
    assert FileInput(str(access), time_of=lambda _line: 0).read() == [b"one", b"two"]

    (verdict,) = engine({"maxretry": 2}).feed(log.lines(2, log.noon))
    assert (verdict.network, verdict.rule) == ("203.0.113.1", "r0")

    memory = EventLog(tmp_path / "events.db")
    memory.add(at=1, source="web", rule="r", address="203.0.113.1", kind="ban")
    memory.flush()
    assert memory.problem == ""
    memory.close()

    class Shield:
        def call(self, _op: str, *, bans: list[dict[str, Any]], **_fields: Any) -> dict[str, Any]:
            return dict(FakeWarden.banned({"bans": bans})["result"])

    outcomes: list[tuple[Verdict, str]] = []
    courier = Courier(Shield(), lambda *outcome: outcomes.append(outcome))
    courier.take([verdict])
    assert courier.deliver(now=log.noon, monotonic=0.0)
    assert outcomes == [(verdict, "banned")]

    say(WARNING, verdict.journal("banned"))
    assert "result=banned" in capfd.readouterr().err
