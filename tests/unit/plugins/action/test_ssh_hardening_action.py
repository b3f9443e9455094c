# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change is kept only over a login that is new, and the operator is told truly what became of it."""

from __future__ import annotations

import time
import typing as t

import pytest
from actionlab import Played
from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError

from ansible_collections.stockade.fleet.plugins.plugin_utils import _new_login

CLIENT = {"KexAlgorithms": ["mlkem768x25519-sha256"], "program": ["OpenSSH_9.2p1"]}
ARMED = {
    "changed": True,
    "armed": True,
    "rollback_after": 120,
    "operator": {"user": "op", "address": "192.0.2.1"},
    "ports": [22],
    "port": None,
    "more": False,
}
FIRST = {**ARMED, "ports": [22, 2222], "port": 2222, "more": True, "diff": [{"after": "both"}]}
SECOND = {**ARMED, "ports": [2222], "port": 2222, "diff": [{"after": "one"}]}
SETTLED = {**SECOND, "changed": False, "armed": False, "diff": []}
DONE: dict[str, t.Any] = {"changed": True, "outcome": "committed"}
BACK = {"changed": True, "outcome": "rolled back", "result": "put back: x"}
NO = AnsibleConnectionFailure("Permission\n denied")
GONE = AnsibleConnectionFailure("Connection refused")


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were asked for; none is made, and no ssh is asked what it offers."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(_new_login, "offered", lambda _connection: dict(CLIENT))
    return pauses


def test_nothing_to_change_is_one_round_trip() -> None:
    action = Played({"changed": False, "armed": False, "more": False, "ports": [22]})
    assert action.play() == {"changed": False, "ports": [22]}
    assert action.asked == ["harden old"] and not action.logins
    assert action.sent[0]["client_algorithms"] == CLIENT


def test_a_change_is_committed_over_a_new_login_with_the_same_run(slept: list[float]) -> None:
    action = Played(ARMED, DONE)
    outcome = action.play()
    assert action.asked == ["harden old", "committed new 22"]
    assert action.sent[0]["run"] == action.sent[1]["run"] and len(action.sent[0]["run"]) == 12
    assert outcome["changed"] and not outcome.get("failed")
    assert outcome["verified"] == "new login as op" and "rolled_back" not in outcome
    assert sum(slept) == 0


def test_a_login_that_fails_twice_is_tried_again(slept: list[float]) -> None:
    action = Played(ARMED, NO, NO, DONE)
    assert action.play()["verified"]
    assert action.asked[1:] == ["committed new 22"] * 3 and len(action.logins) == 3
    assert slept == [0.0, 1.0, 5.0]


@pytest.mark.parametrize("error", [NO, AnsibleAuthenticationFailure("x"), AnsibleError("Missing sudo password")])
def test_three_failed_logins_roll_back_over_the_old_connection(error: Exception) -> None:
    action = Played(ARMED, error, error, error, BACK)
    outcome = action.play()
    assert action.asked[1:] == ["committed new 22"] * 3 + ["rolled_back old"]
    assert action.sent[4] == {"run": action.sent[0]["run"], "state": "rolled_back"}
    assert outcome["failed"] and outcome["rolled_back"] and not outcome["changed"]
    said = "a new login with the new configuration failed: {}; the previous configuration was restored"
    assert outcome["msg"] == said.format(" ".join(str(error).split()))
    assert outcome["result"] == "put back: x" and "verified" not in outcome


def test_a_host_that_cannot_roll_back_now_and_says_that_it_is_armed_goes_back_by_itself() -> None:
    refused = {"failed": True, "msg": "not rolled back yet"}
    action = Played(ARMED, NO, NO, NO, refused, {"outcome": "armed"})
    outcome = action.play()
    assert action.asked[4:] == ["rolled_back old", "shown old"]
    assert action.sent[5] == {"run": action.sent[0]["run"], "state": "shown"}
    assert outcome["failed"] and not outcome["rolled_back"] and outcome["changed"]
    assert outcome["msg"].endswith(
        "failed: Permission denied; the host puts the previous configuration back by itself within 120 seconds "
        "(not rolled back yet)"
    )


