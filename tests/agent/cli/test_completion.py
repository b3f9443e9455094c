# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Completion in bash: words and options of the parser, networks of the warden, and nothing out of hostile text."""

from __future__ import annotations

import argparse
import json
import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest
from clilab import Console

from stockade.cli import commands
from stockade.cli.parser import build

COMPLETION = Path(commands.__file__).parents[2] / "completion" / "stockade.bash"
DRIVER = r"""
set -euo pipefail
source "$1"
COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDBREAKS=$3
read -ra COMP_WORDS <<<"$COMP_LINE"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMPREPLY=(stale)
_stockade stockade "" ""
[ "${#COMPREPLY[@]}" -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}"
"""
BREAKS = " \t\n\"'><=;|&(:"
EVIL = '", "network": "203.0.113.66", "x": "$(touch pwned) `touch pwned` ; touch pwned; "network":"203.0.113.67'


class Shell:
    """A bash in a directory of its own, whose `stockade` prints what the test says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "bin").mkdir()
        self.env = {"PATH": f"{path}/bin:/usr/bin:/bin", "HOME": str(path), "TERM": "dumb", "PS1": "$ "}
        self.program("exit 1")

    def program(self, body: str) -> None:
        """What `stockade` is from now on; it notes how it was called."""
        script = self.path / "bin" / "stockade"
        script.write_text(f'#!/bin/sh\necho "$@" >>{self.path}/asked\n{body}\n', encoding="utf-8")
        script.chmod(0o755)

    def answer(self, text: str, code: int = 0) -> None:
        (self.path / "answer").write_text(text, encoding="utf-8")
        self.program(f"cat {self.path}/answer; echo 'no right' >&2; exit {code}")

    def asked(self) -> list[str]:
        file = self.path / "asked"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def complete(self, line: str, breaks: str = BREAKS) -> list[str]:
        """What bash is offered for a line with the cursor at its end."""
        command = ["bash", "--norc", "-c", DRIVER, "driver", str(COMPLETION), line, breaks]
        done = subprocess.run(
            command, env=self.env, cwd=self.path, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0 and done.stderr == "", done.stderr
        assert not (self.path / "pwned").exists()
        return done.stdout.splitlines()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every word of the command line with its parser."""
    found = {}
    for action in build()._actions:
        if isinstance(action, argparse._SubParsersAction):
            found = dict(action.choices)
    for action in found["whitelist"]._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {f"whitelist {name}": parser for name, parser in action.choices.items()}
    return found


SERVICES = {"warden", "watcher"}
WORDS = parsers()


def test_every_word_is_offered_but_the_services(shell: Shell) -> None:
    top = {name for name in WORDS if " " not in name} - SERVICES
    assert set(shell.complete("stockade ")) == top | {"--version", "--help"}
    assert shell.complete("stockade un") == ["unban"]
    assert shell.complete("stockade warden ") == []
    assert set(shell.complete("stockade whitelist ")) == {"show", "add", "remove", "--json", "--help"}


@pytest.mark.parametrize("word", sorted(WORDS.keys() - SERVICES))
def test_every_option_is_offered_and_no_other(shell: Shell, word: str) -> None:
    options = {text for action in WORDS[word]._actions for text in action.option_strings if text.startswith("--")}
    assert set(shell.complete(f"stockade {word} --")) == options
    assert shell.asked() == []


@pytest.mark.parametrize(
    ("line", "asked", "answer"),
    [
        ("stockade unban ", "bans --limit 1000 --json", {"bans": ["203.0.113.9", "203.0.113.0/24", "2001:db8::9"]}),
        ("stockade bans --why ", "bans --limit 1000 --json", {"bans": ["203.0.113.9", "2001:db8::/64"]}),
        ("stockade whitelist remove ", "whitelist --json", {"entries": ["198.51.100.0/24", "2001:db8::/48"]}),
    ],
)
def test_live_addresses_are_offered_out_of_the_field_network_alone(
    shell: Shell, line: str, asked: str, answer: dict[str, list[str]]
) -> None:
    key, networks = next(iter(answer.items()))
    rows = [{"reason": EVIL, "comment": EVIL, "network": text, "source": "list/1.2.3.4"} for text in networks]
    for indent in (None, 2):
        shell.answer(json.dumps({key: rows, "protected": ["203.0.113.1"]}, indent=indent))
        offered = shell.complete(line)
        assert {text for text in offered if not text.startswith("-")} == set(networks)
    assert shell.asked() == [asked, asked]


