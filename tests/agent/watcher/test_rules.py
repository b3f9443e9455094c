# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about messages, rules with predicates, what holds a verdict back: rows B5-B15, C4, C10, C13, D7-D9, B32."""

from __future__ import annotations

from typing import Any

import pytest

from stockade.watcher.clients import Clients
from stockade.watcher.config import Config, Easing, Input, Rule
from stockade.watcher.config.rules import DEFAULTS
from stockade.watcher.engine import Engine, kinds_of
from stockade.watcher.events import ACCEPTED, ATTEMPT, FAILURE, OTHER, Message
from stockade.watcher.verdict import EASED, OBSERVED, SHARE, STORM

NOON = 1_790_000_000
BROWSERS = ["Mozilla/5.0 a", "Mozilla/5.0 b", "curl/8", "bot/2", "feeds/1"]


def rule(kind: str, name: str = "r", **more: Any) -> Rule:
    base = DEFAULTS[kind]
    return Rule(**{**{field: getattr(base, field) for field in base.__slots__}, "name": name, **more})


def engine_of(*rules: Rule, kind: str = "sshd", **more: Any) -> Engine:
    entry = Input("in", "/log", format=kind)
    config = Config((entry,), rules, lookback=0, **{"max_bans_per_minute": 0, "max_share": 0, **more})
    return Engine(config, clients=Clients(own=(), kinds=kinds_of(config)))


def said(engine: Engine, *messages: tuple[Any, ...], **more: Any) -> list[Any]:
    """Verdicts about messages (seconds after noon, address, kind, user[, text[, count]])."""
    events = []
    for after, address, kind, user, *rest in messages:
        client = engine.clients.client(address.encode())
        assert client is not None
        text, count = (*rest, *("", 1)[len(rest) :])
        events.append(Message(NOON + after, client, kind, text, user, count, **more))
    return engine._judge(events, "in", None, 0)


def failures(count: int, address: str = "203.0.113.1", user: str = "bob", step: int = 1) -> list[tuple[Any, ...]]:
    return [(number * step, address, FAILURE, user) for number in range(count)]


def banned(verdicts: list[Any]) -> list[str]:
    return [verdict.network for verdict in verdicts]


@pytest.mark.parametrize("threshold", [3, 5])
def test_c13_the_threshold_bans_and_below_it_nobody_is(threshold: int) -> None:
    counter = engine_of(rule("failures", maxretry=threshold))
    assert said(counter, *failures(threshold - 1)) == []
    assert banned(said(counter, (threshold, "203.0.113.1", FAILURE, "bob"))) == ["203.0.113.1"]
    assert said(counter, *failures(2)) == []


def test_c10_failures_older_than_the_window_do_not_count_and_all_kinds_add_up() -> None:
    old = engine_of(rule("failures", maxretry=3, findtime=300))
    assert said(old, *[(at, "203.0.113.1", FAILURE, "x") for at in (0, 20, 300)]) == []
    young = engine_of(rule("failures", maxretry=3, findtime=300))
    assert banned(said(young, *[(at, "203.0.113.1", FAILURE, user) for at, user in ((1, "a"), (20, ""), (300, "b"))]))


def test_c5_only_failures_count_for_failures() -> None:
    counter = engine_of(rule("failures", maxretry=1))
    assert said(counter, (0, "203.0.113.1", OTHER, "bob"), (0, "203.0.113.1", ACCEPTED, "bob")) == []


def test_ch4_a_message_that_was_repeated_counts_as_often() -> None:
    counter = engine_of(rule("failures", maxretry=5))
    assert said(counter, (0, "203.0.113.1", FAILURE, "bob", "", 4)) == []
    assert banned(said(counter, (1, "203.0.113.1", FAILURE, "bob", "", 3))) == ["203.0.113.1"]


