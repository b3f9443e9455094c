# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Corners that cost a ban or made a wrong one: restarts, reloads, storms, hostile requests and files."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from watcherlab import add, settle

from stockade.client import WardenUnavailable
from stockade.config import ConfigError, load
from stockade.watcher.breaker import Breaker
from stockade.watcher.config import parse
from stockade.watcher.config.rules import DEFAULTS
from stockade.watcher.courier import Courier
from stockade.watcher.journal import log as to_journal
from stockade.watcher.rules.requests import agent_of
from stockade.watcher.rules.tally import Tally
from stockade.watcher.verdict import STORM, Verdict

NOON = 1_790_000_000


def test_a_backlog_goes_on_counting_where_the_last_run_ended(start, warden, access, log) -> None:
    """The windows of then are over by now; the lines that wait belong to them."""
    then = int(time.time()) - 300
    first = start(clock=lambda: then)
    add(access, log.lines(29, then - 1))
    settle(first)
    first.save()
    add(access, log.lines(1, then + 3))
    settle(start())
    assert warden.networks == ["203.0.113.1"]


def test_an_input_that_got_another_name_at_a_reload_counts_no_line_again(start, config, access, warden, log) -> None:
    service = start()
    add(access, log.lines(16, int(time.time()) - 2))
    settle(service)
    config.write_text(config.read_text().replace('name = "web"', 'name = "web2"'))
    service.reload_wanted = True
    settle(service)
    assert service.status()["problems"] == []
    assert warden.asked == []


def verdict(number: int, last: int = NOON, **more: Any) -> Verdict:
    return Verdict(f"203.0.{number // 250}.{number % 250}", "r", 1, last, last, 1, 60, 600, **more)


def test_a_storm_that_goes_on_leaves_so_many_bans_a_minute() -> None:
    breaker = Breaker(max_bans_per_minute=10, max_share=0)
    passed = [v for n in range(300) for v in breaker.judged([verdict(n, NOON + n)], "web") if not v.held]
    assert 45 <= len(passed) <= 60


def test_a_verdict_of_the_future_holds_nothing_back_for_long() -> None:
    breaker = Breaker(max_bans_per_minute=2, max_share=0)
    breaker.judged([verdict(1, NOON + 3600)], "web")
    held = [v.held for n in range(10) for v in breaker.judged([verdict(n, NOON + 31 * n)], "web")]
    assert STORM not in held


class Away:
    """A warden that is away, and then has a command."""

    def __init__(self) -> None:
        self.away = True
        self.asked: list[dict[str, Any]] = []

    def call(self, op: str, **fields: Any) -> dict[str, Any]:
        if self.away:
            raise WardenUnavailable("away")
        if op == "status":
            return {"backend": "nftables, command"}
        self.asked += fields["bans"]
        return {"results": [{"state": "banned"} for _ban in fields["bans"]]}


def test_a_verdict_about_who_is_behind_a_proxy_waits_for_a_warden_that_is_away() -> None:
    warden, told = Away(), []
    courier = Courier(warden, lambda _verdict, outcome: told.append(outcome))
    courier.take([verdict(1, forwarded=True)])
    courier.deliver(now=NOON, monotonic=0)
    assert (told, len(courier.pending)) == ([], 1)
    warden.away = False
    courier.deliver(now=NOON, monotonic=100)
    assert (told, [ban["network"] for ban in warden.asked]) == (["banned"], ["203.0.0.1"])


def test_what_came_in_the_quiet_time_never_counts_whenever_it_is_swept() -> None:
    tally = Tally([replace(DEFAULTS["failures"], name="r", maxretry=5, findtime=600)])

    def fail(at: int) -> int:
        return len(tally.add("203.0.113.1", tally.stamps.at(NOON + at)[1]))

    assert sum(fail(0) for _n in range(5)) == 1
    assert sum(fail(at) for at in (10, 20, 30, 40)) == 0
    tally.sweep(NOON + 121)
    assert fail(130) == 0


@pytest.mark.parametrize("target", ["/search/1", "/search/%0a1", "/search/%0d%0ax"])
def test_a_line_break_in_a_path_hides_nothing(engine, log, target) -> None:
    counter = engine({"maxretry": 1, "path": ["/search/*"]})
    assert len(counter.feed([log.line(NOON, request=f"GET {target} HTTP/1.1")])) == 1


