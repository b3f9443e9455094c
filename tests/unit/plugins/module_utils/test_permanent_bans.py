# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The permanent_bans module over a warden in memory: lists, files, digests, and what is told of them."""

from __future__ import annotations

import base64
import json
import os
import typing as t
import zlib

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils import _permanent_bans
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._warden import WardenClient, WardenRefused

OPTIONS: dict[str, t.Any] = {
    "name": "site",
    "entries": None,
    "src": None,
    "files": None,
    "prune": True,
    "state": "present",
    "on_refused": "fail",
    "force": False,
    "digests": None,
    "contents": None,
}


class Module:
    """What the logic needs of a module."""

    def __init__(self, params: dict[str, t.Any], check: bool) -> None:
        self.params = dict(OPTIONS, **params)
        self.check_mode = check
        self._diff = True
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Controller:
    """Runs the module as the action plugin does; ``files`` are the entries of each file, ``trips`` of the last run."""

    def __init__(self) -> None:
        self.files: dict[str, list[t.Any]] = {}
        self.trips = 0
        self.warnings: list[str] = []

    def run(self, *, check: bool = False, **params: t.Any) -> dict[str, t.Any]:
        texts = {src: json.dumps(entries).encode() for src, entries in self.files.items()}
        params["digests"] = {src: text.hex() for src, text in texts.items()}
        module = Module(params, check)
        result = _permanent_bans.declare(t.cast("t.Any", module))
        self.trips = 1
        if "contents_needed" in result:
            packed = {src: base64.b64encode(zlib.compress(texts[src])).decode() for src in result["contents_needed"]}
            module = Module(dict(params, contents=packed), check)
            result = _permanent_bans.declare(t.cast("t.Any", module))
            self.trips = 2
        self.warnings = module.warnings
        return result


@pytest.fixture
def controller() -> Controller:
    return Controller()


def item(name: str, **options: t.Any) -> dict[str, t.Any]:
    return {"name": name, "src": name + ".txt", "on_refused": None, "force": None, **options}


def test_a_file_travels_once_and_a_digest_after_that(controller: Controller, lists_warden: t.Any) -> None:
    """CH10: declared again, nothing is there twice and nothing is asked to change."""
    controller.files["l.txt"] = ["203.0.113.9", {"network": "198.51.100.0/24", "reason": "r", "expires_at": 7}]
    result = controller.run(src="l.txt")
    assert (result["changed"], controller.trips) == (True, 2)
    assert lists_warden.networks("site") == ["198.51.100.0/24", "203.0.113.9"]
    lists_warden.asked.clear()
    result = controller.run(src="l.txt")
    assert (result["changed"], controller.trips, result["counts"]["total"]) == (False, 1, 2)
    assert [sorted(fields) for fields in lists_warden.asked] == [["digest", "list", "op"]]
    assert result["diff"] == {"before": "", "after": ""}


@pytest.mark.parametrize("option", [{"prune": False}, {"on_refused": "skip"}, {"force": True}, {"name": "other"}])
def test_the_digest_covers_the_options(controller: Controller, lists_warden: t.Any, option: dict[str, t.Any]) -> None:
    controller.files["l.txt"] = ["203.0.113.9"]
    controller.run(src="l.txt")
    controller.run(src="l.txt", **option)
    assert controller.trips == 2


def test_a_list_that_others_changed_is_put_right(controller: Controller, lists_warden: t.Any) -> None:
    controller.files["l.txt"] = ["203.0.113.9"]
    controller.run(src="l.txt")
    lists_warden.call("permanent_bans", list="site", entries=[], prune=True, check=False)
    assert controller.run(src="l.txt")["changed"]
    assert lists_warden.networks("site") == ["203.0.113.9"]


def test_check_mode_says_what_would_change_and_changes_nothing(controller: Controller, lists_warden: t.Any) -> None:
    """C24: a dry run decides and does nothing."""
    controller.files["l.txt"] = ["203.0.113.9"]
    controller.run(src="l.txt")
    controller.files["l.txt"] = ["203.0.113.%d" % number for number in range(10, 160)]
    result = controller.run(src="l.txt", check=True)
    assert (result["changed"], result["counts"]["added"], len(result["added"])) == (True, 150, 100)
    assert result["diff"]["before"] == "203.0.113.9\n"
    assert result["diff"]["after"].endswith("203.0.113.109\n... and 50 more\n")
    assert lists_warden.networks("site") == ["203.0.113.9"]


def test_check_mode_without_a_warden_is_predicted(controller: Controller, lists_warden: t.Any) -> None:
    lists_warden.present = False
    controller.files["a.txt"] = ["203.0.113.9"]
    result = controller.run(entries=["198.51.100.7"], files=[item("a")], check=True)
    assert sorted(result["added"]) == ["198.51.100.7", "203.0.113.9"]
    assert "predicted as if the agent were installed" in controller.warnings[0]
    with pytest.raises(StockadeError, match="no warden on this host"):
        controller.run(files=[item("a")])