@pytest.mark.parametrize(
    "answers",
    [[GONE], [{"failed": True, "msg": "refused"}, GONE], [{"failed": True, "msg": "x"}, {"outcome": "unknown"}]],
)
def test_of_a_host_that_cannot_be_asked_both_possibilities_are_told(answers: list[t.Any]) -> None:
    """Nobody promises a rollback that a commit, whose answer got lost, has made impossible."""
    outcome = Played(ARMED, NO, NO, NO, *answers).play()
    assert outcome["failed"] and not outcome["rolled_back"] and outcome["changed"]
    assert "back by itself within 120 seconds, unless a commit got through" in outcome["msg"]


@pytest.mark.parametrize("lost", [[GONE, GONE, GONE], [{"failed": True, "msg": "MODULE FAILURE"}]])
def test_a_commit_whose_answer_got_lost_is_a_success_with_a_warning(lost: list[t.Any]) -> None:
    refused = {"failed": True, "msg": "run x was committed already"}
    first = {**ARMED, "warnings": ["from the host"]}
    outcome = Played(first, *lost, refused, {"outcome": "committed"}).play()
    assert not outcome.get("failed") and outcome["changed"] and outcome["verified"] == "commit, as the host shows it"
    assert "rolled_back" not in outcome and outcome["warnings"][0] == "from the host"
    assert "whose answer got lost (a new login with the new configuration failed: " in outcome["warnings"][1]


def test_a_first_step_whose_commit_lost_its_answer_goes_on_to_the_second() -> None:
    refused = {"failed": True, "msg": "run x was committed already"}
    action = Played(FIRST, GONE, GONE, GONE, refused, {"outcome": "committed"}, SECOND, DONE, port=2222)
    assert action.play()["ports"] == [2222]
    assert action.asked[4:] == ["rolled_back old", "shown old", "harden new 2222", "committed new 2222"]


def test_where_the_old_connection_is_gone_a_new_login_by_the_new_port_rolls_back() -> None:
    action = Played(FIRST, NO, NO, NO, GONE, BACK, port=2222)
    outcome = action.play()
    assert action.asked[4:] == ["rolled_back old", "rolled_back new 2222"]
    assert outcome["rolled_back"] and not outcome["changed"]


def test_a_commit_that_the_host_refuses_is_not_tried_again(slept: list[float]) -> None:
    action = Played(ARMED, {"failed": True, "msg": "run x was rolled back"}, BACK)
    outcome = action.play()
    assert action.asked == ["harden old", "committed new 22", "rolled_back old"] and slept == [0.0]
    assert outcome["failed"] and outcome["rolled_back"] and "failed: run x was rolled back; " in outcome["msg"]


def test_a_module_that_fails_is_not_proven() -> None:
    action = Played({**ARMED, "failed": True, "msg": "refused"})
    assert action.play()["msg"] == "refused"
    assert action.asked == ["harden old"]


def test_a_port_moves_in_two_steps_each_proven_at_the_new_one() -> None:
    action = Played(FIRST, DONE, SECOND, DONE, port=2222)
    outcome = action.play()
    assert action.asked == ["harden old", "committed new 2222", "harden new 2222", "committed new 2222"]
    runs = [sent["run"] for sent in action.sent]
    assert runs[0] == runs[1] != runs[2] == runs[3]
    assert (outcome["port"], outcome["ports"], outcome["changed"]) == (2222, [2222], True)
    assert outcome["verified"] and not {"more", "armed"} & set(outcome)
    assert outcome["diff"] == [{"after": "both"}, {"after": "one"}]


def test_a_second_step_with_nothing_left_to_do_does_not_hide_the_first_ones_change() -> None:
    outcome = Played(FIRST, DONE, SETTLED, port=2222).play()
    assert outcome["changed"] and outcome["diff"] == [{"after": "both"}]