def test_a_pattern_cannot_be_made_to_take_long() -> None:
    with pytest.raises(ConfigError, match="more than two"):
        parse({"input": [{"name": "w", "path": "/x"}], "rule": [{"name": "r", "type": "rate", "path": ["*/a*b*c"]}]})


@pytest.mark.parametrize("referer", ["-", "x" * 30_000, r"\"" * 4000])
def test_an_agent_is_found_behind_any_referer_and_in_no_time(referer: str) -> None:
    fields = f' 200 5 "{referer}" "zgrab \\" x" "rest"'.encode()
    began = time.process_time()
    assert agent_of(fields) == rb"zgrab \" x"
    assert agent_of(f' 200 5 "{referer}" "'.encode() + rb"\"" * 8000) == b""
    assert time.process_time() - began < 1


def test_two_inputs_never_read_one_log() -> None:
    inputs = [{"name": "a", "path": "/var/log/a.log"}, {"name": "b", "path": "/var/log/*.log"}]
    with pytest.raises(ConfigError, match="input b: /var/log/.* is or holds /var/log/a.log of a"):
        parse({"input": inputs})


@pytest.mark.parametrize("text", ["a=" + "[" * 5000, "a=" + "{a=" * 3000, "a=" + "9" * 5000])
def test_a_file_that_is_no_configuration_is_an_error_and_no_traceback(tmp_path, text) -> None:
    path = tmp_path / "watcher.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="watcher.toml"):
        load(path)


@pytest.mark.parametrize("year", [1950, 2200])
def test_a_line_of_another_age_is_not_parsed(engine, year) -> None:
    counter = engine({"maxretry": 1})
    assert counter.feed([f'203.0.113.1 - - [01/Jan/{year}:00:00:00 +0000] "GET / HTTP/1.1" 200 5'.encode()]) == []
    assert counter.formats["web"].unparsed == 1


def test_what_a_client_probed_for_is_forgotten_with_its_window(engine, log) -> None:
    """After a ban that somebody lifted, the same three files are three again."""
    counter = engine(preset="default")
    probes = [log.line(NOON, request=f"GET {path} HTTP/1.1") for path in ("/.env", "/.git/config", "/.aws/credentials")]
    assert [v.rule for v in counter.feed(probes)] == ["probes"]
    later = [line.replace(log.stamp(NOON).encode(), log.stamp(NOON + 61).encode()) for line in probes]
    assert [v.rule for v in counter.feed(later)] == ["probes"]


@pytest.mark.parametrize(
    "record",
    [
        {"network": 5},
        {**verdict(1).as_dict(), "last": "x"},
        {**verdict(1).as_dict(), "type": "zzz"},
        {**verdict(1).as_dict(), "network": "nobody"},
        {"eased": "foo", "until": 1},
    ],
)
def test_a_record_of_something_else_costs_the_counts_and_no_start(start, config, tmp_path, record) -> None:
    config.write_text("[easing]\nusers = ['a']\n" + config.read_text())
    config.write_text("max_bans_per_minute = 0\n" + config.read_text().replace("max_bans_per_minute = 0\n", ""))
    header = {"version": 3, "inputs": {}, "rules": []}
    (tmp_path / "state.json").write_text(json.dumps(header) + "\n" + json.dumps(record) + "\n")
    settle(start())
    assert (tmp_path / "state.json.broken").exists()


def test_a_problem_of_an_input_ends_with_the_input(start, config, access, warden, tmp_path) -> None:
    good = config.read_text()
    config.write_text(good + f'[[input]]\nname = "gone"\npath = "{tmp_path}/gone.log"\n')
    service = start()
    settle(service)
    assert len(service.status()["problems"]) == 1
    config.write_text(good)
    service.reload_wanted = True
    settle(service)
    assert service.status()["problems"] == []


def test_a_file_name_cannot_write_lines_into_the_journal(capfd) -> None:
    to_journal(3, "x.log\n<0>ban network=203.0.113.9 result=banned: Permission denied")
    assert capfd.readouterr().err.count("\n") == 1
