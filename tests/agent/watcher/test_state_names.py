# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules with the key `user`: no names in plain text on disk, bounded memory, lost verdicts that come again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from watcherlab import SOURCE, add, settle

from stockade.watcher.clients import Clients
from stockade.watcher.config import Config, Input, Rule
from stockade.watcher.config.rules import DEFAULTS
from stockade.watcher.engine import Engine, kinds_of
from stockade.watcher.events import FAILURE, Message
from stockade.watcher.rules import messages
from stockade.watcher.rules.messages import ByUser
from stockade.watcher.verdict import Verdict

NOON = 1_790_000_000
PASSWORD = "correct-horse-battery"
CONFIG = """
max_bans_per_minute = 0
[[input]]
name = "ssh"
path = "{path}"
format = "sshd"
[[rule]]
name = "names"
type = "failures"
key = "user"
maxretry = {maxretry}
"""


def rule(name: str = "names", **more: Any) -> Rule:
    base = DEFAULTS["failures"]
    fields = {field: getattr(base, field) for field in base.__slots__}
    return Rule(**{**fields, "name": name, "key": "user", "maxretry": 3, **more})


def engine_of(*rules: Rule) -> Engine:
    config = Config((Input("in", "/log", format="sshd"),), rules, lookback=0, max_bans_per_minute=0, max_share=0)
    return Engine(config, clients=Clients(own=(), kinds=kinds_of(config)))


def fails(engine: Engine, address: str, user: str = "root", after: int = 0) -> list[Verdict]:
    client = engine.clients.client(address.encode())
    assert client is not None
    return engine._judge([Message(NOON + after, client, FAILURE, "", user)], "in", None, 0)


def by_user(engine: Engine) -> ByUser:
    (judge,) = engine.judges
    assert isinstance(judge, ByUser)
    return judge


def again(before: Engine, *rules: Rule) -> Engine:
    after = engine_of(*rules)
    assert after.load(before.counts(), json.loads(json.dumps(list(before.records()), default=bytes.hex))) == 0
    return after


# -- on disk --


def failed(user: str, address: str) -> bytes:
    stamp = time.strftime("%b %e %H:%M:%S")
    return f"{stamp} host sshd[7]: Failed password for invalid user {user} from {address} port 22 ssh2".encode()


@pytest.fixture
def ssh(config: Path, access: Path) -> Path:
    config.write_text(CONFIG.format(path=access, maxretry=3))
    return access


def test_no_name_that_was_tried_stands_on_disk_or_in_the_journal(start, ssh, warden, tmp_path, capfd) -> None:
    service = start()
    add(ssh, [failed(PASSWORD, "203.0.113.1"), failed(PASSWORD, "203.0.113.2")])
    settle(service)
    service.save()
    kept = [path for path in tmp_path.iterdir() if path.is_file() and path != ssh]
    assert "state.json" in [path.name for path in kept]
    add(ssh, [failed(PASSWORD, "203.0.113.3")])
    settle(service)
    assert sorted(warden.networks) == ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
    service.save()
    assert [path.name for path in kept if PASSWORD.encode() in path.read_bytes()] == []
    assert PASSWORD not in capfd.readouterr().err


def test_counts_of_a_name_go_on_in_another_process(start, ssh, warden, tmp_path, config) -> None:
    """Which has other random numbers."""
    add(ssh, [failed(PASSWORD, "203.0.113.1"), failed(PASSWORD, "203.0.113.2")])
    code = """if True:
        import sys
        from pathlib import Path
        from stockade.watcher.config import read
        from stockade.watcher.service import Service
        service = Service(read(Path(sys.argv[2])), warden=None, state_dir=Path(sys.argv[1]))
        service.reading.not_before["ssh"] = 0
        verdicts, _more = service.reading.turn("ssh", 2**31)
        assert verdicts == []
        service.save()
    """
    words = [sys.executable, "-c", code, str(tmp_path), str(config)]
    subprocess.run(words, env={"PYTHONPATH": str(SOURCE), "PATH": ""}, check=True)
    service = start()
    add(ssh, [failed(PASSWORD, "203.0.113.3")])
    settle(service)
    assert sorted(warden.networks) == ["203.0.113.1", "203.0.113.2", "203.0.113.3"]


def test_the_same_name_is_another_text_on_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    for salt in (b"a" * 32, b"b" * 32):
        monkeypatch.setattr(messages, "_SALT", salt)
        counter = engine_of(rule())
        fails(counter, "203.0.113.1")
        kept.append(set(counter.tallies[0].windows))
    assert kept[0].isdisjoint(kept[1])


@pytest.mark.parametrize("user", ["\udc80\ud800", "\0", "é" * 200, "🦊"])
def test_any_name_counts(user: str) -> None:
    counter = engine_of(rule(maxretry=1))
    assert [verdict.network for verdict in fails(counter, "203.0.113.1", user)] == ["203.0.113.1"]


def test_names_and_their_clients_survive_other_rules_beside_theirs() -> None:
    before = engine_of(rule())
    fails(before, "203.0.113.1")
    fails(before, "203.0.113.2")
    after = again(before, rule("first", maxretry=9), rule())
    found = fails(after, "203.0.113.3")
    assert sorted(verdict.network for verdict in found) == ["203.0.113.1", "203.0.113.2", "203.0.113.3"]


