# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module does not take, and what it tells: before anything changes, in one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from jailhosts import Target, both, role

CONFIG = "/etc/stockade/watcher.toml"
WEB = {"name": "web", "path": "/var/log/nginx/access.log"}


@both
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"inputs": [{"name": "a b", "path": "/x"}]}, "a b"),
        ({"inputs": [WEB], "rules": [{"name": "x", "type": "failures"}]}, "rule x: no input has messages"),
        ({"inputs": [WEB], "rules": [{"name": "x", "maxretry": 0}]}, "maxretry must be 1 to"),
        ({"inputs": [WEB], "rules": [{"name": "x", "findtime": "soon"}]}, "findtime"),
        ({"inputs": [WEB], "rules": [{"name": "x", "must_match": ["no line of a log"]}]}, "does not count"),
        ({"inputs": [{**WEB, "trusted_proxies": ["proxy"]}]}, "trusted_proxies"),
        ({"inputs": [WEB], "easing": {"users": ["bob"], "duration": "2d"}}, "at most 12h"),
    ],
)
def test_bh18_a_wrong_configuration_changes_nothing(target: Target, arguments: dict[str, Any], named: str) -> None:
    before = target.shell("sha256sum", CONFIG)
    for check in (True, False):
        answer = target.module("watcher", check=check, **arguments)
        assert answer["failed"] and named in answer["msg"], answer
    assert target.shell("sha256sum", CONFIG) == before
    assert target.shell("systemctl", "is-active", "stockade-watcher").strip() == "active"


@both
def test_without_become_the_next_step_is_named(target: Target) -> None:
    answer = target.operator.adhoc(target.name, "watcher", {"detect": True}, become=False, inventory="jails.yml")
    assert answer["failed"] and "-b" in answer["msg"]


@both
def test_check_mode_predicts_and_does_not(target: Target) -> None:
    before = target.shell("sha256sum", CONFIG)
    predicted = target.module("watcher", check=True, detect=True)
    assert predicted["changed"] and target.shell("sha256sum", CONFIG) == before
    assert {entry["name"] for entry in predicted["inputs"]} >= {"nginx", "sshd", "proftpd"}


def test_the_second_run_of_the_role_changes_nothing_in_check_mode_either() -> None:
    done = role("--check", "--diff", playbook="converge.yml", scenario="watcher")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("changed=0") == 2, done.stdout


@both
def test_replay_needs_neither_root_nor_configuration(target: Target) -> None:
    """C24, D13: from a copy that anybody may read, and with the same verdicts as the rules that come with it."""
    line = '203.0.113.7 - - [01/Mar/2026:12:00:00 +0000] \\"GET /$n HTTP/1.1\\" 404 5 \\"-\\" \\"x\\"'
    target.script(f'for n in $(seq 30); do echo "{line}"; done >/tmp/replay.log; chmod 644 /tmp/replay.log')
    said = target.shell("runuser", "-u", "bob", "--", "stockade", "replay", "/tmp/replay.log")
    assert "203.0.113.7" in said and "errors" in said
    target.shell("rm", "/tmp/replay.log")
