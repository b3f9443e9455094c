# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must have: one clear error each, before anything is done."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._agent import preflight
from ansible_collections.stockade.fleet.plugins.module_utils._agent.backends import Choice
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

Answer = tuple[int, str, str]


class Target:
    """A host as the preflight sees it: scripted answers, chosen files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.python: Answer = (0, "3 11\n", "")
        self.nft: Answer = (0, "", "")
        self.release = ("debian", "12")
        self.missing: set[str] = set()
        self.libraries = "libwrap.so.0 => /lib/libwrap.so.0"
        self.files = {
            preflight.INIT_STATUS: "CapEff:\t0000\nCapBnd:\t00000000a82435fb\n",
            preflight.INIT_MOUNTS: "1 0 0:1 / / rw - overlay o rw\n2 1 0:2 / /run rw shared:7 - tmpfs t rw\n",
            preflight.HOSTS_ALLOW: "# nobody\n\n",
        }
        monkeypatch.setattr("builtins.open", self._open)
        self.warnings: list[str] = []
        monkeypatch.setattr(os.path, "isdir", lambda path: path not in self.missing)
        monkeypatch.setattr(os.path, "exists", lambda path: path not in self.missing)
        monkeypatch.setattr(preflight, "_os_release", lambda: self.release)

    def check(self, *names: str, **credentials: str) -> list[str]:
        choice = Choice(names or ("nftables",), credentials, network=False)
        return preflight.check(self._run, choice, warn=self.warnings.append)

    def _run(self, command: list[str]) -> Answer:
        answers = {preflight.NFT: self.nft, preflight.LDD: (0, self.libraries, "")}
        return answers.get(command[0], self.python)

    def _open(self, path: str, **_how: str) -> io.StringIO:
        return io.StringIO(self.files[path])


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


def test_no_nft_is_a_package_that_is_missing(target: Target) -> None:
    assert target.check() == []
    target.missing = {preflight.NFT}
    assert target.check() == target.check("hosts_deny", "nftables") == ["nftables"]
    assert target.check("hosts_deny") == target.check("command") == []


def test_d24_a_host_that_cannot_have_net_admin_is_told_what_to_set(target: Target) -> None:
    target.files[preflight.INIT_STATUS] = "CapBnd:\t00000000a82425fb\n"
    for names in (["nftables"], ["hosts_deny", "nftables"]):
        with pytest.raises(StockadeError, match=r"cannot have CAP_NET_ADMIN. Set backends: \[hosts_deny\]"):
            target.check(*names)
    assert target.check("hosts_deny") == [] and target.warnings == []


def test_dh14_programs_without_libwrap_and_rules_that_come_first_are_warned_of(target: Target) -> None:
    target.libraries = "libc.so.6 => /lib/libc.so.6"
    target.files[preflight.HOSTS_ALLOW] = "# one\nsshd: ALL\n"
    target.check("hosts_deny")
    assert [text.split(": ")[1][:30] for text in target.warnings] == [
        "/usr/sbin/sshd does not use li",
        "whom /etc/hosts.allow lets in ",
    ]
    target.warnings.clear()
    target.check("nftables")
    assert target.warnings == []


@pytest.mark.parametrize(
    ("mounts", "works"),
    [
        ("1 0 0:1 / / rw - overlay o rw\n2 1 0:2 / /run rw shared:7 - tmpfs t rw\n", True),
        ("1 0 0:1 / / rw shared:1 - overlay o rw\n2 1 0:2 / /run rw - tmpfs t rw\n", False),
        ("1 0 0:1 / / rw master:3 shared:1 - overlay o rw\n", True),
        ("1 0 0:1 / / rw - overlay o rw\n3 1 0:3 / /run/lock rw shared:9 - tmpfs t rw\n", False),
    ],
)
def test_b22_credentials_that_would_not_arrive_are_an_error(target: Target, mounts: str, works: bool) -> None:
    target.files[preflight.INIT_MOUNTS] = mounts
    assert target.check("nftables") == []
    if works:
        assert target.check("nftables", token="x") == []
    else:
        with pytest.raises(StockadeError, match=r"/run is a private mount .*mount --make-shared /run"):
            target.check("nftables", token="x")


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
