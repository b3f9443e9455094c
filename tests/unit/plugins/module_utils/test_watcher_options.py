# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module takes is what the agent reads: every option, written to the file and read by the agent's own code."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.stockade.fleet.plugins.module_utils import _watcher_options as options

tomllib = pytest.importorskip("tomllib", reason="the agent runs on Python 3.11 and later")

AGENT = Path(__file__).resolve().parents[4] / "roles" / "agent" / "files" / "src"
ACCESS_LINE = '203.0.113.7 - - [01/Mar/2026:12:00:00 +0000] "POST /login HTTP/1.1" 401 5 "-" "curl/8"'

# Input or rule -> what the agent makes of it where that is not what was given.
INPUTS = [
    (
        {
            "name": "shop",
            "path": "/var/log/nginx/*.log",
            "format": "access",
            "vhost": True,
            "trusted_proxies": ["192.0.2.80", "2001:db8::/32"],
            "forwarded": 5,
        },
        {"trusted_proxies": ("192.0.2.80", "2001:db8::/32")},
    ),
    (
        {
            "name": "json",
            "path": "/j.log",
            "format": "access-json",
            "dialect": "caddy",
            "fields": {"address": 'a."b"\\', "time": "t"},
        },
        {"fields": (("address", 'a."b"\\'), ("time", "t"))},
    ),
    ({"name": "sshd", "journal": ["sshd"], "format": "sshd", "ignore": ["x\n", "é"]},
     {"journal": ("sshd",), "ignore": ("x\n", "é")}),
    ({"name": "ftp", "path": "/f.log", "format": "proftpd", "timezone": "UTC"}, {}),
    ({"name": "ftpj", "path": "/fj.log", "format": "proftpd-json"}, {}),
    ({"name": "ne", "path": "/ne.log", "format": "nginx-error"}, {}),
    ({"name": "ae", "path": "/ae.log", "format": "apache-error"}, {}),
]  # fmt: skip
RULES = [
    (
        {
            "name": "guesses",
            "type": "rate",
            "inputs": ["shop"],
            "maxretry": 7,
            "findtime": "5m",
            "duration": "permanent",
            "reason": 'too "many"',
            "key": "ipv4/24",
            "observe": True,
            "exclude_static": False,
            "status": [401, "4xx", "400-404"],
            "method": ["POST"],
            "path": ["/login"],
            "agent": ["curl"],
        },
        {"inputs": ("shop",), "findtime": 300, "duration": None, "status": ("401", "4xx", "400-404")},
    ),
    (
        {"name": "probe", "type": "probe", "probes": ["path"], "paths": ["/x.tar"], "wide": True, "findtime": 60},
        {"findtime": 60, "probes": ("path",), "paths": ("/x.tar",)},
    ),
    ({"name": "fail", "type": "failures", "key": "user"}, {}),
    (
        {"name": "users", "type": "users", "names": ["Éva", "a b"], "ignore_case": True, "findtime": "permanent"},
        {"names": ("Éva", "a b"), "findtime": 10 * 365 * 86400},
    ),
    ({"name": "start", "type": "text", "start": "Bad ", "must_match": ["x"], "must_not_match": ["y"]},
     {"must_match": ("x",), "must_not_match": ("y",)}),
    ({"name": "anywhere", "type": "text", "anywhere": "]\n[[rule]]"}, {}),
]  # fmt: skip


@pytest.fixture
def agent(monkeypatch):
    monkeypatch.syspath_prepend(str(AGENT))
    from stockade.watcher import config

    return config


def read(agent, **given):
    """What the agent reads of the file that the module writes for these arguments."""
    validated = ArgumentSpecValidator(options.arguments()).validate(given)
    assert not validated.error_messages
    parameters = validated.validated_parameters
    return agent.parse(tomllib.loads(options.render(parameters, parameters["inputs"])))


def told(entry, given, other):
    """The attributes of what the agent read that were given, as they should be."""
    wanted = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    return {key: getattr(entry, key) for key in given}, {**wanted, **other}