def test_d7_two_tries_of_suspicious_names_ban_however_far_apart() -> None:
    names = rule("users", names=("root", "admin", "administrator"))
    assert said(engine_of(names), (0, "203.0.113.1", ATTEMPT, "root")) == []
    both = [(0, "203.0.113.1", ATTEMPT, "root"), (3000, "203.0.113.1", ATTEMPT, "admin")]
    assert banned(said(engine_of(names), *both)) == ["203.0.113.1"]


@pytest.mark.parametrize("name", ["ROOT", "roott", "", "root admin", "admi.", "a|b"])
def test_d7_dh11_names_are_whole_texts_and_no_patterns(name: str) -> None:
    names = rule("users", names=("root", "admin"), maxretry=1)
    assert said(engine_of(names), (0, "203.0.113.1", FAILURE, name)) == []


def test_d7_case_may_be_ignored() -> None:
    names = rule("users", names=("Root",), maxretry=1, ignore_case=True)
    assert banned(said(engine_of(names), (0, "203.0.113.1", FAILURE, "rOOT"))) == ["203.0.113.1"]


def test_dh12_suspicious_names_have_a_window() -> None:
    names = rule("users", names=("root",))
    assert said(engine_of(names), (0, "203.0.113.1", FAILURE, "root"), (86_400, "203.0.113.1", FAILURE, "root")) == []


def test_d8_the_sixth_failure_within_the_period_bans_where_six_is_the_count() -> None:
    six = rule("failures", maxretry=6, findtime=300)
    assert said(engine_of(six), *failures(5)) == []
    assert banned(said(engine_of(six), *failures(6, step=59))) == ["203.0.113.1"]
    assert said(engine_of(six), *failures(6, step=60)) == []


def test_d9_one_ban_for_each_client_and_its_counts_start_at_nothing() -> None:
    counter = engine_of(rule("failures", maxretry=3))
    assert len(said(counter, *[(0, "203.0.113.1", FAILURE, "x")] * 20)) == 1


def test_b10_start_and_anywhere() -> None:
    start = rule("text", "s", start="Invalid user", maxretry=1)
    anywhere = rule("text", "a", anywhere="nvalid", maxretry=1)
    counter = engine_of(start, anywhere)
    assert [v.rule for v in said(counter, (0, "203.0.113.1", OTHER, "", "Invalid user x"))] == ["s", "a"]
    assert [v.rule for v in said(counter, (90, "203.0.113.2", OTHER, "", "an Invalid user"))] == ["a"]
    assert said(counter, (99, "203.0.113.3", OTHER, "", "INVALID USER")) == []


def test_b11_b15_the_eleventh_match_bans() -> None:
    shipped = rule("text", "invalid_user", start="Invalid user", maxretry=11)
    ten = [(number, "203.0.113.1", FAILURE, "x", "Invalid user x") for number in range(10)]
    counter = engine_of(shipped)
    assert said(counter, *ten) == []
    (verdict,) = said(counter, (11, "203.0.113.1", FAILURE, "x", "Invalid user x"))
    assert verdict.source == "watcher/invalid_user"


def test_b12_every_rule_that_matches_counts() -> None:
    counter = engine_of(rule("text", "one", start="In", maxretry=2), rule("text", "two", anywhere="user", maxretry=3))
    event = (0, "203.0.113.1", OTHER, "", "Invalid user")
    assert [verdict.rule for verdict in said(counter, event, event, event)] == ["one", "two"]


def test_b13_without_an_end_of_the_window_everything_counts() -> None:
    ever = rule("text", start="x", maxretry=2, findtime=10 * 365 * 86_400)
    later = (5 * 365 * 86_400, "203.0.113.1", OTHER, "", "x")
    assert banned(said(engine_of(ever), (0, "203.0.113.1", OTHER, "", "x"), later)) == ["203.0.113.1"]


def test_b14_the_reason_names_what_was_counted_and_nothing_the_client_wrote() -> None:
    counter = engine_of(rule("failures", maxretry=2, reason="ssh"))
    (verdict,) = said(counter, *failures(2, user="hunter2"))
    assert verdict.reason == "ssh: 2 failed logins in 2s (threshold 2 in 600s)"


