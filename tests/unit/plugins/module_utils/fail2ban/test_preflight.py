# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is tried before anything is live, with fail2ban's own code played."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from fail2banlab import HEADER, Commands, jail, plan, wish, written

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban import _converge, _judge
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._converge import Host


class Tried:
    """Answers as the two programs would; looks into the copy while it exists."""

    def __init__(self, *, told: dict[str, Any] | None = None, samples: list[str] | None = None) -> None:
        empty = {"version": "1", "live": {}, "wanted": {}, "errors": [], "expected": {}, "reads": []}
        self.told = {**empty, **(told or {})}
        self.samples = samples or []
        self.seen: dict[str, str] = {}
        self.tried: dict[str, Any] = {}

    def __call__(self, argv: list[str]) -> tuple[int, str, str]:
        assert argv[:3] == ["/usr/bin/python3", "-I", "-c"]
        compile(argv[3], "program", "exec")
        if "Trial(" not in argv[3]:
            self.tried = json.loads(Path(argv[4]).read_text())
            return 0, json.dumps({"errors": [text.replace("SHADOW", self.tried["base"]) for text in self.samples]}), ""
        shadow = Path(json.loads(argv[4])["wanted"])
        assert shadow.parent.stat().st_mode & 0o7777 == 0o700
        self.seen = written(shadow / "jail.d")
        return 0, "noise\n" + json.dumps(self.told) + "\n", ""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    etc = tmp_path / "etc"
    (etc / "jail.d").mkdir(parents=True)
    (etc / "jail.conf").write_text("[DEFAULT]\n")
    (etc / "client").write_text("#! /usr/bin/python3\n")
    return etc


def preflight(etc: Path, run: Tried, **options: Any) -> _judge.Verdict:
    declared = {"name": "a", "enabled": True, **options}
    logpaths = {"a": options["logpath"]} if "logpath" in options else {}
    asked = wish(plan(etc, declared), options={"a": set(declared)}, logpaths=logpaths)
    scratch = str(etc.parent / "scratch")
    host = Host(run=run, find=lambda name: None, config_dir=str(etc), scratch=scratch)
    try:
        return _converge.preflight(asked, host, command=str(etc / "client"), check=False)
    finally:
        assert not os.path.exists(scratch)
        assert written(etc / "jail.d") == {}


def test_preflight_tries_a_copy(etc: Path) -> None:
    run = Tried(told={"wanted": {"a": jail("a")}})
    assert preflight(etc, run).changed() == {"a"}
    assert run.seen == {"zz-stockade-a.local": HEADER + "\n[a]\nenabled = true\n"}


def test_preflight_says_what_the_test_of_fail2ban_passes(etc: Path) -> None:
    error = {"jail": "a", "setting": "addfailregex", "error": "Unable to compile\nmissing )"}
    with pytest.raises(_converge.Refused, match=r"jail a, addfailregex: Unable to compile missing \)$"):
        preflight(etc, Tried(told={"wanted": {"a": jail("a")}, "errors": [error]}))


@pytest.mark.parametrize(
    ("options", "wanted", "why"),
    [
        ({}, {}, "another file turns it off"),
        ({"logpath": ["/x"]}, {"a": jail("a")}, "logpath is not read with backend systemd"),
        ({"journalmatch": ["_COMM=x"]}, {"a": jail("a", backend="auto")}, "journalmatch needs backend: systemd"),
        ({}, {"a": jail("a", backend="auto")}, "has no log to read"),
    ],
)
def test_preflight_refuses_a_jail_that_would_see_nothing(
    etc: Path, options: dict[str, Any], wanted: dict[str, Commands], why: str
) -> None:
    with pytest.raises(_converge.Refused, match=why):
        preflight(etc, Tried(told={"wanted": wanted}), **options)


# -- the judge's surroundings


@pytest.mark.parametrize(
    ("first", "command"),
    [
        ("#!/usr/bin/python3 -Es", ["/usr/bin/python3"]),
        ("#! /usr/bin/python3", ["/usr/bin/python3"]),
        ("#!/usr/bin/env python3", ["/usr/bin/env", "python3"]),
        ("#!/usr/bin/env -S python3 -E", ["/usr/bin/env", "python3"]),
    ],
)
def test_interpreter_of_fail2ban(first: str, command: list[str], tmp_path: Path) -> None:
    (tmp_path / "f").write_text(first + "\nimport sys\n")
    assert _judge.interpreter(str(tmp_path / "f")) == command


@pytest.mark.parametrize("first", ["", "#!/bin/sh", "\x7fELF", "#!"])
def test_interpreter_that_is_not_known(first: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(first + "\n")
    with pytest.raises(StockadeError, match="no Python script"):
        _judge.interpreter(str(tmp_path / "f"))


def test_a_judge_that_cannot_speak(etc: Path) -> None:
    with pytest.raises(StockadeError, match="cannot be asked .*: ModuleNotFoundError: No module named 'asynchat'"):
        _judge.judge(
            lambda argv: (1, "", "Traceback\n  x\nModuleNotFoundError: No module named 'asynchat'\n"),
            client=str(etc / "client"),
            live="/a",
            wanted="/b",
        )


def test_the_copy_leads_nowhere_else(etc: Path) -> None:
    """A link that is copied as a link would have the trial write to the live files, or miss files of others."""
    (etc / "jail.d").rmdir()
    elsewhere = etc.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "site.local").write_text("[site]\n")
    (etc / "jail.d").symlink_to(elsewhere)
    (elsewhere / "gone.local").symlink_to("nowhere")
    run = Tried(told={"wanted": {"a": jail("a")}})
    scratch = str(etc.parent / "scratch")
    host = Host(run=run, find=lambda name: None, config_dir=str(etc), scratch=scratch)
    _converge.try_out(plan(etc, {"name": "a", "enabled": True}), host, command=str(etc / "client"))
    assert set(run.seen) == {"site.local", "zz-stockade-a.local"}
    assert sorted(path.name for path in elsewhere.iterdir()) == ["gone.local", "site.local"]


def test_a_relative_link_of_somebody_else_counts_in_the_copy(etc: Path) -> None:
    """Without it the jail that it declares would be missing in the trial, and be stopped for that."""
    (etc.parent / "site.local").write_text("[site]\nenabled = true\n")
    (etc / "jail.d" / "site.local").symlink_to("../../site.local")
    run = Tried(told={"wanted": {"a": jail("a")}})
    host = Host(run=run, find=lambda name: None, config_dir=str(etc), scratch=str(etc.parent / "scratch"))
    _converge.try_out(plan(etc, {"name": "a", "enabled": True}), host, command=str(etc / "client"))
    assert run.seen["site.local"] == "[site]\nenabled = true\n"