def test_bh18_the_agent_reads_every_option_as_it_was_given(agent):
    config = read(
        agent,
        inputs=[given for given, _other in INPUTS],
        rules=[given for given, _other in RULES],
        preset="strict",
        lookback="2d",
        max_bans_per_minute=0,
        max_share=7,
        easing={"users": ["alice", 'b"'], "duration": "2h"},
        events={"days": 3, "text": True},
    )
    for entry, (given, other) in zip(config.inputs, INPUTS, strict=True):
        is_so, should_be = told(entry, given, other)
        assert is_so == should_be
    rules = {rule.name: rule for rule in config.rules}
    for given, other in RULES:
        is_so, should_be = told(rules[given["name"]], given, other)
        assert is_so == should_be
    assert set(rules) >= {rule.name for rule in agent.PRESETS["strict"]}
    assert (config.lookback, config.max_bans_per_minute, config.max_share) == (2 * 86400, 0, 7)
    assert (config.easing.users, config.easing.seconds) == (("alice", 'b"'), 7200)
    assert (config.events.days, config.events.text) == (3, True)


def test_the_round_trip_leaves_no_option_out():
    assert {key for given, _other in INPUTS for key in given} == set(options.INPUT)
    assert {key for given, _other in RULES for key in given} == set(options.RULE)


def test_what_is_not_given_is_left_to_the_watcher(agent):
    config = read(agent, inputs=[{"name": "web", "path": "/w"}], rules=[{"name": "r"}], easing=None, events={})
    assert config.inputs == (agent.Input("web", path="/w"),)
    assert config.rules == (agent.Rule("r"),)
    assert (config.easing, config.events) == (agent.Easing(), agent.Events())


def test_module_and_agent_know_the_same_words(agent):
    """Also what is new in one of them."""
    from stockade.watcher.clients import KEYS
    from stockade.watcher.config import inputs, rules

    assert set(options.INPUT) == set(inputs._KEYS)
    assert set(options.RULE) == set(rules._COMMON).union(*rules._OWN.values())
    assert set(options.TOP + options.TABLES) | {"input", "rule"} == set(agent._TOP)
    assert set(options.FORMATS) == set(inputs.FORMATS)
    assert set(options.TYPES) == set(rules.TYPES)
    assert set(options.INPUT["dialect"]["choices"]) == set(inputs.DIALECTS)
    assert set(options.RULE["key"]["choices"]) == {*KEYS, rules.USER}
    assert set(options.RULE["probes"]["choices"]) == set(rules.PROBES)
    assert set(options.arguments()["preset"]["choices"]) == set(agent.PRESETS)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"inputs": [{"name": "a b", "path": "/x"}]}, "name 'a b'"),
        ({"inputs": [{"name": "a", "path": "/x", "journal": ["sshd"]}]}, "either a path or units"),
        ({"inputs": [{"name": "a", "path": "/x", "format": "sshd", "vhost": False}]}, "vhost is for format access"),
        ({"inputs": [{"name": "a", "path": "/x", "trusted_proxies": []}]}, "leave it out"),
        ({"inputs": [{"name": "a", "path": "/x", "fields": {"time": "t"}}]}, "fields is for format access-json"),
        ({"rules": [{"name": "r", "names": ["root"]}]}, "names"),
        ({"rules": [{"name": "r", "status": ["40"]}]}, "status: '40'"),
        ({"max_share": 101}, "max_share must be 0 to 100"),
        ({"easing": {"users": ["a"], "duration": "2d"}}, "at most 12h"),
    ],
)
def test_bh18_what_is_wrong_is_one_sentence_of_the_agent(agent, given, named):
    with pytest.raises(agent.ConfigError) as caught:
        read(agent, **{"inputs": [{"name": "web", "path": "/w"}], **given})
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_null_among_fields_is_none_given(agent):
    given = {
        "name": "j",
        "path": "/j",
        "format": "access-json",
        "dialect": "nginx",
        "fields": {"time": None, "uri": "u"},
    }
    assert read(agent, inputs=[given]).inputs[0].fields == (("uri", "u"),)
