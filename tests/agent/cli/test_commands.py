# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the command line: what they ask, what they show, and how they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clilab import Console
from wardenlab import NOW

from stockade import cli
from stockade.cli import commands
from stockade.client import Client
from stockade.warden.callers import STRANGER

PROGRAM = Path(commands.__file__).parents[2]


def test_addresses_may_stand_apart_by_commas_and_blanks(console: Console) -> None:
    done = console.run("ban", "203.0.113.9, 203.0.113.10", "198.51.100.7,203.0.113.9", "--duration", "1h")
    assert done.code == 0
    assert done.lines[0] == "203.0.113.9: banned until 2027-01-15 09:00:00 (1h left)"
    assert console.banned() == ["198.51.100.7", "203.0.113.10", "203.0.113.9"]
    assert console.run("unban", "203.0.113.9,203.0.113.10 198.51.100.7").code == 0
    assert console.banned() == []


def test_a_ban_says_what_it_was_before(console: Console) -> None:
    console.run("ban", "203.0.113.9", "--duration", "permanent")
    done = console.run("ban", "203.0.113.9", "--duration", "permanent")
    assert done.out == "203.0.113.9: was banned already, permanently\n"
    done = console.run("ban", "203.0.113.9", "--duration", "1d")
    assert done.out == "203.0.113.9: renewed, banned until 2027-01-16 08:00:00 (1d left)\n"


def test_a_ban_names_what_passes_all_the_same(console: Console) -> None:
    console.run("whitelist", "add", "203.0.113.77")
    done = console.run("ban", "203.0.113.0/24", "--duration", "1h")
    assert done.out == "203.0.113.0/24: banned until 2027-01-15 09:00:00 (1h left), except 203.0.113.77\n"


HOSTILE = ["--help", "-rf", "$(touch x)", "`touch x`", "; touch x", "www.example.com", "203.0.113.9/24", "fe80::1%lo"]


