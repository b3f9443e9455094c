# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of the whitelist module: what is asked of the warden, and what becomes of names."""

from __future__ import annotations

import socket
import threading
import time
import typing as t
from pathlib import Path

import jinja2
import pytest
import yaml

from ansible_collections.stockade.fleet.plugins.module_utils import _whitelist

ADDRESSES = {
    "db.example.org": ["198.51.100.7", "2001:db8::7"],
    "self.example.org": ["127.0.1.1"],
    "sink.example.org": ["0.0.0.0"],
    "same.example.org": ["198.51.100.7"],
}


class Module:
    """What `declare` needs of a module, and the warden behind it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **params: t.Any) -> None:
        self.check_mode = False
        self.params = {"entries": [], "name": "operator", "prune": False, "state": "present", "inventory": None}
        self.params.update(params)
        self.warnings: list[str] = []
        self.asked: dict[str, dict[str, t.Any]] = {}
        self.held: list[dict[str, t.Any]] = []
        monkeypatch.setattr(_whitelist, "ask", self._ask)
        monkeypatch.setattr(_whitelist, "_held", lambda: self.held)
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def declare(self, controller: str | None = None) -> dict[str, t.Any]:
        return _whitelist.declare(t.cast("t.Any", self), controller)

    def hosts(self) -> dict[str, str]:
        return {entry["network"]: entry["comment"] for entry in self.asked["inventory"]["entries"]}

    def _ask(self, module: t.Any, op: str, predicted: dict[str, t.Any], **fields: t.Any) -> dict[str, t.Any]:
        assert op == "whitelist_set"
        self.asked[fields["list"]] = fields
        return predicted

    def _getaddrinfo(self, name: str, port: t.Any, **_options: t.Any) -> list[t.Any]:
        if name == "broken..name":
            raise UnicodeError("label empty or too long")
        if name not in ADDRESSES:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(None, None, None, "", (address, 0)) for address in ADDRESSES[name]]


def test_addresses_of_the_inventory_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(monkeypatch, inventory=["198.51.100.3", "2001:db8::3", "127.0.0.1", "::1", "fe80::1"])
    assert module.declare()["unresolved"] == []
    assert module.hosts() == {"198.51.100.3": "host of the fleet", "2001:db8::3": "host of the fleet"}
    assert module.warnings == []


def test_names_are_resolved_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(monkeypatch, inventory=["db.example.org", "self.example.org", "sink.example.org"])
    assert module.declare()["unresolved"] == []
    assert module.hosts() == dict.fromkeys(ADDRESSES["db.example.org"], "host of the fleet (db.example.org)")


def test_an_address_under_two_names_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(monkeypatch, inventory=["db.example.org", "same.example.org", "2001:db8::7"])
    module.declare()
    assert module.hosts() == {
        "2001:db8::7": "host of the fleet",
        "198.51.100.7": "host of the fleet (db.example.org)",
    }


@pytest.mark.parametrize("name", ["web1", "broken..name", "", "1", "10.1", "0x7f000001", "010.0.0.1", "10.0.0.0/8"])
def test_a_name_without_an_answer_is_told_and_fails_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # what libc would take for an address, 0.0.0.1 for one, must not be asked at all
    monkeypatch.setitem(ADDRESSES, "1", ["0.0.0.1"])
    monkeypatch.setitem(ADDRESSES, "10.1", ["10.0.0.1"])
    monkeypatch.setitem(ADDRESSES, "0x7f000001", ["8.8.8.8"])
    monkeypatch.setitem(ADDRESSES, "010.0.0.1", ["8.0.0.1"])
    module = Module(monkeypatch, inventory=[name, "db.example.org"])
    assert module.declare()["unresolved"] == [name]
    assert set(module.hosts()) == {"198.51.100.7", "2001:db8::7"}
    assert len(module.warnings) == 1 and repr(name) in module.warnings[0]


def test_one_warning_names_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(monkeypatch, inventory=["h%02d" % number for number in range(14)])
    assert len(module.declare()["unresolved"]) == 14
    assert len(module.warnings) == 1
    assert "'h09' and 4 more" in module.warnings[0] and "h10" not in module.warnings[0]


def test_a_name_that_is_lost_for_now_keeps_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(monkeypatch, inventory=["gone.example.org", "db.example.org"])
    module.held = [
        {"network": "198.51.100.9", "list": "inventory", "comment": "host of the fleet (gone.example.org)"},
        {"network": "198.51.100.8", "list": "inventory", "comment": "host of the fleet (db.example.org)"},
        {"network": "198.51.100.6", "list": "operator", "comment": "host of the fleet (gone.example.org)"},
    ]
    module.declare()
    assert set(module.hosts()) == {"198.51.100.7", "2001:db8::7", "198.51.100.9"}
    assert module.asked["inventory"]["prune"] is True


def test_silent_servers_take_two_seconds_for_all_names_and_no_others_time(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(monkeypatch)
    answer = module._getaddrinfo
    released = threading.Event()

    def slow(name: str, port: t.Any, **options: t.Any) -> list[t.Any]:
        if name.startswith("slow"):
            released.wait(20)
        return answer(name, port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    began = time.monotonic()
    found = _whitelist.resolve(["slow%d" % number for number in range(5)] + ["db.example.org"], seconds=0.3)
    released.set()
    assert 0.25 < time.monotonic() - began < 3
    assert found == {"db.example.org": ADDRESSES["db.example.org"]}


def test_only_the_controllers_entry_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(monkeypatch, entries=[{"network": "203.0.113.7", "duration": "7d"}], inventory=[])
    module.declare("198.51.100.1")
    assert {name: fields.get("renew", False) for name, fields in module.asked.items()} == {
        "operator": False,
        "inventory": False,
        "controller": True,
    }


def test_a_host_stands_in_the_list_by_ansible_host_or_else_by_its_name() -> None:
    hostvars = {
        "web1": {"ansible_host": "198.51.100.11"},
        "web2": {"ansible_host": ""},
        "db.example.org": {},
        "control": {"ansible_connection": "local"},
        "localhost": {},
    }
    path = Path(__file__).parents[4] / "roles" / "bans" / "vars" / "main.yml"
    variables = yaml.safe_load(path.read_text(encoding="utf-8"))
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    environment.filters["extract"] = lambda name, container: container[name]
    environment.filters["zip"] = zip
    known: dict[str, t.Any] = {"hostvars": hostvars, "stockade_bans_inventory_hosts": list(hostvars)}
    for name, template in variables.items():
        known[name] = list(environment.compile_expression(template.strip()[2:-2].strip())(**known))
    assert known["__stockade_bans_inventory"] == ["198.51.100.11", "web2", "db.example.org"]