def test_a_name_that_fails_from_everywhere_bans_all_who_tried_it_within_the_window() -> None:
    counter = engine_of(rule("failures", key="user", maxretry=4, findtime=60))
    first = [(0, "203.0.113.9", FAILURE, "root"), (50, "203.0.113.1", FAILURE, "root")]
    more = [(55, "203.0.113.2", FAILURE, "root"), (70, "203.0.113.3", FAILURE, "root")]
    others = [(60, "203.0.113.4", FAILURE, "bob"), (60, "203.0.113.5", FAILURE, "")]
    assert said(counter, *first, *more, *others) == []
    found = said(counter, (71, "2001:db8::1", FAILURE, "root"))
    assert sorted(banned(found)) == ["2001:db8::/64", "203.0.113.1", "203.0.113.2", "203.0.113.3"]


def test_names_and_their_clients_survive_a_restart() -> None:
    by_name = rule("failures", key="user", maxretry=3)
    before, after = engine_of(by_name), engine_of(by_name)
    said(before, (0, "203.0.113.1", FAILURE, "root"), (1, "203.0.113.2", FAILURE, "root"))
    after.load(before.counts(), list(before.records()))
    found = said(after, (2, "203.0.113.3", FAILURE, "root"))
    assert sorted(banned(found)) == ["203.0.113.1", "203.0.113.2", "203.0.113.3"]


@pytest.mark.parametrize("others", [0, 9])
def test_counts_survive_a_restart_where_other_rules_came_and_went(others: int) -> None:
    ours = rule("text", "ours", start="x", maxretry=3)
    event = (0, "203.0.113.1", OTHER, "", "x")
    before = engine_of(rule("text", "gone", start="x", maxretry=9), ours)
    said(before, event, event)
    after = engine_of(*[rule("text", f"new{n}", start="x", maxretry=3) for n in range(others)], ours)
    after.load(before.counts(), list(before.records()))
    assert [verdict.rule for verdict in said(after, event)] == ["ours"]


# -- what holds a verdict back --


def test_observe_holds_a_verdict_back() -> None:
    (verdict,) = said(engine_of(rule("failures", maxretry=1, observe=True)), *failures(1))
    assert verdict.held == OBSERVED


def test_a_storm_is_told_and_not_banned_and_ends() -> None:
    counter = engine_of(rule("failures", maxretry=1), max_bans_per_minute=200)
    many = [(0, f"203.0.{number // 200}.{number % 200}", FAILURE, "x") for number in range(250)]
    assert [verdict.held for verdict in said(counter, *many)] == [""] * 200 + [STORM] * 50
    assert counter.breaker.held[STORM] == 50
    assert [verdict.held for verdict in said(counter, (61, "198.51.100.1", FAILURE, "x"))] == [""]


def web(engine: Engine, log: Any, address: str, at: int, count: int, agents: list[str]) -> list[Any]:
    lines = [log.line(NOON + at, address, rest=f' "-" "{agents[number % len(agents)]}"') for number in range(count)]
    return engine.feed(lines)


def test_a_proxy_that_nobody_declared_is_told_and_not_banned(log: Any) -> None:
    counter = engine_of(rule("rate", maxretry=300), kind="access", max_share=25)
    for minute in range(12):
        assert web(counter, log, "203.0.113.1", minute * 60, 100, BROWSERS) == []
        assert web(counter, log, f"198.51.100.{minute}", minute * 60, 20, BROWSERS) == []
    (verdict,) = web(counter, log, "203.0.113.1", 720, 300, BROWSERS)
    assert verdict.held == SHARE
    (verdict,) = web(counter, log, "198.51.100.77", 730, 300, BROWSERS)
    assert verdict.held == ""


def test_an_attack_on_a_quiet_site_is_no_proxy(log: Any) -> None:
    """All requests of an hour are the attacker's, again and again, with the one agent of a tool."""
    counter = engine_of(rule("rate", maxretry=300), kind="access", max_share=25)
    for turn in range(6):
        (verdict,) = web(counter, log, "203.0.113.1", turn * 600, 300, ["ab/2.3"])
        assert verdict.held == ""
    fresh = engine_of(rule("rate", maxretry=300), kind="access", max_share=25)
    (verdict,) = web(fresh, log, "203.0.113.1", 0, 300, BROWSERS)
    assert verdict.held == ""


