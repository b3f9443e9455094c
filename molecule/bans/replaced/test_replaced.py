# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another agent, an older one again, a killed and a stopped one: while a banned host knocks, nothing gets through."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from siege import Siege

REPOSITORY = Path(__file__).parents[3]
ATTACKER, ATTACKER6 = "198.18.77.66", "2001:db8:77::66"
PARTS = ("galaxy.yml", "meta", "plugins", "roles")

# Behind our own chain: whatever of the attacker comes that far got through. Neighbour messages always do.
WITNESS = f"""
table inet witness {{
    chain prerouting {{ type filter hook prerouting priority -200;
        icmpv6 type {{ 133, 134, 135, 136, 137 }} accept
        ip saddr {ATTACKER} counter
        ip6 saddr {ATTACKER6} counter
    }}
}}
"""


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection of a later release: another version, and a registry that has grown by one step."""
    path: Path = tmp_path_factory.mktemp("collections")
    collection = path / "ansible_collections" / "stockade" / "fleet"
    collection.mkdir(parents=True)
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, collection / part, ignore=shutil.ignore_patterns("__pycache__", "mypy_cache"))
        else:
            shutil.copy(source, collection / part)
    program = collection / "roles" / "agent" / "files" / "src" / "stockade"
    replace(program / "__init__.py", r'__version__ = ".*"', '__version__ = "99.0.0"')
    replace(
        program / "warden" / "schema.py", r"\n\}\n", '\n    99: ("ALTER TABLE bans ADD COLUMN country TEXT",),\n}\n'
    )
    return path


def replace(file: Path, pattern: str, text: str) -> None:
    content, count = re.subn(pattern, text, file.read_text(encoding="utf-8"), count=1)
    assert count == 1, file
    file.write_text(content, encoding="utf-8")


def install(target: Any, collections: Path) -> None:
    """`ansible -m stockade.fleet.agent` of that collection."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections)}
    inventory = str(REPOSITORY / "build" / "fleet" / "inventory.yml")
    words = ["ansible", "-i", inventory, target.name, "-b", "-m", "stockade.fleet.agent"]
    done = subprocess.run(
        words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0 and "CHANGED" in done.stdout, done.stdout + done.stderr


@pytest.fixture
def besieged(target: Any) -> Iterator[Any]:
    """A host on which the attacker is banned, with a witness behind the ban."""
    target.shell("stockade", "ban", ATTACKER, ATTACKER6, "--duration", "1d")
    target.shell("nft", WITNESS)
    yield target
    target.operator.shell(target.name, "nft", "delete table inet witness")


def check_nothing_got_through(target: Any, siege: Siege) -> None:
    assert siege.result["attempts"] > 20
    assert siege.result["answers"] == []
    listing = json.loads(target.shell("nft", "-j", "list", "table", "inet", "witness"))["nftables"]
    expressions = [part for item in listing if "rule" in item for part in item["rule"]["expr"]]
    packets = [part["counter"]["packets"] for part in expressions if "counter" in part]
    assert packets == [0, 0]
    dropped = target.ask("bans", "--why", ATTACKER)["bans"][0]["packets"]
    assert dropped > 100, "the siege was one"


def test_an_upgrade_and_a_downgrade_let_nothing_through(besieged: Any, newer: Path) -> None:
    """The older agent meets the newer registry: it enforces, says so, and refuses to change it."""
    old = besieged.ask("status")["version"]
    with Siege(besieged.name) as siege:
        install(besieged, newer)
        assert besieged.ask("status")["version"] == "99.0.0"
        assert json.loads(besieged.shell("stockade", "ban", "203.0.113.44", "--json"))["changed"]
        install(besieged, REPOSITORY / ".collections")
        status = besieged.ask("status")
        assert status["version"] == old and status["state"] == "enforcing"
        assert any("newer" in warning for warning in status["warnings"])
        refused = besieged.operator.shell(besieged.name, "stockade", "ban", "203.0.113.45")
        assert refused.returncode == 1 and "newer" in refused.stderr
        assert [row["network"] for row in besieged.ask("bans", "--why", "203.0.113.44")["bans"]] == ["203.0.113.44"]
        install(besieged, newer)
        assert json.loads(besieged.shell("stockade", "unban", "203.0.113.44", "--json"))["changed"]
    check_nothing_got_through(besieged, siege)


def test_a_killed_and_a_stopped_warden_let_nothing_through(besieged: Any) -> None:
    def pid() -> str:
        return str(besieged.shell("systemctl", "show", "--value", "-p", "MainPID", "stockade-warden").strip())

    with Siege(besieged.name) as siege:
        for _number in range(3):
            before = pid()
            besieged.shell("systemctl", "kill", "-s", "KILL", "stockade-warden")
            assert besieged.operator.eventually(lambda: pid() not in ("0", before))  # noqa: B023
            assert besieged.ask("status")["state"] == "enforcing", "callers wait in the socket"
        besieged.shell("systemctl", "restart", "stockade-warden")
        besieged.shell("systemctl", "stop", "stockade-warden", "stockade-warden.socket")
        assert besieged.reached("attacker", 22, 80) == set()
        assert besieged.reached("visitor") == {"4 80", "6 80"}
        besieged.shell("systemctl", "start", "stockade-warden.socket", "stockade-warden")
        besieged.shell("systemctl", "reload-or-restart", "fail2ban")
    check_nothing_got_through(besieged, siege)