def test_counts_of_names_of_version_3_are_not_taken_over_but_all_else_is(start, config, ssh, warden, tmp_path) -> None:
    config.write_text(config.read_text() + '[[rule]]\nname = "f"\ntype = "failures"\nmaxretry = 3\n')
    service = start()
    add(ssh, [failed(PASSWORD, "203.0.113.1"), failed("x", "203.0.113.9")])
    settle(service)
    service.save()
    state = tmp_path / "state.json"
    header, *records = [json.loads(line) for line in state.read_text().splitlines()]
    names = {record["name"] for record in records if isinstance(record, dict) and "name" in record}
    counts = [record for record in records if isinstance(record, list)]
    old: list[Any] = [[number, PASSWORD if key in names else key, *rest] for number, key, *rest in counts]
    assert PASSWORD in str(old)
    old += [{"user": PASSWORD, "rules": ["names"], "clients": {"203.0.113.1": 5}}]
    state.write_text("".join(json.dumps(line) + "\n" for line in ({**header, "version": 3}, *old)))
    service = start()
    service.save()
    assert PASSWORD not in state.read_text()
    add(ssh, [failed("y", "203.0.113.9"), failed("z", "203.0.113.9")])
    settle(service)
    assert warden.networks == ["203.0.113.9"]
    assert not (tmp_path / "state.json.broken").exists()


@pytest.mark.parametrize(
    "record",
    [
        {"salt": "zz"},
        {"salt": "00"},
        {"salt": None},
        {"name": [], "rules": ["names"], "clients": {}},
        {"name": "KEY", "rules": 5, "clients": {}},
        {"name": "KEY", "rules": ["names"], "clients": []},
        {"name": "KEY", "rules": ["names"], "clients": {"203.0.113.1": -1}},
        {"name": "KEY", "rules": ["names"], "clients": {"203.0.113.1": float("inf")}},
        {"name": "KEY", "rules": ["names"], "clients": {str(n): 1 for n in range(1001)}},
    ],
)
def test_a_damaged_record_about_a_name_is_left_out(record: dict[str, Any]) -> None:
    before, after = engine_of(rule()), engine_of(rule())
    fails(before, "203.0.113.1")
    fails(before, "203.0.113.2")
    (name,) = by_user(before).clients
    damaged = {key: name if value == "KEY" else value for key, value in record.items()}
    assert after.load(before.counts(), [*before.records(), damaged]) == 1
    assert len(fails(after, "203.0.113.3")) == 3


# -- bounded memory --


def test_clients_of_names_are_bounded_without_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_MAX_REMEMBERED", 100)
    counter = engine_of(rule(maxretry=5))
    for turn in range(4):
        fails(counter, f"203.0.113.{turn}", "root")
        for number in range(90):
            fails(counter, f"198.51.100.{number}", f"name {turn} {number}")
            assert sum(map(len, by_user(counter).clients.values())) <= 100
    # The name that was tried all the time is not the one that was forgotten.
    assert len(fails(counter, "203.0.113.9", "root")) >= 2
    assert by_user(counter)._remembered == sum(map(len, by_user(counter).clients.values()))


def test_clients_of_one_name_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_MAX_CLIENTS", 10)
    counter = engine_of(rule(maxretry=30))
    for number in range(29):
        assert fails(counter, f"203.0.113.{number}") == []
    found = fails(counter, "203.0.113.29")
    assert sorted(verdict.network for verdict in found) == [f"203.0.113.{number}" for number in range(20, 30)]
    assert by_user(counter)._remembered == 0


def test_what_is_restored_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    before = engine_of(rule())
    for number in range(50):
        fails(before, f"203.0.113.{number}", f"name {number}")
    monkeypatch.setattr(messages, "_MAX_REMEMBERED", 20)
    assert sum(map(len, by_user(again(before, rule())).clients.values())) <= 20


def test_a_sweep_forgets_the_clients_of_names_that_are_over() -> None:
    counter = engine_of(rule())
    fails(counter, "203.0.113.1")
    counter.sweep(NOON + 3600)
    assert (by_user(counter).clients, by_user(counter)._remembered) == ({}, 0)


# -- a verdict that got lost --


@pytest.mark.parametrize("restart", [False, True])
def test_a_verdict_about_a_name_that_was_dropped_can_come_again(restart: bool) -> None:
    counter = engine_of(rule(), rule("more", maxretry=50))
    for number in range(2):
        fails(counter, f"203.0.113.{number}")
    first = fails(counter, "203.0.113.2")
    assert len(first) == 3
    assert [fails(counter, "203.0.113.3", after=1) for _n in range(3)] == [[], [], []]
    if restart:
        counter = again(counter, rule(), rule("more", maxretry=50))
    counter.forget(first[0])
    found = [verdict for number in range(3) for verdict in fails(counter, f"203.0.113.{number}", after=2)]
    assert {verdict.rule for verdict in found} == {"names"}
    assert "203.0.113.2" in {verdict.network for verdict in found}


def test_other_names_stay_quiet() -> None:
    counter = engine_of(rule())
    (one, *_others) = [verdict for _n in range(3) for verdict in fails(counter, "203.0.113.1", "root")]
    assert [verdict for _n in range(3) for verdict in fails(counter, "203.0.113.2", "bob", after=9)] != []
    counter.forget(one)
    counter.forget(Verdict("203.0.113.1", "gone", 1, NOON, NOON, 1, 60, 600))
    assert [fails(counter, "203.0.113.2", "bob", after=10) for _n in range(3)] == [[], [], []]
