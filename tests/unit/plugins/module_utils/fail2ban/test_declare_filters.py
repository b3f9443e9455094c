# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From declared filters and actions to fail2ban's text."""

from __future__ import annotations

import configparser
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._declare_filters import (
    render_action,
    render_filter,
)


def test_a_filter_with_everything() -> None:
    declared: dict[str, Any] = {
        "name": "shop",
        "before": "common.conf",
        "prefregex": "^<F-CONTENT>.+</F-CONTENT>$",
        "failregex": ["^bad from <ADDR>$", "^100% bad from <ADDR>$"],
        "datepattern": "^%Y-%m-%d",
        "maxlines": 2,
        "options": {"_daemon": "shop"},
        "init": {"mode": "normal"},
    }
    assert render_filter(declared) == (
        "[INCLUDES]\nbefore = common.conf\n\n"
        "[Definition]\nprefregex = ^<F-CONTENT>.+</F-CONTENT>$\n"
        "failregex = ^bad from <ADDR>$\n            ^100%% bad from <ADDR>$\n"
        "datepattern = ^%%Y-%%m-%%d\nmaxlines = 2\n_daemon = shop\n\n"
        "[Init]\nmode = normal\n"
    )


def test_other_samples_are_a_change_of_the_file() -> None:
    """So they are tried again; the same ones are not."""
    base: dict[str, Any] = {"name": "shop", "failregex": ["^x <ADDR>$"]}
    texts = [
        render_filter(dict(base, samples={"must_match": [], "must_not_match": lines}))
        for lines in (["a"], ["a"], ["b"])
    ]
    assert texts[0] == texts[1] != texts[2]
    assert "Tried with samples" not in render_filter(base)


def test_a_text_block_is_lines() -> None:
    action = {"name": "tell", "actionban": "if true\nthen\n  echo <ip>\nfi\n", "norestored": True, "timeout": 5}
    assert render_action(action) == (
        "[Definition]\nactionban = if true\n            then\n            echo <ip>\n            fi\n"
        "norestored = true\n\n[Init]\ntimeout = 5\n"
    )


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"name": "a b", "failregex": ["x"]}, "filter 'a b': a name consists of"),
        ({"name": "../x", "failregex": ["x"]}, "a name consists of"),
        ({"name": "x"}, "filter 'x': nothing is declared"),
        ({"name": "x", "failregex": ["a ;b"]}, "takes what follows as a comment"),
        ({"name": "x", "failregex": ["a\tb"]}, "control characters"),
        ({"name": "x", "failregex": ["x"], "options": {"failregex": "y"}}, "failregex is given twice"),
        ({"name": "x", "options": {"failregx": "y"}}, r"no option 'failregx' \(did you mean failregex"),
        ({"name": "x", "before": "common.conf", "options": {"failregx": "y"}}, "did you mean failregex"),
        ({"name": "x", "failregex": ["x"], "options": {"mine": "y"}}, "no option 'mine'"),
    ],
)
def test_filters_that_cannot_be(declared: dict[str, Any], why: str) -> None:
    with pytest.raises(StockadeError, match=why):
        render_filter(declared)


def test_names_that_something_reads() -> None:
    text = render_filter({"name": "x", "failregex": ["^%(what)s from <ADDR>$"], "options": {"what": "bad"}})
    assert "what = bad\n" in text
    assert "cmnfailre = y\n" in render_filter({"name": "sshd", "options": {"cmnfailre": "y"}}, named={"cmnfailre"})
    assert "theirs = y\n" in render_filter({"name": "x", "before": "common.conf", "options": {"theirs": "y"}})
    assert "[Init]\nledger = /x\n" in render_action(
        {"name": "x", "actionban": "echo <ledger>", "init": {"ledger": "/x"}}
    )
    chosen = {
        "name": "x",
        "actionban": "<tell-<how>>",
        "init": {"tell-mail": "mail <dest>", "how": "mail", "dest": "root"},
    }
    assert "tell-mail = mail <dest>\n" in render_action(chosen)
    with pytest.raises(StockadeError, match="action 'x': fail2ban knows no option 'leger'"):
        render_action({"name": "x", "actionban": "echo <ledger>", "init": {"leger": "/x"}})


def test_an_option_for_one_family_stands_where_fail2ban_reads_it() -> None:
    """Its parser ends a name at the first `=`: such an option has a section of its own."""
    action = {
        "name": "x",
        "actionban": "drop <ip> <how>",
        "init": {"how": "now", "how?family=inet6": "later"},
    }
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    parser.read_string(render_action(action))
    assert {title: dict(parser[title]) for title in parser.sections()} == {
        "Definition": {"actionban": "drop <ip> <how>"},
        "Init": {"how": "now"},
        "Init?family=inet6": {"how": "later"},
    }


@pytest.mark.parametrize("key", ["how=x", "how?", "how?family=inet6?x"])
def test_names_that_fail2ban_would_cut_short(key: str) -> None:
    with pytest.raises(StockadeError, match="cannot be the name of an option"):
        render_action({"name": "x", "actionban": "drop <ip> <how>", "init": {key: "y"}})


def test_a_command_for_one_family_is_none() -> None:
    """fail2ban has conditions for what commands are made of, in [Init] alone."""
    with pytest.raises(StockadeError, match="'actionban.family=inet6' cannot be the name of an option"):
        render_action({"name": "x", "actionban": "drop <ip>", "options": {"actionban?family=inet6": "drop6 <ip>"}})
