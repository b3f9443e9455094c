# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of the whitelist module: what is asked of the warden, and what becomes of names."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
import typing as t
import zlib
from pathlib import Path

import jinja2
import pytest
import yaml

from ansible_collections.stockade.fleet.plugins.module_utils import _inventory, _whitelist

OPTIONS: dict[str, t.Any] = {
    "name": "operator",
    "entries": None,
    "src": None,
    "files": None,
    "prune": False,
    "state": "present",
    "inventory": None,
    "render": True,
    "digests": None,
    "contents": None,
}
ADDRESSES = {
    "db.example.org": ["198.51.100.7", "2001:db8::7"],
    "self.example.org": ["127.0.1.1"],
    "sink.example.org": ["0.0.0.0"],
    "same.example.org": ["198.51.100.7"],
}


class Module:
    """What `declare` needs of a module, and names that resolve."""

    _diff = True

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **params: t.Any) -> None:
        self.check_mode = False
        self.params = dict(OPTIONS, **params)
        self.warnings: list[str] = []
        self.rendered: list[tuple[list[str], bool]] = []
        monkeypatch.setattr(_whitelist, "render", self._render)
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        raise AssertionError("nothing is run here: %s" % command)

    def declare(self, controller: str | None = None) -> dict[str, t.Any]:
        return _whitelist.declare(t.cast("t.Any", self), controller)

    def _render(self, entries: list[dict[str, t.Any]], *, run: t.Any, check: bool) -> dict[str, t.Any]:
        assert run == self.run_command
        self.rendered.append((sorted(e["network"] for e in entries if e["expires_at"] is None), check))
        return {"changed": False, "lines": [], "warnings": []}

    def _getaddrinfo(self, name: str, port: t.Any, **_options: t.Any) -> list[t.Any]:
        if name == "broken..name":
            raise UnicodeError("label empty or too long")
        if name not in ADDRESSES:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(None, None, None, "", (address, 0)) for address in ADDRESSES[name]]


def hosts(warden: t.Any) -> dict[str, str]:
    """The list of the fleet's hosts: comments by network."""
    held = warden.lists["whitelist_set", "inventory"]
    return {network: entry["comment"] for network, entry in held.items()}


def test_addresses_of_the_inventory_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any) -> None:
    module = Module(monkeypatch, inventory=["198.51.100.3", "2001:db8::3", "127.0.0.1", "::1", "fe80::1"])
    assert module.declare()["unresolved"] == []
    assert hosts(lists_warden) == {"198.51.100.3": "host of the fleet", "2001:db8::3": "host of the fleet"}
    assert module.warnings == []


def test_names_are_resolved_and_say_so(monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any) -> None:
    module = Module(monkeypatch, inventory=["db.example.org", "self.example.org", "sink.example.org"])
    assert module.declare()["unresolved"] == []
    assert hosts(lists_warden) == dict.fromkeys(ADDRESSES["db.example.org"], "host of the fleet (db.example.org)")


def test_an_address_under_two_names_is_one_entry(monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any) -> None:
    module = Module(monkeypatch, inventory=["db.example.org", "same.example.org", "2001:db8::7"])
    module.declare()
    assert hosts(lists_warden) == {
        "2001:db8::7": "host of the fleet",
        "198.51.100.7": "host of the fleet (db.example.org)",
    }


@pytest.mark.parametrize("name", ["web1", "broken..name", "", "1", "10.1", "0x7f000001", "010.0.0.1", "10.0.0.0/8"])
def test_a_name_without_an_answer_is_told_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any, name: str
) -> None:
    # what libc would take for an address, 0.0.0.1 for one, must not be asked at all
    monkeypatch.setitem(ADDRESSES, "1", ["0.0.0.1"])
    monkeypatch.setitem(ADDRESSES, "10.1", ["10.0.0.1"])
    monkeypatch.setitem(ADDRESSES, "0x7f000001", ["8.8.8.8"])
    monkeypatch.setitem(ADDRESSES, "010.0.0.1", ["8.0.0.1"])
    module = Module(monkeypatch, inventory=[name, "db.example.org"])
    assert module.declare()["unresolved"] == [name]
    assert set(hosts(lists_warden)) == {"198.51.100.7", "2001:db8::7"}
    assert len(module.warnings) == 1 and repr(name) in module.warnings[0]


