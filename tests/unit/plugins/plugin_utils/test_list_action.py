# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the list modules: what travels, and what is said of a file."""

from __future__ import annotations

import base64
import json
import types
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible.errors import AnsibleFileNotFound

from ansible_collections.stockade.fleet.plugins.plugin_utils import _list_action


class Action:
    """An action plugin over a host that answers as scripted, and keeps what it was sent."""

    removes_src = False

    def __init__(self, folder: Path, *answers: dict[str, t.Any], **arguments: t.Any) -> None:
        self._task = types.SimpleNamespace(args=arguments)
        self._loader = types.SimpleNamespace(get_real_file=lambda path: path, cleanup_tmp_file=lambda _path: None)
        self._folder = folder
        self._answers = list(answers)
        self.sent: list[dict[str, t.Any]] = []

    def _find_needle(self, folder: str, name: str) -> str:
        assert folder == "files"
        path = self._folder / name
        if not path.exists():
            raise AnsibleFileNotFound(file_name=name)
        return str(path)

    def _execute_module(self, module_name: str, module_args: dict[str, t.Any], task_vars: t.Any) -> dict[str, t.Any]:
        self.sent.append(dict(module_args))
        return self._answers.pop(0)

    def run(self, **facts: t.Any) -> dict[str, t.Any]:
        task_vars = {"ansible_facts": facts}
        options: t.Any = {"remark_key": "reason", "removes_src": self.removes_src}
        return _list_action.run(t.cast("t.Any", self), "m", task_vars, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("203.0.113.9\n\n127.0.0.1 # me\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("nonsense\n", encoding="utf-8")
    return tmp_path


def unpacked(packed: str) -> t.Any:
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_a_host_that_holds_the_list_is_sent_a_digest_and_the_file_is_not_even_read_as_a_list(folder: Path) -> None:
    action = Action(folder, {"changed": False}, src="b.txt", name="x")
    assert action.run() == {"changed": False}
    assert [sorted(sent) for sent in action.sent] == [["digests", "name", "src"]]
    assert len(action.sent[0]["digests"]["b.txt"]) == 64


def test_a_host_that_does_not_is_sent_its_entries(folder: Path) -> None:
    action = Action(folder, {"changed": True, "contents_needed": ["a.txt"]}, {"changed": True}, src="a.txt")
    assert action.run() == {"changed": True}
    assert unpacked(action.sent[1]["contents"]["a.txt"]) == ["203.0.113.9", {"network": "127.0.0.1", "reason": "me"}]
    assert action._task.args == {"src": "a.txt"}


def test_only_the_files_that_the_host_asked_for_are_read_and_sent(folder: Path) -> None:
    files = [{"name": "a", "src": "a.txt"}, {"name": "b", "src": "b.txt"}]
    action = Action(folder, {"contents_needed": ["a.txt"]}, {"changed": True}, files=files)
    assert action.run() == {"changed": True}
    assert list(action.sent[1]["contents"]) == ["a.txt"] and len(action.sent[1]["digests"]) == 2


def test_another_byte_is_another_digest(folder: Path) -> None:
    digests = set()
    for text in ("203.0.113.9\n", "203.0.113.9 \n", "203.0.113.9 # x\n"):
        (folder / "a.txt").write_text(text, encoding="utf-8")
        action = Action(folder, {}, src="a.txt")
        action.run()
        digests.add(action.sent[0]["digests"]["a.txt"])
    assert len(digests) == 3


def test_a_bad_line_is_found_before_anything_is_sent_though_another_file_is_good(folder: Path) -> None:
    files = [{"name": "a", "src": "a.txt"}, {"name": "b", "src": "b.txt"}]
    action = Action(folder, {"contents_needed": ["a.txt", "b.txt"]}, files=files)
    outcome = action.run()
    assert outcome["failed"] and outcome["msg"].startswith("b.txt, line 1: nonsense: ")
    assert len(action.sent) == 1


def test_the_wardens_refusal_of_a_network_names_its_line(folder: Path) -> None:
    said = {"failed": True, "msg": "a.txt: cannot ban 127.0.0.1: never banned", "exception": "…"}
    outcome = Action(folder, {"contents_needed": ["a.txt"]}, said, src="a.txt").run()
    assert outcome == {"failed": True, "msg": "a.txt, line 3: cannot ban 127.0.0.1: never banned"}


def test_refused_entries_carry_their_line(folder: Path) -> None:
    refused = [{"network": "127.0.0.1", "src": "a.txt"}, {"network": "192.0.2.1", "src": None}]
    outcome = Action(folder, {"contents_needed": ["a.txt"]}, {"refused": refused}, src="a.txt").run()
    assert [item.get("line") for item in outcome["refused"]] == [3, None]


def test_a_file_that_is_not_there_is_an_error_with_a_next_step(folder: Path) -> None:
    outcome = Action(folder, src="none.txt").run()
    assert outcome["failed"] and "none.txt" in outcome["msg"] and "full path" in outcome["msg"]


def test_a_list_that_goes_as_a_whole_needs_no_file(folder: Path) -> None:
    arguments = {"state": "absent", "src": "none.txt", "files": [{"name": "n", "src": "none.txt"}]}
    action = Action(folder, {"ok": 1}, **arguments)
    assert action.run() == {"ok": 1}
    action = Action(folder, **arguments)
    action.removes_src = True
    assert action.run()["failed"]


@pytest.mark.parametrize("files", ["none.txt", [7], [{"name": "x"}], [{"src": ["none.txt"]}]])
def test_malformed_files_are_left_to_the_module(folder: Path, files: t.Any) -> None:
    action = Action(folder, {"failed": True}, files=files)
    assert action.run() == {"failed": True}
    assert action.sent[0]["files"] == files


def test_the_file_is_not_in_the_result(folder: Path) -> None:
    answer = {"invocation": {"module_args": {"src": "a.txt", "digests": {}, "contents": {"a.txt": "…"}}}}
    outcome = Action(folder, {"contents_needed": ["a.txt"]}, answer, src="a.txt").run()
    assert outcome["invocation"]["module_args"] == {"src": "a.txt"}


def test_what_was_decrypted_is_not_left_on_the_disk(folder: Path) -> None:
    """A job over many hosts would have a plain copy for each of them, until its end."""
    action = Action(folder, {}, src="a.txt")
    left: set[str] = set()

    def decrypted(path: str) -> str:
        plain = path + ".plain"
        Path(plain).write_bytes(Path(path).read_bytes())
        left.add(plain)
        return plain

    action._loader = types.SimpleNamespace(get_real_file=decrypted, cleanup_tmp_file=left.remove)
    assert action.run() == {} and not left


def test_no_answer_of_a_host_names_a_file_of_the_controller_for_the_next_task(folder: Path) -> None:
    facts = {"stockade_bans_whitelist_src": "/home/op/.vault_pass", "discovered_interpreter_python": "/py"}
    taken_over = {"contents_needed": ["a.txt"], "ansible_facts": facts}
    for answers in ([{**taken_over, "contents_needed": []}], [taken_over, {"ansible_facts": facts}]):
        outcome = Action(folder, *answers, src="a.txt").run()
        assert outcome["ansible_facts"] == {"discovered_interpreter_python": "/py"}


@pytest.mark.parametrize("needed", [["/etc/shadow"], ["a.txt", "/etc/shadow"], [["a.txt"]], 5, "a.txt"])
def test_a_host_gets_no_file_that_the_task_does_not_name(folder: Path, needed: t.Any) -> None:
    action = Action(folder, {"contents_needed": needed}, src="a.txt")
    outcome = action.run()
    assert outcome["failed"] and len(action.sent) == 1
    assert "asked for a file that the task does not name" in outcome["msg"]


def test_no_file_is_read_for_a_host_whose_facts_pose_as_our_variables(folder: Path) -> None:
    """Facts win over the inventory: `setup` of a host that was taken over could name any file of the controller."""
    action = Action(folder, {"ok": 1}, src="a.txt")
    outcome = action.run(stockade_bans_files=[{"name": "x", "src": "/home/op/.vault_pass"}], distribution="Debian")
    assert outcome["failed"] and "stockade_bans_files" in outcome["msg"] and not action.sent
    assert action.run(stockade={"schema": 1}, distribution="Debian") == {"ok": 1}
    assert Action(folder, {"ok": 1}, entries=["203.0.113.9"]).run(stockade_whitelist=[]) == {"ok": 1}
