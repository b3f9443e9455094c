# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""warden.toml: what it means, and what is wrong with it, by file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockade.config import ConfigError
from stockade.warden.config import WardenConfig, read

COMMAND = '[command]\nban = ["/bin/x", "{network}"]\nunban = ["/bin/y", "{network}"]\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "warden.toml"


def test_without_a_file_everything_has_a_default(file: Path) -> None:
    assert read(file) == WardenConfig(origin=read(file).origin)
    assert read(file).origin


def test_every_key_arrives(file: Path) -> None:
    file.write_text(
        'origin = "web1"\ndefault_duration = "permanent"\nban_private = true\nrepeat_factor = 1\n'
        'repeat_window = "1d"\nlongest_duration = 600\nbackends = ["command", "nftables", "command"]\n' + COMMAND
    )
    assert read(file) == WardenConfig(
        origin="web1",
        default_duration=None,
        ban_private=True,
        backends=("command", "nftables"),
        command_ban=("/bin/x", "{network}"),
        command_unban=("/bin/y", "{network}"),
        repeat_factor=1,
        repeat_window=86400,
        longest_duration=600,
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("bakends = []", "unknown key 'bakends'"),
        ("backends = []", "backends: at least one is needed"),
        ('backends = ["iptables"]', "backends: 'iptables' is no backend .known: nftables, hosts_deny, command"),
        ("backends = [1]", "backends: '1' is no backend"),
        ('backends = ["command"]', "command: ban must be a list of words"),
        ('[command]\nban = ["/x", "{network}"]', "command: unban must be a list of words"),
        ('[command]\nban = "/x {network}"', "command: ban must be a list of words"),
        ('[command]\nban = ["x", "{network}"]', "command: ban: the program must be a full path, not 'x'"),
        ('[command]\nban = ["/x"]', r"command: ban: \{network\} stands nowhere"),
        ('[command]\nban = ["/x", "{netwrok}"]', r"command: ban: unknown placeholder \{netwrok\} \(known: \{network\}"),
        (COMMAND.replace('"/bin/y"', '"/bin/y", "{seconds}"'), r"command: unban: unknown placeholder \{seconds\}"),
        ('[command]\nban = ["/x", "a\\u0000", "{network}"]', "command: ban must be a list of words"),
        ('[command]\ntimeout = "5"', "command: unknown key 'timeout'"),
        ("repeat_factor = 0", "repeat_factor: 0 is out of range"),
        ("repeat_factor = 101", "repeat_factor: 101 is out of range"),
        ("repeat_factor = true", "repeat_factor must be int, not bool"),
        ('repeat_window = "permanent"', "repeat_window: permanent is not possible here"),
        ('longest_duration = "4 weeks"', "longest_duration: '4 weeks' is not a duration"),
    ],
)
def test_bh7_what_is_wrong_is_named_at_the_start(file: Path, text: str, complaint: str) -> None:
    file.write_text(text + "\n")
    with pytest.raises(ConfigError, match=f"{file}: {complaint}"):
        read(file)