def test_one_warning_names_ten(monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any) -> None:
    module = Module(monkeypatch, inventory=["h%02d" % number for number in range(14)])
    assert len(module.declare()["unresolved"]) == 14
    assert len(module.warnings) == 1
    assert "'h09' and 4 more" in module.warnings[0] and "h10" not in module.warnings[0]


def test_a_name_that_is_lost_for_now_keeps_its_addresses(monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any) -> None:
    module = Module(monkeypatch, inventory=["gone.example.org", "db.example.org"])
    for name, network, host in (
        ("inventory", "198.51.100.9", "gone.example.org"),
        ("inventory", "198.51.100.8", "db.example.org"),
        ("operator", "198.51.100.6", "gone.example.org"),
    ):
        entry = {"network": network, "comment": "host of the fleet (%s)" % host}
        lists_warden.call("whitelist_set", list=name, entries=[entry], check=False)
    module.declare()
    assert set(hosts(lists_warden)) == {"198.51.100.7", "2001:db8::7", "198.51.100.9"}


def test_silent_servers_take_two_seconds_for_all_names_and_no_others_time(
    monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any
) -> None:
    answer = Module(monkeypatch)._getaddrinfo
    released = threading.Event()

    def slow(name: str, port: t.Any, **options: t.Any) -> list[t.Any]:
        if name.startswith("slow"):
            released.wait(20)
        return answer(name, port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    began = time.monotonic()
    found = _inventory.resolve(["slow%d" % number for number in range(5)] + ["db.example.org"], seconds=0.3)
    released.set()
    assert 0.25 < time.monotonic() - began < 15
    assert found == {"db.example.org": ADDRESSES["db.example.org"]}


def test_only_the_controllers_entry_is_renewed(monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any) -> None:
    module = Module(monkeypatch, entries=[{"network": "203.0.113.7", "duration": "7d"}], inventory=[])
    module.declare("198.51.100.1")
    assert {fields["list"]: fields.get("renew", False) for fields in lists_warden.asked} == {
        "operator": False,
        "inventory": False,
        "controller": True,
    }


def task_of(src: str, entries: list[t.Any] | None) -> dict[str, t.Any]:
    """What the action plugin makes of a task with a file; with entries, after the host asked for them."""
    task: dict[str, t.Any] = {"src": src, "digests": {src: "0"}}
    if entries is not None:
        task["contents"] = {src: base64.b64encode(zlib.compress(json.dumps(entries).encode()))}
    return task


def test_a_file_is_asked_for_before_anything_changes_and_only_where_it_is_new(
    monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any
) -> None:
    """B31 D22: the whitelist from a file, with networks."""
    task = task_of("l.txt", ["198.51.100.0/24", {"network": "203.0.113.7", "comment": "c"}])
    asking = task_of("l.txt", None)
    needed = Module(monkeypatch, inventory=["192.0.2.5"], **asking).declare("192.0.2.1")
    assert needed == {"changed": True, "contents_needed": ["l.txt"]} and lists_warden.lists == {}
    result = Module(monkeypatch, inventory=["192.0.2.5"], **task).declare("192.0.2.1")
    assert result["counts"]["added"] == 4
    assert lists_warden.networks("operator", "whitelist_set") == ["198.51.100.0/24", "203.0.113.7"]
    again = Module(monkeypatch, inventory=["192.0.2.5"], **asking).declare("192.0.2.1")
    assert again["changed"] is False and "contents_needed" not in again


def test_absent_removes_what_the_file_names(monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any) -> None:
    Module(monkeypatch, entries=["198.51.100.1", "198.51.100.2"]).declare()
    task = task_of("l.txt", ["198.51.100.1"])
    Module(monkeypatch, **task).declare()  # from now on the host knows the file's digest, and that must not be enough
    assert "contents_needed" in Module(monkeypatch, state="absent", **task_of("l.txt", None)).declare()
    assert Module(monkeypatch, state="absent", **task).declare()["removed"] == ["198.51.100.1"]
    assert lists_warden.networks("operator", "whitelist_set") == ["198.51.100.2"]


def test_files_that_left_are_dropped_only_with_prune(monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any) -> None:
    task = task_of("l.txt", ["198.51.100.1"])
    del task["src"]
    Module(monkeypatch, files=[{"name": "a", "src": "l.txt"}], **task).declare()
    assert lists_warden.networks("operator.a", "whitelist_set") == ["198.51.100.1"]
    assert not Module(monkeypatch, files=[]).declare()["changed"]
    assert not Module(monkeypatch, prune=True).declare()["changed"]
    assert Module(monkeypatch, files=[], prune=True).declare()["removed"] == ["198.51.100.1"]


def test_what_is_rendered_is_what_the_warden_holds(monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any) -> None:
    module = Module(monkeypatch, entries=["198.51.100.1", {"network": "198.51.100.2", "until": "2027-01-31"}])
    module.declare()
    assert module.rendered == [(["198.51.100.1"], False)]
    module = Module(monkeypatch, entries=[], render=False)
    module.declare()
    assert module.rendered == []


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"entries": ["198.51.100.3"]}, ["198.51.100.1", "198.51.100.2", "198.51.100.3"]),
        ({"entries": ["198.51.100.3"], "prune": True}, ["198.51.100.3"]),
        ({"entries": ["198.51.100.1"], "state": "absent"}, ["198.51.100.2"]),
        ({"entries": ["198.51.100.1/32"], "state": "absent"}, ["198.51.100.2"]),
        ({"entries": [{"network": "198.51.100.1/32", "duration": "1d"}]}, ["198.51.100.2"]),
        ({"entries": [{"network": "198.51.100.1", "duration": "1d"}]}, ["198.51.100.2"]),
        ({"entries": [{"network": "198.51.100.4", "duration": "permanent"}], "prune": True}, ["198.51.100.4"]),
    ],
)
def test_check_mode_renders_what_would_be_held(
    monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any, task: dict[str, t.Any], expected: list[str]
) -> None:
    """C24: a dry run tells what the run would do, in what follows the whitelist too."""
    Module(monkeypatch, entries=["198.51.100.1", "198.51.100.2"], inventory=["192.0.2.5"]).declare()
    module = Module(monkeypatch, **task)
    module.check_mode = True
    module.declare()
    assert module.rendered == [(["192.0.2.5", *expected], True)]
    assert lists_warden.networks("operator", "whitelist_set") == ["198.51.100.1", "198.51.100.2"]


