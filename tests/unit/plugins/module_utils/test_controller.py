# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's address, found in the environment of an ancestor."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._controller import controller_network, inherited


def process(proc: Path, pid: int, parent: int, environment: bytes = b"", name: str = "x") -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "environ").write_bytes(environment)
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) S {parent} 1 1 0")


def test_sudo_between_session_and_module_is_passed(tmp_path: Path) -> None:
    process(tmp_path, 10, 1, b"HOME=/\0SSH_CONNECTION=198.51.100.7 50022 192.0.2.1 22\0")
    process(tmp_path, 11, 10, b"SUDO_USER=x\0", name="a) S 1 (b")
    process(tmp_path, 12, 11, b"LANG=C\0")
    assert controller_network(str(tmp_path), 12) == "198.51.100.7"


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        (b"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (b"::ffff:198.51.100.7", "198.51.100.7"),
        (b"127.0.0.1", None),
        (b"fe80::1%eth0", None),
        (b"UNKNOWN", None),
        (b"", None),
    ],
)
def test_what_the_peer_becomes(tmp_path: Path, peer: bytes, network: str | None) -> None:
    process(tmp_path, 10, 1, b"SSH_CONNECTION=" + peer + b" 1 2 3\0")
    assert controller_network(str(tmp_path), 10) == network


def test_no_session_no_controller(tmp_path: Path) -> None:
    process(tmp_path, 10, 11)
    process(tmp_path, 11, 10)  # a loop must not hang either
    assert controller_network(str(tmp_path), 10) is None
    assert controller_network(str(tmp_path), 99) is None


def test_the_nearest_ancestor_that_has_a_variable_counts(tmp_path: Path) -> None:
    process(tmp_path, 10, 1, b"SSH_CONNECTION=far\0X=1\0")
    process(tmp_path, 11, 10, b"SSH_CONNECTION=near 1 2 3\0")
    process(tmp_path, 12, 11, b"SSH_CONNECTION=\0XSSH_CONNECTION=x\0")
    assert inherited("SSH_CONNECTION", str(tmp_path), 12) == "near 1 2 3"
    assert inherited("X", str(tmp_path), 12) == "1"
    assert inherited("Y", str(tmp_path), 12) == ""