def test_several_files_are_lists_of_their_own_and_those_that_left_are_lifted(
    controller: Controller, lists_warden: t.Any
) -> None:
    lists_warden.call("permanent_bans", list="sites", entries=["192.0.2.1"], prune=True, check=False)
    controller.files = {"a.txt": ["203.0.113.1"], "b.txt": ["203.0.113.2"]}
    result = controller.run(entries=["203.0.113.3"], files=[item("a"), item("b")])
    assert set(result["lists"]) == {"site", "site.a", "site.b"} and controller.trips == 2
    assert not controller.run(entries=["203.0.113.3"], files=[item("a"), item("b")])["changed"]
    assert controller.trips == 1
    assert controller.run(entries=["203.0.113.3"], files=[item("b")])["removed"] == ["203.0.113.1"]
    assert [lists_warden.networks(name) for name in ("site", "site.a", "site.b", "sites")] == [
        ["203.0.113.3"],
        [],
        ["203.0.113.2"],
        ["192.0.2.1"],
    ]
    assert not controller.run(entries=["203.0.113.3"])["changed"]  # not given: they stay
    assert controller.run(state="absent", files=[], prune=False)["counts"]["removed"] == 2
    assert lists_warden.networks("sites") == ["192.0.2.1"]


def test_a_refused_entry_of_one_file_leaves_every_list_as_it_was(controller: Controller, lists_warden: t.Any) -> None:
    controller.files = {"a.txt": ["203.0.113.1", "203.0.113.2"], "b.txt": [lists_warden.NEVER]}
    for files in ([item("a"), item("b")], [item("b"), item("a")]):
        with pytest.raises(StockadeError, match=r"^b\.txt: cannot ban 198\.51\.100\.1: it is a gateway"):
            controller.run(files=files)
    assert lists_warden.changing() == [] and lists_warden.lists == {}


def test_the_longest_file_is_checked_and_changed_in_one_request(controller: Controller, lists_warden: t.Any) -> None:
    controller.files = {"a.txt": ["203.0.113.1"], "b.txt": ["203.0.113.2", "203.0.113.3"]}
    controller.run(files=[item("a"), item("b")])
    asked = [(fields["list"], fields["check"]) for fields in lists_warden.asked if "entries" in fields]
    assert asked == [("site.a", True), ("site.b", False), ("site.a", False)]


def test_what_is_refused_is_told_in_one_warning_with_list_and_file(controller: Controller, lists_warden: t.Any) -> None:
    controller.files["a.txt"] = ["203.0.113.1", lists_warden.NEVER]
    result = controller.run(files=[item("a", on_refused="skip")])
    told = {"network": lists_warden.NEVER, "message": "it is a gateway", "list": "site.a", "src": "a.txt"}
    assert result["refused"] == [told]
    assert controller.warnings == ["list site.a: 1 not banned: 198.51.100.1: it is a gateway"]


def test_entries_take_an_end(controller: Controller, lists_warden: t.Any) -> None:
    """BH15 DH17: an entry has a reason and an end."""
    controller.run(entries=[{"network": "203.0.113.9", "reason": "r", "until": "2027-01-31"}])
    assert lists_warden.asked[-1]["entries"] == [{"network": "203.0.113.9", "reason": "r", "expires_at": 1_801_440_000}]
    for bad in ({"until": "tomorrow"}, {"until": "2027-01-31", "duration": "1d"}, {"expires_at": 7}):
        with pytest.raises(StockadeError, match=r"entries: 203\.0\.113\.9"):
            controller.run(entries=[dict(bad, network="203.0.113.9")])


def test_many_entries_are_taken_with_advice(controller: Controller, lists_warden: t.Any) -> None:
    networks = ["2001:db8::%x" % number for number in range(1, 1002)]
    assert controller.run(entries=networks[:1000])["changed"] and controller.warnings == []
    assert controller.run(entries=networks)["counts"]["total"] == 1001
    assert len(controller.warnings) == 1 and "name it as src" in controller.warnings[0]


def test_two_files_of_one_name_are_an_error(controller: Controller, lists_warden: t.Any) -> None:
    controller.files["a.txt"] = []
    with pytest.raises(StockadeError, match="two of them have the name 'a'"):
        controller.run(files=[item("a"), item("a")])


def test_a_file_that_nobody_read_is_an_error_with_a_next_step(lists_warden: t.Any) -> None:
    with pytest.raises(StockadeError, match="use the module's full name"):
        _permanent_bans.declare(t.cast("t.Any", Module({"src": "l.txt"}, check=False)))


def test_an_agent_without_digests_is_an_error_with_a_next_step(
    controller: Controller, lists_warden: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: t.Any, **_fields: t.Any) -> t.NoReturn:
        raise WardenRefused("invalid", "permanent_bans knows no 'digest'")

    monkeypatch.setattr(WardenClient, "call", refuse)
    controller.files["l.txt"] = []
    with pytest.raises(StockadeError, match=r"apply stockade\.fleet\.agent"):
        controller.run(src="l.txt")


def test_without_root_nothing_is_asked(
    controller: Controller, lists_warden: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    controller.files["l.txt"] = ["203.0.113.9"]
    with pytest.raises(StockadeError, match="needs root: add -b"):
        controller.run(src="l.txt")
    assert lists_warden.asked == []


@pytest.mark.parametrize("task", [{"src": ""}, {"files": [{"name": "tor", "src": ""}]}])
def test_an_empty_name_of_a_file_is_told_as_that(lists_warden: t.Any, task: dict[str, t.Any]) -> None:
    with pytest.raises(StockadeError, match="src: names no file"):
        Controller().run(**task)
