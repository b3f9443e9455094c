# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""watcher.toml: what is wrong is named, what is right is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockade.config import ConfigError
from stockade.watcher.config import read
from stockade.watcher.samples import check_file as check

INPUT = '[[input]]\nname = "web"\npath = "/var/log/nginx/access.log"\n'
RULE = '[[rule]]\nname = "flood"\ntype = "rate"\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "watcher.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults(tmp_path: Path) -> None:
    config = read(write(tmp_path, INPUT))
    assert [(rule.name, rule.maxretry, rule.findtime, rule.exclude_static, rule.duration) for rule in config.rules] == [
        ("errors", 30, 60, True, 600),
        ("requests", 300, 60, True, 600),
        ("requests-all", 1200, 60, False, 600),
        ("probes", 3, 600, True, 3600),
    ]
    assert config.inputs[0].format == "access"
    assert config.lookback == 600


def test_rules_of_a_preset_that_no_input_suits_are_left_out(tmp_path: Path) -> None:
    logins = '[[input]]\nname = "ssh"\njournal = true\nformat = "sshd"\n'
    assert [rule.name for rule in read(write(tmp_path, logins)).rules] == ["logins"]
    assert [rule.name for rule in read(write(tmp_path, logins + INPUT)).rules][-1] == "logins"


def test_a4_preset_original(tmp_path: Path) -> None:
    (rule,) = read(write(tmp_path, 'preset = "original"\n' + INPUT)).rules
    assert (rule.maxretry, rule.findtime, rule.exclude_static) == (30, 60, False)


def test_own_rules_replace_the_preset_unless_it_is_named(tmp_path: Path) -> None:
    assert [rule.name for rule in read(write(tmp_path, INPUT + RULE)).rules] == ["flood"]
    both = read(write(tmp_path, 'preset = "default"\n' + INPUT + RULE)).rules
    assert [rule.name for rule in both] == ["errors", "requests", "requests-all", "probes", "flood"]