def eased(**more: Any) -> Engine:
    return engine_of(rule("failures", maxretry=2), easing=Easing(users=("alice",), seconds=3600), **more)


def login(
    engine: Engine, at: int, user: str = "alice", method: str = "publickey", address: str = "203.0.113.1"
) -> None:
    assert said(engine, (at, address, ACCEPTED, user, f"Accepted {method} for {user}"), method=method) == []


def test_b32_a_key_login_of_a_named_user_eases_its_address_for_a_while() -> None:
    counter = eased()
    login(counter, 0)
    assert [v.held for v in said(counter, *failures(2))] == [EASED]
    assert [v.held for v in said(counter, *failures(2, "203.0.113.2"))] == [""]
    late = [(3600, "203.0.113.1", FAILURE, "x"), (3601, "203.0.113.1", FAILURE, "x")]
    assert [v.held for v in said(counter, *late)] == [""]


@pytest.mark.parametrize(
    ("user", "method"), [("bob", "publickey"), ("alice", "password"), ("Alice", "publickey"), ("", "publickey")]
)
def test_b32_nothing_else_eases(user: str, method: str) -> None:
    counter = eased()
    login(counter, 0, user, method)
    assert [v.held for v in said(counter, *failures(2))] == [""]


def test_b32_off_by_default_and_a_network_around_the_address_is_not_banned_either() -> None:
    plain = engine_of(rule("failures", maxretry=2))
    login(plain, 0)
    assert [v.held for v in said(plain, *failures(2))] == [""]
    counter = eased()
    login(counter, 0, address="2001:db8:1::5")
    assert [v.held for v in said(counter, *failures(2, "2001:db8:1::77"))] == [EASED]
    assert [v.held for v in said(counter, *failures(2, "2001:db8:2::77"))] == [""]


def test_b32_easing_survives_a_restart_and_not_its_end() -> None:
    before, after = eased(), eased()
    login(before, 0)
    after.load(before.counts(), list(before.records()))
    assert [v.held for v in said(after, *failures(2))] == [EASED]
    after.sweep(NOON + 3600)
    assert after.eased is not None and after.eased.until == {}


# -- rules `rate` with predicates --


@pytest.mark.parametrize(
    ("predicates", "counts"),
    [
        ({"status": ("404",)}, {"a": False, "b": True, "c": False}),
        ({"status": ("4xx",)}, {"a": False, "b": True, "c": True}),
        ({"status": ("200-403",)}, {"a": True, "b": False, "c": True}),
        ({"method": ("POST",)}, {"a": False, "b": False, "c": True}),
        ({"path": ("/login",)}, {"a": False, "b": False, "c": True}),
        ({"path": ("*.php",)}, {"a": False, "b": True, "c": False}),
        ({"path": ("/log*", "/x.php")}, {"a": False, "b": True, "c": True}),
        ({"agent": ("ZGRAB",)}, {"a": False, "b": True, "c": False}),
        ({"agent": ("zgrab",), "method": ("POST",)}, {"a": False, "b": False, "c": False}),
    ],
)
def test_predicates(log: Any, predicates: dict[str, Any], counts: dict[str, bool]) -> None:
    lines = {
        "a": log.line(NOON, request="GET /about?next=/login HTTP/1.1"),
        "b": log.line(NOON, request="GET /x.php HTTP/1.1", status=404, rest=' "http://e/" "Mozilla zgrab/0.x"'),
        "c": log.line(NOON, request="POST /%6cogin/step HTTP/1.1", status=403, rest=' "zgrab" "Mozilla"'),
    }
    chosen = rule("rate", maxretry=1, **predicates)
    assert {name: bool(engine_of(chosen, kind="access").feed([line])) for name, line in lines.items()} == counts
