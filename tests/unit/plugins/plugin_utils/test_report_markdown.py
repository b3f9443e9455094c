# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for chat and mail: nothing from a host comes alive, and it stays short."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_markdown import code, markdown
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import merge

NOW = 1_795_173_209
HOSTILE = [
    "`rm -rf` ``` code",
    "```\n# heading",
    "[click](https://evil.example/)",
    "![image](http://evil.example/x.png)",
    "<script>alert(1)</script>",
    "<!channel> <@U123> @everyone @here",
    "<https://evil.example|link>",
    "www.evil.example evil.example/path",
    "somebody@evil.example",
    "mailto:x@evil.example javascript:alert(1)",
    "| a | b |\n|---|---|",
    "**bold** _it_ ~~gone~~ # no heading",
    "&lt;b&gt; &#60;",
    "a\r\nb\x00\x1b[31m\u202e\u2028c",
    "\\`",
]


def report(
    text: str, *, bans: int = 1, hosts: tuple[str, ...] = ("web1",), previous: Any = None, **facts: Any
) -> dict[str, Any]:
    rows = [
        {"network": f"203.0.113.{number}", "source": text, "reason": text, "banned_at": NOW, "expires_at": NOW + 600}
        for number in range(1, bans + 1)
    ]
    answer = {
        "schema": 1,
        "bans": json.dumps(rows),
        "summary": {"bans": bans},
        "warden": {"available": True, "status": {"state": "degraded", "problems": [text]}},
        **facts,
    }
    return merge(dict.fromkeys(hosts, answer), now=NOW, previous=previous, country_db="/" + text)


def outside(text: str) -> str:
    """What stands outside of code spans: these are our own words."""
    return re.sub(r"`[^`\n]*`", "", text)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_hosts_stays_in_code_spans(text: str) -> None:
    plain = markdown(report("plain"))
    hostile = markdown(report(text, hosts=(text,)))
    assert outside(hostile) == outside(plain)
    assert hostile.count("`") == plain.count("`")


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_hosts_does_not_come_alive_where_nobody_renders(text: str) -> None:
    """Programs look for these in plain text too, some even in code."""
    said = markdown(report(text, hosts=(text,)))
    assert not re.search(r"[<>@|\x00-\x09\x0b-\x1f\u202e\u2028]", said)
    assert not re.search(r"\w:/|mailto:|javascript:|evil\.example|www\.", said)


def test_row() -> None:
    """A18, A20: address, country or ?? and source, and what else there is."""
    line = markdown(report("fail2ban/sshd", bans=1)).splitlines()[-1]
    assert line == "- `203.0.113.1` (??) [`fail2ban/sshd`] on `web1`, until 2026-11-20T11:23:29Z: `fail2ban/sshd`"


def test_what_is_new_is_marked() -> None:
    before = merge({"web1": {"schema": 1, "bans": "[]"}}, now=NOW - 60)
    said = markdown(report("x", previous=before))
    assert "Since 2026-11-20T11:12:29Z: 1 new, 0 gone." in said
    assert "(new): `x`" in said


def test_nothing_to_report() -> None:
    """A23: no bans, two lines."""
    assert markdown(merge({}, now=NOW)) == ("**Ban report** 2026-11-20T11:13:29Z\n\nNo bans are in force on 0 hosts.\n")


def test_host_that_did_not_answer_is_there() -> None:
    said = markdown(merge({"lost": {"unreachable": True, "msg": "no route"}}, now=NOW))
    assert "- `lost`: unreachable `no route`" in said


def test_problem_of_a_host_that_enforces_is_told() -> None:
    found = merge({"web1": {"schema": 1, "bans": "[]"}}, now=NOW)
    found["hosts"][0].update(state="enforcing", message="", problems=["nginx has failed"])
    assert "- `web1`: enforcing `nginx has failed`" in markdown(found)


@pytest.mark.parametrize("limit", [500, 1000, 4000])
def test_length_is_bounded_and_the_rest_counted(limit: int) -> None:
    found = report("x" * 300, bans=200, hosts=tuple(f"host{number}" for number in range(40)))
    said = markdown(found, rows=150, limit=limit)
    assert len(said) <= limit
    shown = len([line for line in said.splitlines() if re.match(r"- `203\.0\.113\.\d+` \(", line)])
    assert said.endswith(f"\n\n{200 - shown} more bans: see bans.csv and bans.json of this report.\n")
    assert said.count("`") % 2 == 0


def test_all_rows_need_no_note() -> None:
    assert "more" not in markdown(report("x", bans=5), rows=5)
    assert "1 more bans" in markdown(report("x", bans=5), rows=4)


@pytest.mark.parametrize(("text", "said"), [("", "–"), ("  ", "–"), ("`", "`'`"), ("x" * 90, "`" + "x" * 79 + "…`")])
def test_code_span(text: str, said: str) -> None:
    assert code(text) == said