def test_the_first_step_failing_leaves_the_second_alone() -> None:
    action = Played(FIRST, NO, NO, NO, BACK, port=2222)
    outcome = action.play()
    assert action.asked == ["harden old"] + ["committed new 2222"] * 3 + ["rolled_back old"]
    assert outcome["failed"] and outcome["rolled_back"] and not outcome["changed"]


def test_the_second_step_failing_is_a_change_all_the_same_for_the_first_stays() -> None:
    action = Played(FIRST, DONE, SECOND, NO, NO, NO, BACK, port=2222)
    outcome = action.play()
    assert outcome["failed"] and outcome["rolled_back"] and outcome["changed"]
    refused = Played(FIRST, DONE, {"failed": True, "msg": "refused"}, port=2222).play()
    assert refused["failed"] and refused["changed"] and refused["diff"] == [{"after": "both"}]


def test_the_second_step_goes_back_over_the_tasks_own_connection_which_may_be_open_still() -> None:
    """The new port just refused three logins; a session that was open before goes on, whatever sshd listens on."""
    action = Played(FIRST, DONE, SECOND, NO, NO, NO, BACK, port=2222)
    action.play()
    assert action.asked[3:] == ["committed new 2222"] * 3 + ["rolled_back old"]
    action = Played(FIRST, DONE, SECOND, NO, NO, NO, GONE, BACK, port=2222)
    assert action.play()["rolled_back"]
    assert action.asked[6:] == ["rolled_back old", "rolled_back new 2222"]


def test_a_second_step_that_cannot_begin_does_not_hide_the_first_ones_change() -> None:
    outcome = Played(FIRST, DONE, GONE, port=2222).play()
    assert (outcome["failed"], outcome["changed"], outcome["diff"]) == (True, True, [{"after": "both"}])
    assert "Connection refused" in outcome["msg"]


def test_what_was_rolled_back_is_no_port_to_come_by() -> None:
    """The role gives it to inventory and AWX; 2222 would be a closed door."""
    outcome = Played(FIRST, NO, NO, NO, BACK, port=2222).play()
    assert outcome.get("port") != 2222 and 2222 not in outcome.get("ports", [])


@pytest.mark.parametrize("port", [2222, "2222"])
def test_a_host_that_moved_already_is_found_at_the_wanted_port(port: t.Any) -> None:
    action = Played(GONE, SETTLED, port=port)
    outcome = action.play()
    assert action.asked == ["harden old", "harden new 2222"]
    assert not outcome["changed"] and outcome["port"] == 2222


def test_a_host_found_at_the_wanted_port_is_changed_and_rolled_back_there() -> None:
    action = Played(GONE, SECOND, DONE, port=2222)
    assert action.play()["verified"]
    assert action.asked[2:] == ["committed new 2222"]
    action = Played(GONE, {**ARMED, "port": None}, NO, NO, NO, BACK, port=2222)
    assert action.play()["rolled_back"]
    assert action.asked[2:] == ["committed new 2222"] * 3 + ["rolled_back new 2222"]


@pytest.mark.parametrize("arguments", [{}, {"port": None}, {"port": "ssh"}])
def test_a_host_that_does_not_answer_is_unreachable(arguments: dict[str, t.Any]) -> None:
    action = Played(GONE, **arguments)
    with pytest.raises(AnsibleConnectionFailure, match="Connection refused"):
        action.play()


def test_a_host_that_is_down_is_unreachable_where_the_inventory_names_it() -> None:
    action = Played(AnsibleConnectionFailure("port 22 timed out"), AnsibleConnectionFailure("port 2222"), port=2222)
    with pytest.raises(AnsibleConnectionFailure, match="port 22 timed out"):
        action.play()