@pytest.mark.parametrize("word", [["ban"], ["unban"], ["whitelist", "add"], ["whitelist", "remove"]])
@pytest.mark.parametrize("address", [*HOSTILE, "010.0.0.1", "\x1b[2J", "\u202e9.311.0.302", "", " , "])
def test_ah17_what_is_no_address_is_refused_with_2_and_nothing_is_done(
    console: Console, word: list[str], address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    done = (
        console.run(*word, "--", "203.0.113.9", address) if address.strip(" ,") else console.run(*word, "--", address)
    )
    assert done.code == 2
    assert done.out == "" and done.err.startswith("stockade: ")
    assert done.err.rstrip("\n").isprintable() and done.err.isascii()
    assert console.banned() == [] and console.ask("whitelist")["entries"] == []
    assert os.listdir(tmp_path) == ["warden.sock"]


@pytest.mark.parametrize(
    "words",
    [
        ["ban", "203.0.113.9", "--reason", "x" * 10_000],
        ["ban", "203.0.113.9", "--duration", "soon"],
        ["ban", "203.0.113.9", "--duration", "0s"],
        ["ban"],
        ["ban", "203.0.113.9", "--forc"],
        ["unban"],
        ["unban", "--al"],
        ["unban", "203.0.113.9", "--all"],
        ["unban", "--source", "operator"],
        ["unban", "--all", "--source", "nobody; true"],
        ["bans", "--limit", "all"],
        ["bans", "--limit", "-1"],
        ["bans", "--source", "list/\x1b[2J"],
        ["bans", "--why", "example.com"],
        ["bans", "--why", "203.0.113.9", "--source", "operator"],
        ["whitelist", "add"],
        ["whitelist", "add", "203.0.113.9", "--comment", "x" * 10_000],
        ["whitelist", "add", "203.0.113.9", "--list", "../etc"],
        ["whitelist", "203.0.113.9"],
        ["status", "\x1b[2J"],
        ["frobnicate\x1b[2J"],
        [],
    ],
)
def test_bad_usage_ends_with_2_and_nothing_is_done(console: Console, words: list[str]) -> None:
    console.ban("198.51.100.7")
    done = console.run(*words)
    assert done.code == 2
    assert done.out == "" and done.err and "\x1b" not in done.err
    assert len(done.err) < 1500
    assert console.banned() == ["198.51.100.7"] and console.ask("whitelist")["entries"] == []


@pytest.mark.parametrize("address", ["198.51.100.10", "127.0.0.1", "0.0.0.0/0", "203.0.113.77"])
def test_b31_ah16_a_refusal_by_policy_ends_with_2_and_nothing_is_done(console: Console, address: str) -> None:
    console.run("whitelist", "add", "203.0.113.77", "--comment", "office")
    done = console.run("ban", "203.0.113.9", address)
    assert done.code == 2
    assert done.err.startswith(f"stockade: cannot ban {address}: ")
    assert console.banned() == []


def test_unban_says_what_it_lifted_and_what_remains(console: Console) -> None:
    console.ban("203.0.113.9", source="watcher/logins")
    console.ban("203.0.113.9", "203.0.113.0/24", source="operator")
    done = console.run("unban", "203.0.113.9", "198.51.100.7", "--source", "watcher/logins")
    assert done.code == 0
    assert done.lines[0] == "203.0.113.9: lifted (watcher/logins)"
    assert sorted(done.lines[1:3]) == [
        "  still banned by 203.0.113.0/24 (operator)",
        "  still banned by 203.0.113.9 (operator)",
    ]
    assert done.lines[3:] == ["198.51.100.7: was not banned"]


def test_unban_tells_that_a_list_brings_its_ban_back(console: Console) -> None:
    console.ask("permanent_bans", list="site", entries=[{"network": "203.0.113.0/24"}])
    done = console.run("unban", "203.0.113.0/24")
    assert done.lines[0] == "203.0.113.0/24: lifted (list/site)"
    assert "list `site` declares it: take it out there" in done.lines[1]


def test_unban_all_of_one_source(console: Console) -> None:
    console.ban("203.0.113.9", source="watcher/logins")
    console.ban(*(f"203.0.113.{number}" for number in range(100, 250)))
    done = console.run("unban", "--all", "--source", "operator")
    assert done.lines[-1] == "… and 50 more"
    assert console.banned() == ["203.0.113.9"]
    assert console.run("unban", "--all").code == 0
    assert console.run("unban", "--all").out == "nothing was banned\n"


def test_bans_by_source_and_limit(console: Console) -> None:
    console.ban("203.0.113.9", "203.0.113.10", source="watcher/logins", duration="1h", reason="too many")
    console.ban("203.0.113.11")
    done = console.run("bans", "--source", "watcher/logins", "--limit", "1")
    assert done.code == 0
    assert done.lines[0].split() == ["ADDRESS", "SOURCE", "SINCE", "LEFT", "REASON"]
    assert "watcher/logins  2027-01-15 08:00  1h" in done.lines[1] and done.lines[1].endswith("too many")
    assert done.lines[2:] == ["… 1 more (--limit 2 shows all)"]
    assert console.run("bans", "--source", "list/site").out == "no bans of list/site\n"


@pytest.mark.parametrize(
    "words", [["bans"], ["status"], ["whitelist"], ["whitelist", "show"], ["ban", "203.0.113.9"], ["unban", "--all"]]
)
def test_json_is_the_wardens_answer(console: Console, words: list[str]) -> None:
    console.ban("203.0.113.9", reason="tab\there \u202e", duration="permanent")
    done = console.run(*words, "--json")
    assert done.out.isascii() and done.out.rstrip("\n").isprintable()
    answer: dict[str, Any] = json.loads(done.out)
    assert answer.keys() >= {"bans": {"bans", "total"}, "status": {"state"}, "whitelist": {"entries"}}.get(
        words[0], {"changed"}
    )


def test_json_said_before_the_action_counts(console: Console) -> None:
    assert json.loads(console.run("whitelist", "--json", "show").out)["entries"] == []


def test_whitelist_shows_list_comment_and_end(console: Console) -> None:
    done = console.run("whitelist", "add", "--comment", "office", "198.51.100.128/25", "--duration", "1d")
    assert done.out == "198.51.100.128/25: added\n"
    console.run("whitelist", "add", "2001:db8:1::/48", "--list", "site")
    shown = console.run("whitelist").lines
    assert [line.split() for line in sorted(shown[1:3])] == [
        ["198.51.100.128/25", "operator", "1d", "office"],
        ["2001:db8:1::/48", "site", "permanent"],
    ]
    assert shown[3].startswith("always protected here: 198.51.100.1, ")
    assert "no such entry" in console.run("whitelist", "remove", "2001:db8:1::/48").out
    assert console.run("whitelist", "remove", "2001:db8:1::/48", "--list", "site").out == "2001:db8:1::/48: removed\n"


def test_status_fails_unless_bans_are_in_force(console: Console) -> None:
    console.ban("203.0.113.9", source="watcher/logins")
    done = console.run("status")
    assert done.code == 0
    assert done.lines[0] == "state      enforcing (recorded)"
    assert "                1  watcher/logins" in done.lines
    assert console.run("release").code == 0
    done = console.run("status")
    assert done.code == 1 and done.lines[0].startswith("state      released")
    assert console.run("resume").out == "enforcing\n"
    assert console.run("status").code == 0


def test_status_shows_problems_warnings_and_the_rest(console: Console) -> None:
    console.canned["status"] = console.ask("status") | {
        "state": "degraded",
        "problems": ["nft: no \x1b[2J"],
        "warnings": ["the registry was rebuilt\u202e"],
        "history": 12,
        "copied_at": NOW - 7200,
        "started_at": NOW - 90061,
    }
    done = console.run("status")
    assert done.code == 1
    assert done.lines[:3] == [
        "state      degraded (recorded)",
        "problem    nft: no \\x1b[2J",
        "warning    the registry was rebuilt\\u202e",
    ]
    assert "history    12 ended bans; last copy 2027-01-15 06:00:00 (2h ago)" in done.lines
    assert "on web1, up 1d 1h since 2027-01-14 06:58:59" in done.lines[-1]


def test_without_a_warden_and_without_the_right(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    console.caller = STRANGER
    done = console.run("status")
    assert done.code == 1 and "stranger may not ask status" in done.err
    monkeypatch.setattr(commands, "Client", lambda: Client(console.path + ".gone"))
    done = console.run("bans", "--json")
    assert done.code == 1 and done.out == "" and "the warden does not answer" in done.err

    def denied(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket.connect", denied)
    assert "Permission denied" in console.run("status").err
    assert "try again with sudo" in console.run("status").err


def test_check_names_a_file_that_is_not_there_and_a_key_that_is_not_known(console: Console, tmp_path: Path) -> None:
    done = console.run("check", "--warden-config", str(tmp_path / "none.toml"))
    assert done.code == 2 and done.out == f"{tmp_path}/none.toml: no such file\n"
    file = tmp_path / "warden.toml"
    file.write_text('origin = "web1"\n', encoding="utf-8")
    done = console.run("check", "--warden-config", str(file))
    assert (done.code, done.out) == (0, "configuration is valid\n")
    file.write_text("orgin = 1\n", encoding="utf-8")
    done = console.run("check", "--warden-config", str(file))
    assert done.code == 2 and "orgin" in done.out


@pytest.mark.parametrize(("target", "code", "said"), [("/dev/full", 1, "could not be written"), ("closed", 1, "")])
def test_an_answer_that_cannot_get_out_is_no_traceback(target: str, code: int, said: str) -> None:
    read, write = os.pipe()
    os.close(read)
    stdout = write if target == "closed" else os.open(target, os.O_WRONLY)
    command = [sys.executable, "-I", str(PROGRAM), "check", "--warden-config", os.devnull]
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    for number in dict.fromkeys((write, stdout)):
        os.close(number)
    assert done.returncode == code
    assert said in done.stderr and done.stderr.count("\n") == (1 if said else 0)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("file", "code"), [("/dev/null", 0), ("/dev/null/none", 2)])
def test_a_closed_stream_is_no_failure(closed: str, file: str, code: int) -> None:
    words = [sys.executable, "-I", str(PROGRAM), "check", "--warden-config", file]
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *words], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_help_says_how_answers_look_and_how_they_end(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "tables, on a terminal and in a pipe alike" in shown and "Exit codes" in shown


def test_a_call_loads_neither_the_warden_nor_what_it_does_not_need() -> None:
    """A call costs under 100 ms because of what it does not import."""
    program = "import sys; sys.path.insert(0, sys.argv[1]); from stockade.cli.parser import build; build()\n"
    program += "print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(PROGRAM)], capture_output=True, text=True, check=True
    )
    heavy = {"stockade.warden", "stockade.watcher", "ipaddress", "sqlite3", "tomllib", "dataclasses", "pathlib"}
    assert not heavy & set(done.stdout.split())