def test_what_rendering_changed_and_warned_is_told(monkeypatch: pytest.MonkeyPatch, lists_warden: t.Any) -> None:
    module = Module(monkeypatch, entries=[])
    rendered = {"changed": True, "lines": ["ignoreip: 198.51.100.1"], "warnings": ["no fail2ban"]}
    monkeypatch.setattr(_whitelist, "render", lambda _entries, **_options: rendered)
    result = module.declare()
    assert (result["changed"], module.warnings) == (True, ["no fail2ban"])
    assert result["diff"]["after"] == "ignoreip: 198.51.100.1\n"


@pytest.mark.parametrize(
    "said",
    [["web1", "web2", "db.example.org", "control", "localhost"], "web1, web2,db.example.org,control,localhost"],
)
def test_a_host_stands_in_the_list_by_ansible_host_or_else_by_its_name(said: t.Any) -> None:
    """A text is a list, as for any option of that type, and not the letters of a name."""
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
    known: dict[str, t.Any] = {"hostvars": hostvars, "stockade_bans_inventory_hosts": said}
    known["stockade_bans_whitelist_src"] = "w.txt"
    for name, template in variables.items():
        known[name] = list(environment.compile_expression(template.strip()[2:-2].strip())(**known))
    assert known["__stockade_bans_whitelist_files"] == [{"name": "file", "src": "w.txt"}]
    assert known["__stockade_bans_inventory"] == ["198.51.100.11", "web2", "db.example.org"]
