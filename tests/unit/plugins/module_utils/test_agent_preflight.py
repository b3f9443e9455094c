# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must have: one clear error each, before anything is done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._agent import preflight
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

Answer = tuple[int, str, str]


class Target:
    """A host as the preflight sees it: scripted answers, chosen files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.python: Answer = (0, "3 11\n", "")
        self.nft: Answer = (0, "", "")
        self.release = ("debian", "12")
        self.missing: set[str] = set()
        self.warnings: list[str] = []
        monkeypatch.setattr(os.path, "isdir", lambda path: path not in self.missing)
        monkeypatch.setattr(os.path, "exists", lambda path: path not in self.missing)
        monkeypatch.setattr(preflight, "_os_release", lambda: self.release)

    def check(self, *, predicting: bool = False) -> None:
        preflight.check(self._run, predicting=predicting, warn=self.warnings.append)

    def _run(self, command: list[str]) -> Answer:
        return self.nft if command[0] == preflight.NFT else self.python


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Target:
    return Target(monkeypatch)


def test_a_host_that_has_everything_passes_in_silence(target: Target) -> None:
    target.check()
    assert target.warnings == []


def test_a_host_without_systemd(target: Target) -> None:
    target.missing = {"/run/systemd/system"}
    with pytest.raises(StockadeError, match="does not run systemd"):
        target.check()


@pytest.mark.parametrize(("answer", "found"), [("3 9\n", "Python 3.9"), ("3 10\n", "Python 3.10"), ("", "broken")])
def test_a_python_too_old(target: Target, answer: str, found: str) -> None:
    target.python = (0 if answer else 1, answer, "")
    with pytest.raises(StockadeError, match=f"{found}.*needs Python 3.11 or later"):
        target.check()


def test_no_python_at_all(target: Target) -> None:
    target.missing = {preflight.PYTHON}
    with pytest.raises(StockadeError, match="there is no /usr/bin/python3"):
        target.check()


def test_no_nft_is_an_error_and_in_check_mode_a_warning(target: Target) -> None:
    target.missing = {preflight.NFT}
    with pytest.raises(StockadeError, match="install the package nftables"):
        target.check()
    target.check(predicting=True)
    assert "install the package nftables" in target.warnings[0]


def test_a_kernel_that_takes_no_rules(target: Target) -> None:
    target.nft = (1, "", "Operation not permitted (you must be root)\n")
    with pytest.raises(StockadeError, match="takes no nftables rules here: Operation not permitted"):
        target.check()


def test_a_distribution_never_tried_is_warned_of_and_served(target: Target) -> None:
    target.release = ("fedora", "44")
    target.check()
    assert target.warnings == ["the agent was never tried on fedora 44: it should work, watch `stockade status`"]


def test_os_release_is_read_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = open
    (tmp_path / "os-release").write_text('NAME="X"\nID=debian\nVERSION_ID="13"\n')
    monkeypatch.setattr("builtins.open", lambda path, **kw: real(tmp_path / "os-release", **kw))
    assert preflight._os_release() == ("debian", "13")