@pytest.mark.parametrize("arguments", [{}, {"verify": True}, {"verify": "yes"}])
def test_a_connection_that_cannot_log_in_anew_is_refused_before_the_host_is_asked(arguments: dict[str, t.Any]) -> None:
    action = Played(transport="paramiko", **arguments)
    outcome = action.play()
    assert outcome["failed"] and "connection paramiko" in outcome["msg"] and "verify: false" in outcome["msg"]
    assert action.asked == []


@pytest.mark.parametrize("verify", [False, "no", "False", 0, "off"])
def test_a_connection_that_cannot_log_in_anew_is_taken_where_nobody_has_to(verify: t.Any) -> None:
    action = Played({"changed": True, "armed": False, "more": False}, transport="local", verify=verify)
    assert action.play() == {"changed": True}
    assert action.asked == ["harden old"] and "client_algorithms" not in action.sent[0]


def test_without_a_proof_the_second_step_follows_too() -> None:
    """Or the old port would be open for good, and the next run would be changed again."""
    steps = [{**FIRST, "armed": False}, {**SECOND, "armed": False}]
    action = Played(*steps, port=2222, verify=False)
    assert action.play()["ports"] == [2222]
    assert [word.split()[0] for word in action.asked] == ["harden", "harden"]


def test_check_mode_predicts_and_never_commits() -> None:
    action = Played({**FIRST, "armed": False}, check=True, port=2222)
    outcome = action.play()
    assert action.asked == ["harden old"] and not action.logins
    assert outcome["changed"] and outcome["port"] == 2222 and not {"more", "armed"} & set(outcome)


@pytest.mark.parametrize("answers", [[ARMED, DONE], [FIRST, DONE, SECOND, DONE], [{**ARMED, "failed": True}]])
def test_what_only_the_two_halves_tell_each_other_is_not_shown(answers: list[dict[str, t.Any]]) -> None:
    shown = {"profile": "modern", "client_algorithms": CLIENT, "run": "x", "controller": "y"}
    outcome = Played(*({**answer, "invocation": {"module_args": shown}} for answer in answers), port=2222).play()
    assert outcome["invocation"]["module_args"] == {"profile": "modern"}


def test_the_tasks_own_arguments_stay_as_they_are() -> None:
    action = Played(ARMED, DONE, profile="modern")
    action.play()
    assert action._task.args == {"profile": "modern"} and action.sent[0]["profile"] == "modern"
    assert 0 < len(action.sent[0]["controller"]) <= 64


def test_what_armed_the_host_is_removed_in_the_end_over_the_port_it_came_back_to() -> None:
    played = Played({**ARMED, "traces": True, "port": 22}, {"changed": True}, {"changed": True}, state="absent")
    result = played.play()
    assert played.asked == ["harden old", "committed new 22", "removed new 22"]
    assert result["changed"] and "traces" not in result


def test_traces_of_a_run_that_was_rolled_back_are_removed_too_but_never_in_check_mode() -> None:
    left = {"changed": False, "traces": True}
    assert Played(left, {"changed": True}, state="absent").play()["changed"]
    assert not Played(left, state="absent", check=True).play()["changed"]


def test_what_cannot_be_removed_fails_the_task() -> None:
    result = Played({"changed": False, "traces": True}, {"failed": True, "msg": "boom"}, state="absent").play()
    assert result["failed"] and result["msg"] == "boom"


def test_a_host_that_always_wants_one_more_step_does_not_hold_the_run_up_for_ever() -> None:
    """Two steps move a port. A host that was taken over may claim to need them without end, and all others wait."""
    action = Played(FIRST, DONE, FIRST, DONE, port=2222)
    assert action.play()["changed"]
    assert [word.split()[0] for word in action.asked] == ["harden", "committed"] * 2


def test_no_answer_of_a_host_sets_a_variable_of_the_play() -> None:
    facts = {"stockade_bans_whitelist_src": "/home/op/.vault_pass"}
    outcome = Played({**ARMED, "ansible_facts": facts}, {**DONE, "ansible_facts": facts}).play()
    assert outcome["verified"] and "ansible_facts" not in outcome