@pytest.mark.parametrize("network", ["$(touch pwned)", "`touch pwned`", "203.0.113.9;touch pwned", "*", "--all", "x"])
def test_what_is_no_address_is_never_offered(shell: Shell, network: str) -> None:
    (shell.path / "203.0.113.9").touch()
    shell.answer(json.dumps({"bans": [{"network": network}, {"network": "203.0.113.9"}]}))
    assert shell.complete("stockade bans --why ") == ["203.0.113.9"]
    assert shell.complete("stockade unban 2") == ["203.0.113.9"]


def test_what_was_typed_narrows_what_is_offered(shell: Shell) -> None:
    shell.answer(json.dumps({"bans": [{"network": text} for text in ("203.0.113.9", "203.0.113.10", "2001:db8::9")]}))
    assert shell.complete("stockade unban 203.0.113.10 203.0.113.9") == ["203.0.113.9"]
    assert shell.complete("stockade unban *") == []
    assert shell.complete("stockade unban $(touch pwned)") == []


def test_colons_divide_words_in_bash_unless_they_do_not(shell: Shell) -> None:
    shell.answer(json.dumps({"bans": [{"network": "2001:db8::9"}, {"network": "2001:db8:1::/64"}]}))
    assert shell.complete("stockade unban 2001:db8:") == ["1::/64", ":9"]
    assert shell.complete("stockade unban 2001:db8:", BREAKS.replace(":", "")) == ["2001:db8:1::/64", "2001:db8::9"]


@pytest.mark.parametrize("text", ["", "{", "no warden", "\x00\xff", '{"bans": []}'])
def test_without_a_warden_it_is_silent(shell: Shell, text: str) -> None:
    shell.answer(text, code=1)
    assert shell.complete("stockade bans --why ") == []


def test_a_warden_that_hangs_is_not_waited_for(shell: Shell) -> None:
    """`exec`: what hangs is what `timeout` started, as on a host."""
    shell.program("exec sleep 600")
    assert shell.complete("stockade bans --why ") == []


@pytest.mark.parametrize(
    "line", ["ban 203.0.113.9 --reason ", "bans --limit ", "unban --source ", "check --warden-config "]
)
def test_where_nothing_is_known_nothing_is_offered(shell: Shell, line: str) -> None:
    assert shell.complete(f"stockade {line}") == []
    assert shell.asked() == []


def test_on_a_real_command_line(shell: Shell) -> None:
    """With readline, in the middle of a line of several commands, behind a colon."""
    shell.answer(json.dumps({"bans": [{"network": "2001:db8::9", "reason": EVIL}]}))
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(shell.path)
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], shell.env)
    try:
        os.write(terminal, f"source {COMPLETION}\n".encode())
        os.write(terminal, b"cd / && A=b stockade unb\t2001:d\t\n")
        shown, end = b"", time.monotonic() + 20
        while "unban 2001:db8::9" not in shell.asked() and time.monotonic() < end:
            if select.select([terminal], [], [], 0.05)[0]:
                shown += os.read(terminal, 4096)
        assert shell.asked() == ["bans --limit 1000 --json", "unban 2001:db8::9"], shown.decode()
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def test_the_programs_own_answer_is_understood(shell: Shell, console: Console) -> None:
    """As `stockade bans --json` prints it for a pipe, reason and all."""
    console.ban("203.0.113.9", reason='", "network": "203.0.113.66')
    console.ban("2001:db8::/64")
    shell.answer(console.run("bans", "--limit", "1000", "--json").out)
    assert shell.complete("stockade bans --why ") == ["2001:db8::/64", "203.0.113.9"]
    console.run("whitelist", "add", "198.51.100.0/28", "--comment", '"network": "203.0.113.66"')
    shell.answer(console.run("whitelist", "--json").out)
    assert [text for text in shell.complete("stockade whitelist remove ") if "." in text] == ["198.51.100.0/28"]