def test_every_key(tmp_path: Path) -> None:
    text = 'lookback = "2h"\n' + INPUT + 'format = "access"\nvhost = true\n' + RULE
    text += 'inputs = ["web"]\nmaxretry = 5\nfindtime = "2m"\nduration = "permanent"\nreason = "too fast"\n'
    text += 'key = "address"\nexclude_static = false\nobserve = true\n'
    config = read(write(tmp_path, text))
    assert config.inputs[0].vhost
    (rule,) = config.rules
    assert (rule.inputs, rule.maxretry, rule.findtime, rule.duration) == (("web",), 5, 120, None)
    assert (rule.reason, rule.key, rule.exclude_static, rule.observe) == ("too fast", "address", False, True)
    assert config.lookback == 7200


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no [[input]]"),
        ("[[rule", "watcher.toml"),
        ("x = 1\n" + INPUT, "unknown key 'x'"),
        ('preset = "nonsense"\n' + INPUT, "preset"),
        ('preset = "none"\n' + INPUT, "nothing can be banned"),
        ('lookback = "8d"\n' + INPUT, "lookback must be at most 7d, not 8d"),
        ("lookback = 604801\n" + INPUT, "lookback must be at most 7d, not 604801"),
        ("[input]\nname = 'web'\npath = '/x'\n", "input must be list"),
        (INPUT + "colour = 1\n", "unknown key 'colour'"),
        (INPUT + 'format = "json"\n', "format"),
        ('[[input]]\nname = "web"\n', "either a path or units"),
        ('[[input]]\nname = "web"\npath = "/x"\njournal = ["nginx"]\n', "either a path or units"),
        ('[[input]]\nname = "web"\njournal = ["nginx"]\n', "the journal is for format"),
        (INPUT + 'timezone = "UTC"\n', "timezone is for format"),
        ('[[input]]\nname = "ssh"\npath = "/x"\nformat = "sshd"\ntimezone = "Mars/Base"\n', "timezone"),
        ('[[input]]\nname = "ssh"\npath = "/x"\nformat = "sshd"\nignore = [""]\n', "ignore"),
        (INPUT + 'format = "access-json"\n', "dialect"),
        (INPUT + 'format = "access-json"\nfields = {colour = "x"}\n', "colour"),
        (INPUT + 'trusted_proxies = ["proxy.example.org"]\n', "trusted_proxies"),
        ("max_share = 101\n" + INPUT, "max_share"),
        ("[easing]\nusers = ['bob']\nduration = '13h'\n" + INPUT, "easing: duration must be at most 12h"),
        ("[events]\ndays = 9999\n" + INPUT, "events: days"),
        (INPUT + '[[rule]]\nname = "in"\ntype = "failures"\n', "cannot fire"),
        (INPUT + '[[rule]]\nname = "in"\ntype = "failures"\nstatus = ["404"]\n', "unknown key 'status'"),
        (INPUT + '[[rule]]\nname = "in"\ntype = "failures"\ninputs = ["web"]\n', "web has requests"),
        (INPUT + RULE + 'status = ["4x"]\n', "status"),
        (INPUT + RULE + 'method = ["post"]\n', "method"),
        (INPUT + RULE + 'path = ["login"]\n', "path"),
        (INPUT + '[[rule]]\nname = "p"\ntype = "probe"\nprobes = ["magic"]\n', "probes"),
        ('[[input]]\nname = "web"\npath = "relative.log"\n', "absolute"),
        ('[[input]]\nname = "web"\npath = "/var/**/x.log"\n', "** is not supported"),
        ('[[input]]\nname = "web"\npath = "/v*/x.log"\n', "first directory"),
        ('[[input]]\nname = "a b"\npath = "/x"\n', "name"),
        (INPUT + INPUT, "twice"),
        (INPUT + '[[input]]\nname = "other"\npath = "/var/log/nginx/access.log"\n', "twice"),
        (INPUT + RULE + RULE, "rule 'flood' is there twice"),
        (INPUT + '[[rule]]\nname = "flood"\n', "type is missing"),
        (INPUT + '[[rule]]\nname = "flood"\ntype = "magic"\n', "type"),
        (INPUT + RULE + "maxretries = 3\n", "unknown key 'maxretries'"),
        (INPUT + RULE + "maxretry = 0\n", "maxretry must be 1 to"),
        (INPUT + RULE + "maxretry = true\n", "maxretry must be int"),
        (INPUT + RULE + "maxretry = 100000\n", "maxretry must be 1 to"),
        (INPUT + RULE + 'findtime = "permanent"\n', "findtime"),
        (INPUT + RULE + 'findtime = "0s"\n', "findtime"),
        (INPUT + RULE + 'findtime = "2d"\n', "findtime"),
        (INPUT + RULE + 'duration = "soon"\n', "duration"),
        (INPUT + RULE + 'key = "ipv4/8"\n', "key"),
        (INPUT + RULE + "inputs = []\n", "inputs"),
        (INPUT + RULE + 'inputs = ["mail"]\n', "cannot fire"),
        (INPUT + RULE + 'reason = "a\\nb"\n', "reason"),
    ],
)
def test_errors_name_the_key(tmp_path: Path, text: str, named: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert named in str(caught.value)
    assert str(path) in str(caught.value)
    assert check(path) == [str(caught.value)]


SSH = '[[input]]\nname = "ssh"\npath = "/var/log/auth.log"\nformat = "sshd"\n'


@pytest.mark.parametrize(
    ("mode", "named"),
    [
        ('mode = "regex"', "unknown key 'mode'"),
        ("", "either start or anywhere"),
        ('start = "a"\nanywhere = "b"', "either start or anywhere"),
    ],
)
def test_b10_bh18_a_text_rule_of_another_mode_is_an_error_at_start_and_names_the_rule(tmp_path, mode, named) -> None:
    with pytest.raises(ConfigError, match="rule 1 .invalid_user.") as caught:
        read(write(tmp_path, SSH + f'[[rule]]\nname = "invalid_user"\ntype = "text"\n{mode}\n'))
    assert named in str(caught.value)


def test_b5_a_rule_whose_messages_are_ignored_can_never_fire(tmp_path) -> None:
    text = SSH + 'ignore = ["Disconnected"]\n[[rule]]\nname = "gone"\ntype = "text"\nstart = "Disconnected from"\n'
    with pytest.raises(ConfigError, match="rule gone: start: .* it cannot fire"):
        read(write(tmp_path, text))


def test_b13_a_window_without_an_end_is_there_when_it_is_asked_for(tmp_path) -> None:
    text = SSH + '[[rule]]\nname = "ever"\ntype = "text"\nstart = "Invalid user"\nfindtime = "permanent"\n'
    config = read(write(tmp_path, text))
    assert config.rules[0].findtime > 9 * 365 * 86_400
    assert config.lookback == 3600


def test_the_longest_lookback_there_is(tmp_path: Path) -> None:
    assert read(write(tmp_path, 'lookback = "7d"\n' + INPUT)).lookback == 7 * 86_400


def test_check_is_silent_about_a_good_file(tmp_path: Path) -> None:
    assert check(write(tmp_path, INPUT)) == []
    assert check(tmp_path / "absent.toml") == [f"{tmp_path / 'absent.toml'}: no such file"]
