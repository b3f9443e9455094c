# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`stockade replay` as people and programs meet it: tables, JSON, terminals, pipes, Ctrl-C, exit codes."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from stockade import cli

SOURCE = Path(cli.__file__).parents[2]
NOON = 1_791_633_600  # 2026-10-10 12:00 UTC
BUSY = "203.0.113.1"
HOSTILE = "\x1b[2J\x07\u202eevil"
RULE = '[[rule]]\nname = "tight"\ntype = "rate"\nmaxretry = 3\nduration = "permanent"\n'


def line(when: int, address: str = BUSY, request: str = "GET /page HTTP/1.1", status: int = 200) -> str:
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(NOON + when))
    return f'{address} - - [{stamp}] "{request}" {status} 1 "-" "x"\n'


class Place:
    """A directory with logs, and the command line in it."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self._capsys = path, capsys

    def log(self, *lines: str, name: str = "access.log") -> str:
        path = self.path / name
        path.write_text("".join(lines), encoding="utf-8")
        return str(path)

    def config(self, rules: str = RULE, **keys: str) -> str:
        path = self.path / "watcher.toml"
        extra = "".join(f"{key} = {value}\n" for key, value in keys.items())
        path.write_text(f'[[input]]\nname = "shop"\npath = "/var/log/shop.log"\n{extra}{rules}', encoding="utf-8")
        return str(path)

    def run(self, *words: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        try:
            code = cli.main(["replay", *words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        shown = self._capsys.readouterr()
        return code, shown.out, shown.err

    def json(self, *words: str) -> dict[str, Any]:
        code, out, err = self.run("--json", *words)
        assert (code, err) == (0, "")
        found: dict[str, Any] = json.loads(out)
        return found


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield Place(tmp_path, capsys)
    monkeypatch.undo()
    time.tzset()


def flood(count: int, address: str = BUSY, start: int = 0) -> list[str]:
    """Refused requests, one a second."""
    return [line(start + second, address, status=404) for second in range(count)]


def started(*words: str, **extra: Any) -> subprocess.Popen[bytes]:
    """The program of a checkout, as a stranger starts it."""
    env = {"PATH": os.environ["PATH"], "TZ": "UTC", "LANG": "C.UTF-8", **extra.pop("env", {})}
    return subprocess.Popen([sys.executable, "-I", str(SOURCE), "replay", *words], env=env, **extra)


def terminal(columns: int) -> tuple[int, int]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 40, columns, 0, 0))
    return master, slave


def shown_on(master: int, until: bytes | None = None) -> bytes:
    """What a terminal shows until its program ends, or until that text stands there."""
    seen, deadline = b"", time.monotonic() + 30
    while time.monotonic() < deadline and (until is None or until not in seen):
        if select.select([master], [], [], 0.1)[0]:
            try:
                data = os.read(master, 65_536)
            except OSError:  # nobody has the other side open any more
                return seen
            if not data:
                return seen
            seen += data
    return seen


def test_the_answer_tells_who_when_why_and_how_much(place: Place) -> None:
    log = place.log(*flood(100), *flood(5, "198.51.100.1", 200))
    code, out, err = place.run(log)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    heads = next(text for text in lines if text.startswith("BANNED AT")).split()
    assert heads == ["BANNED", "AT", "ADDRESS", "RULE", "FOR", "BANS", "BEFORE", "SPARED", "WHAT"]
    row = next(text for text in lines if BUSY in text)
    cells = ["2026-10-10", "12:00:29", BUSY, "errors", "10m", "1", "30", "70", "refused", "requests:", "30"]
    assert row.split()[:11] == cells
    assert "in 30s (threshold 30 in 60s)" in row
    assert lines[-1] == "1 client would have been banned; 70 of 105 requests (66.7 %) would not have arrived"
    assert f"logs   {log}" in lines[0] and "105 lines, 0 unparsed (format access)" in out
    assert "2026-10-10 12:00:00 to 2026-10-10 12:03:24 (3m 24s)" in out


def test_a11_nothing_to_ban_is_said_plainly_with_the_busiest(place: Place) -> None:
    code, out, err = place.run(place.log(*flood(29), *flood(3, "198.51.100.7", 60)))
    assert (code, err) == (0, "")
    assert "Nobody would have been banned; 32 requests read." in out
    assert "BANNED AT" not in out
    rows = [text.split() for text in out.splitlines() if text.startswith(("203.", "198."))]
    assert rows == [[BUSY, "29", "27.6"], ["198.51.100.7", "3", "2.9"]]


def test_an_empty_log_is_no_error(place: Place) -> None:
    code, out, _err = place.run(place.log())
    assert code == 0 and "no line" in out
    assert place.json(place.log())["lines"] == 0


def test_c24_a_thousand_hostile_lines_are_decided_and_no_command_runs(place: Place) -> None:
    """Every program that could drop somebody is a recorder; so is everything the lines try to have run."""
    tools = place.path / "bin"
    tools.mkdir()
    for name in ("nft", "iptables", "ip6tables", "ipset", "fail2ban-client", "sudo", "sh", "touch", "systemctl"):
        (tools / name).write_text(f"#!/bin/bash\necho {name} >>{place.path}/called\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    evil = ("$(touch pwned)", "`touch pwned`", "; nft flush ruleset", HOSTILE, "../../../../etc/passwd", "' OR 1=1 --")
    hostile = [line(n // 10, f"198.51.100.{n % 20}", f"GET /{evil[n % 6]} HTTP/1.1", 404) for n in range(1000)]
    log = place.log(*hostile)
    done = started(log, cwd=place.path, stdout=subprocess.PIPE, env={"PATH": str(tools)})
    out = done.communicate(timeout=60)[0].decode()
    assert done.returncode == 0
    assert not (place.path / "called").exists() and not (place.path / "pwned").exists()
    assert all(f"198.51.100.{n} " in out for n in range(20))
    assert "20 clients would have been banned" in out
    assert all(char.isprintable() or char == "\n" for char in out)


def test_hostile_text_is_shown_as_what_it_is(place: Place) -> None:
    name = "access\x1b[31m\nlog"
    code, _out, err = place.run(place.log(f"{HOSTILE} what is this\n", name=name))
    assert code == 1
    assert "\x1b" not in err and "\u202e" not in err and "\\x1b[2J\\x07\\u202eevil what is this" in err
    code, out, _err = place.run(place.log(*flood(40), name=name))
    assert code == 0 and "access\\x1b[31m\\nlog" in out and "\x1b" not in out


def test_a_log_of_an_unknown_format_names_the_known_ones(place: Place) -> None:
    code, out, err = place.run(place.log("what is this\n" * 3))
    assert (code, out) == (1, "")
    assert "what is this" in err
    assert all(name in err for name in ("access", "access-json", "sshd", "proftpd", "nginx-error", "apache-error"))
    code, out, err = place.run("--format", "access", place.log("what is this\n" * 3, line(0)))
    assert code == 0 and "warning: most lines of " in out


def test_ah12_a_log_that_is_not_there_fails(place: Place) -> None:
    good = place.log(*flood(40))
    code, out, err = place.run(good, str(place.path / "gone.log"))
    assert (code, out) == (1, "")
    assert "gone.log: No such file or directory" in err


def test_a_log_that_breaks_off_fails_after_what_is_known(place: Place) -> None:
    path = place.path / "access.log.gz"
    packed = gzip.compress(
        "".join(line(n, request=f"GET /{os.urandom(16).hex()} HTTP/1.1") for n in range(9000)).encode()
    )
    path.write_bytes(packed[:-1000])
    code, out, err = place.run("--json", "--preset", "original", str(path))
    assert code == 1 and "access.log.gz" in err
    found = json.loads(out)
    assert found["complete"] is False and [row["network"] for row in found["bans"]] == [BUSY]


def test_the_json_has_everything_with_stable_keys(place: Place) -> None:
    log = place.log(*flood(100))
    found = place.json(log)
    assert set(found) == {
        *("version", "complete", "problem", "logs", "first", "first_iso", "last", "last_iso", "seconds", "lines"),
        *("unparsed", "outside", "events", "spared", "clients", "rules", "bans", "held", "held_clients", "truncated"),
        "busiest",
    }
    assert found["logs"] == [
        {"path": log, "format": "access", "input": "access", "lines": 100, "unparsed": 0, "skipped": 0}
    ]
    assert (found["first"], found["first_iso"]) == (NOON, "2026-10-10T12:00:00Z")
    assert found["bans"] == [
        {
            "network": BUSY,
            "rule": "errors",
            "reason": "refused requests: 30 requests in 30s (threshold 30 in 60s)",
            "count": 30,
            "banned_at": NOON + 29,
            "banned_at_iso": "2026-10-10T12:00:29Z",
            "duration": 600,
            "bans": [
                {
                    "start": NOON + 29,
                    "start_iso": "2026-10-10T12:00:29Z",
                    "end": NOON + 629,
                    "end_iso": "2026-10-10T12:10:29Z",
                    "rule": "errors",
                }
            ],
            "before": 30,
            "spared": 70,
        }
    ]
    assert found["rules"]["errors"] == {"clients": 1, "bans": 1, "spared": 70}
    assert (found["events"], found["spared"]) == ({"requests": 100}, {"requests": 70})


def test_verdicts_that_are_only_told_stand_apart_with_the_reason(place: Place) -> None:
    log = place.log(*flood(40, "192.168.1.2"))
    code, out, _err = place.run(log)
    assert code == 0
    assert "192.168.1.2" in out and "private" in out and "(1 client would only have been told about)" in out
    assert place.json(log)["held"][0]["why"].startswith("refused (a private address")


def test_limit_and_order(place: Place) -> None:
    floods = [text for n in range(1, 31) for text in flood(30 + n, f"198.51.100.{n}", n * 60)]
    log = place.log(*floods)
    _code, out, _err = place.run(log, "--limit", "3")
    assert "… and 27 more (--limit 30 shows all)" in out
    assert "198.51.100.3 " in out and "198.51.100.4 " not in out
    _code, out, _err = place.run(log, "--limit", "1", "--sort", "spared")
    assert "198.51.100.30 " in out
    assert "… and 5 more" in place.run(log)[1]
    found = place.json(log, "--limit", "3")
    assert (len(found["bans"]), found["clients"], found["truncated"]) == (3, 30, True)
    assert len(place.json(log)["bans"]) == 30


def test_rules_come_from_presets_or_a_file(place: Place) -> None:
    log = place.log(*[line(n) for n in range(40)])
    assert place.json(log)["bans"] == []
    assert [row["rule"] for row in place.json(log, "--preset", "original")["bans"]] == ["original"]
    assert list(place.json(log, "--rule", "errors", "--rule", "probes")["rules"]) == ["errors", "probes"]
    found = place.json(log, "--config", place.config())
    assert [(row["rule"], row["duration"], row["banned_at"]) for row in found["bans"]] == [("tight", None, NOON + 2)]
    assert found["logs"][0]["input"] == "shop"


def test_the_inputs_of_a_file_say_how_logs_are_read(place: Place) -> None:
    config = place.config(RULE, trusted_proxies='["192.0.2.1"]')
    lines = [text.replace('"x"\n', '"x" "198.51.100.5"\n') for text in flood(5, "192.0.2.1")]
    found = place.json(place.log(*lines), "--config", config)
    assert [(row["network"], "proxy" in row["why"]) for row in found["held"]] == [("198.51.100.5", True)]


def test_since_and_until_are_times_or_before_the_last_line(place: Place) -> None:
    log = place.log(*flood(120))  # until 12:01:59
    at = [place.json(log, *words)["bans"][0]["banned_at"] - NOON for words in (
        [],
        ["--since", "2026-10-10T12:00:10"],
        ["--since", "2026-10-10T14:00:10+02:00"],
        ["--since", "2026-10-10T14:00:10", "--timezone", "Europe/Berlin"],
        ["--since", "59s"],
    )]  # fmt: skip
    assert at == [29, 39, 39, 39, 89]
    assert place.json(log, "--until", "2026-10-10 12:00:29")["bans"] == []
    found = place.json(log, "--since", "100s", "--until", "90s")
    assert (found["events"]["requests"], found["outside"]) == (10, 110)
    assert place.json(log, "--since", "2026-10-11")["events"]["requests"] == 0


def test_the_time_zone_is_that_of_the_answer_too(place: Place) -> None:
    assert "2026-10-10 14:00:29" in place.run(place.log(*flood(40)), "--timezone", "Europe/Berlin")[1]
    said = [f"Oct 10 12:00:0{n} host sshd[1]: Failed password for bob from {BUSY} port 22 ssh2\n" for n in range(5)]
    found = place.json(place.log(*said, name="auth.log"), "--timezone", "America/New_York")
    assert found["bans"][0]["banned_at_iso"][10:] == "T16:00:04Z"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--limit", "0"], "--limit must be 1 or more"),
        (["--rule", "nope"], "no rule 'nope' (rules: errors, requests"),
        (["--rule", "logins"], "no rule of logins judges logs of the format access"),
        (["--timezone", "Nowhere/\x1b"], "timezone 'Nowhere/\\x1b' is not known here"),
        (["--since", "yesterday"], "'yesterday' is no time"),
        (["--since", "99999999999d"], "is"),
        (["--since", "1h", "--until", "2h"], "--since is not before --until"),
        (["--config", "/nonexistent.toml"], "/nonexistent.toml: no such file"),
        (["--preset", "strict", "--config", "x"], "not allowed with"),
        (["--format", "nope"], "invalid choice"),
        (["-", "-"], "standard input can be read once only"),
    ],
)
def test_bad_usage_is_refused(place: Place, words: list[str], told: str) -> None:
    code, out, err = place.run(place.log(*flood(3)), *words)
    assert (code, out) == (2, "")
    assert told in err and "\x1b" not in err


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_and_files_together(place: Place, pack: Any) -> None:
    newer = place.log(*flood(15, start=20))
    with started("--json", newer, "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as done:
        out = done.communicate(pack("".join(flood(20)).encode()), timeout=60)[0]
    found = json.loads(out)
    assert [row["banned_at"] for row in found["bans"]] == [NOON + 29]
    assert [row["path"] for row in found["logs"]] == [newer, "-"]
    with started("--since", "1h", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE) as done:
        assert b"give a date or time" in done.communicate(pack(line(0).encode()), timeout=60)[1]
    assert done.returncode == 2


def test_progress_is_for_a_terminal_only(place: Place) -> None:
    log = place.log(*flood(2000))
    master, slave = terminal(80)
    with started(log, stdout=subprocess.PIPE, stderr=slave) as done:
        os.close(slave)
        seen = shown_on(master)
        assert done.stdout is not None and b"\r" not in done.stdout.read()
    os.close(master)
    assert b"%" in seen and b"/s" in seen and seen.endswith(b"\r\x1b[K")
    with started(log, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as done:
        assert done.communicate(timeout=60)[1] == b""


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_a_table_fits_its_terminal_and_has_colours_there(place: Place, columns: int) -> None:
    log = place.log(*flood(60), *flood(70, "2001:db8:1234:5678::1", 100))
    for env, colours in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
        master, slave = terminal(columns)
        with started(log, stdout=slave, stderr=subprocess.DEVNULL, env=env):
            os.close(slave)
            out = shown_on(master).decode()
        os.close(master)
        assert ("\x1b[" in out) is colours
        rows = [text for text in out.splitlines() if text.startswith(("BANNED AT", "2026-10-10 "))]
        assert len(rows) == 3
        assert max(map(len, rows)) <= max(columns, 75)  # time, address, rule and ten columns of the reason
        assert ("BEFORE" in rows[0]) is (columns == 140)


def test_ctrl_c_ends_with_what_is_known(place: Place) -> None:
    master, slave = terminal(80)
    with started("--json", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=slave) as done:
        os.close(slave)
        assert done.stdin is not None and done.stdout is not None
        done.stdin.write("".join(flood(2000)).encode())
        done.stdin.flush()
        assert b"lines" in shown_on(master, until=b"/s")
        done.send_signal(signal.SIGINT)
        found = json.loads(done.stdout.read())
        assert done.wait(30) == 130
        assert b"interrupted" in shown_on(master)
    os.close(master)
    assert found["complete"] is False and [row["network"] for row in found["bans"]] == [BUSY]
