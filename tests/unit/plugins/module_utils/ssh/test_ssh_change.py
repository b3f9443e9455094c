# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that shows, commits and undoes: idempotent, and check mode says the same and does nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from armedlab import Lab

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.doors import Doors
from ansible_collections.stockade.fleet.plugins.modules import ssh_change


class Ended(Exception):
    """The module has answered."""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def call(lab: Lab, state: str, run: str | None = None, *, check: bool = False) -> dict[str, Any]:
    """What the module answers; ``msg`` if it fails."""
    answer: dict[str, Any] = {}

    class Module:
        params = {"state": state, "run": run}
        check_mode = check
        run_command = staticmethod(lab.run)
        _diff = True
        get_bin_path = staticmethod(lambda _name: None)  # sshd was taken off the host

        def __init__(self, **options: Any) -> None:
            assert options["supports_check_mode"]

        def exit_json(self, **result: Any) -> None:
            answer.update(result)
            raise Ended

        fail_json = exit_json

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Ended):
        patch.setattr(ssh_change, "AnsibleModule", Module)
        patch.setattr(ssh_change, "Armed", lambda _run: lab.armed)
        patch.setattr(ssh_change, "DIRECTORY", str(lab.state))
        record = str(lab.state / "opened")
        patch.setattr(ssh_change, "Doors", lambda run: Doors(run, record=record, find=lambda _name: None))
        ssh_change.main()
    return answer


def test_nothing_was_ever_armed(lab: Lab) -> None:
    shown = call(lab, "shown")
    assert shown == {
        "changed": False,
        "armed": None,
        "outcome": "unknown",
        "result": "",
        "diff": {"before": "unknown\n", "after": "unknown\n"},
    }
    assert call(lab, "rolled_back") == shown
    assert call(lab, "rolled_back", "r1")["msg"] == "nothing is armed on this host, and run r1 is not known"
    assert call(lab, "committed", "r1", check=True) == call(lab, "committed", "r1")


@pytest.mark.parametrize(
    ("state", "run", "outcome", "text"),
    [
        ("committed", "r1", "committed", "new\n"),
        ("rolled_back", "r1", "rolled back", "old\n"),
        ("rolled_back", None, "rolled back", "old\n"),
    ],
)
def test_decided_once(lab: Lab, state: str, run: str | None, outcome: str, text: str) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    shown = call(lab, "shown")
    holder = lab.armed.require("r1")
    assert shown["armed"] == {"run": "r1", "controller": "ci.example", "since": holder.since, "until": holder.until}
    foreseen = call(lab, state, run, check=True)
    assert (foreseen["changed"], foreseen["outcome"], lab.files()["a.conf"]) == (True, "armed", "new\n")
    done = call(lab, state, run)
    assert (done["changed"], done["armed"], done["outcome"], done["diff"]) == (True, None, outcome, foreseen["diff"])
    assert lab.files() == {"a.conf": text}
    assert ("put back: " in done["result"]) == (outcome == "rolled back")
    again = call(lab, state, run)
    assert (again["changed"], again["outcome"], again["result"]) == (False, outcome, done["result"])


def test_the_other_was_first(lab: Lab) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    assert "it is not run r2 that is armed" in call(lab, "committed", "r2")["msg"]
    assert "it is not run r2 that is armed" in call(lab, "rolled_back", "r2", check=True)["msg"]
    lab.fire()
    assert "run r1 was rolled back: " in call(lab, "committed", "r1")["msg"]
    lab.arm(lab.write("a.conf", "old\n", "new\n"), run_id="r2")
    lab.armed.commit("r2")
    assert call(lab, "rolled_back", "r2")["msg"] == "run r2 was committed already"
    assert call(lab, "rolled_back")["changed"] is False


def test_removed_though_nobody_can_ask_sshd_where_it_listens(lab: Lab) -> None:
    assert call(lab, "removed")["changed"] is False
    lab.state.mkdir(exist_ok=True)
    (lab.state / "opened").write_text("ufw 2222\n")
    assert call(lab, "removed", check=True)["changed"] is True and lab.state.exists()
    assert call(lab, "removed")["changed"] is True and not lab.state.exists()
    assert call(lab, "removed")["changed"] is False
