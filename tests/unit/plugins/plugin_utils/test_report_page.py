# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: complete in itself, and nothing from a host becomes markup."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.plugin_utils import _report_page
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import audit
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import merge
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_page import page

NOW = 1_795_173_209
HOSTILE = [
    "<script>document.title = 1</script>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)",
    "</style><img src=x onerror=alert(1)>",
    "--><svg onload=alert(1)>",
    "{{ 7 * 7 }} {% for a in b %}",
    "&lt;script&gt;",
    "javascript:alert(1)",
    "\x00\x1b[31m\u202e\u2028",
]


class Markup(html.parser.HTMLParser):
    """What a browser makes of the page: elements with their attributes, and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        self.inside[self._open] = data

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def tags(self) -> set[str]:
        return {tag for tag, _attributes in self.elements}


def report(reasons: list[str], *, source: str = "operator", host: str = "web1") -> dict[str, Any]:
    rows = [
        {"network": f"2001:db8::{number:x}", "source": source, "reason": text, "banned_at": NOW, "expires_at": None}
        for number, text in enumerate(reasons, 1)
    ]
    facts = {
        "schema": 1,
        "bans": json.dumps(rows),
        "summary": {"bans": len(rows)},
        "warden": {"available": True, "status": {"state": "enforcing", "problems": [source]}},
        "jails": [{"name": source, "currently_banned": 1}],
        "services": [{"name": source + ".service", "active": "active", "failed": False}],
    }
    return merge({host: facts, "lost": {"unreachable": True, "msg": source}}, now=NOW)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_hosts_is_never_markup(text: str) -> None:
    plain = Markup(page(report(["plain"], source="plain", host="a plain"), _audit("plain")))
    hostile = Markup(page(report([text], source=text, host="a " + text), _audit(text)))
    assert [tag for tag, _attributes in hostile.elements] == [tag for tag, _attributes in plain.elements]
    names = [sorted(attributes) for _tag, attributes in hostile.elements]
    assert names == [sorted(attributes) for _tag, attributes in plain.elements]
    assert not [name for found in names for name in found if name.startswith("on") or name == "style"]


def _audit(text: str) -> dict[str, Any]:
    found = {"ssh": {"findings": [dict.fromkeys(("id", "title", "evidence", "reference", "remedy"), text)]}}
    return audit(
        {text: {"ansible_facts": {"stockade": {"schema": 1}}}}, ssh={text: found}, rules=[], fail_on="high", now=NOW
    )


def test_hostile_text_can_be_read() -> None:
    texts = "".join(Markup(page(report(HOSTILE))).texts)
    assert "<script>document.title = 1</script>" in texts
    assert "{{ 7 * 7 }}" in texts
    assert "\\x00\\x1b[31m\\u202e\\u2028" in texts


def test_policy_admits_our_style_and_script_and_nothing_else() -> None:
    markup = Markup(page(report(["plain"])))
    (policy,) = [
        attributes["content"]
        for tag, attributes in markup.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'none'"
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(markup.inside[tag].encode()).digest()).decode()
        assert parts[f"{tag}-src"] == f"'sha256-{digest}'"


def test_page_asks_nobody_for_anything() -> None:
    text = page(report(["plain"]), _audit("plain"))
    markup = Markup(text)
    attributes = {name for _tag, found in markup.elements for name in found}
    assert not attributes & {"src", "href", "srcset", "action", "data", "poster", "background"}
    assert not re.search(r"url\(|@import|https?://|fetch\(|XMLHttpRequest|eval\(|innerHTML", text)
    assert not markup.tags() & {"link", "iframe", "object", "embed", "img", "base", "form"}


def test_empty_fleet_is_a_page() -> None:
    texts = "".join(Markup(page(merge({}, now=NOW))).texts)
    assert "No bans are in force." in texts
    assert "No hosts were asked." in texts


def test_unreachable_host_is_on_the_page() -> None:
    text = page(merge({"lost": {"unreachable": True, "msg": "no route"}}, now=NOW))
    assert re.search(r'lost</th>\s*<td class="t bad">unreachable</td>', text)
    assert "no route" in text


def test_page_shows_the_newest_rows_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_report_page, "MAX_ROWS", 2)
    text = page(report(["a", "b", "c"]))
    assert text.count("<tr data-hosts") == 2
    assert "The newest 2 of 3" in text


def test_many_bars_become_one() -> None:
    results = {f"host{number:02}": report_facts(number) for number in range(30)}
    markup = Markup(page(merge(results, now=NOW)))
    assert len([tag for tag, _attributes in markup.elements if tag == "rect"]) == 12 + 1
    assert "19 more" in markup.texts


def report_facts(bans: int) -> dict[str, Any]:
    row = {"network": "203.0.113.1", "source": "operator", "reason": "", "banned_at": NOW, "expires_at": None}
    return {"schema": 1, "bans": json.dumps([row]), "summary": {"bans": bans}, "warden": {"available": True}}


def test_networks_sort_as_numbers() -> None:
    keys = [
        _report_page._sort_key(text)
        for text in ("9.0.0.0", "10.0.0.0/8", "10.0.0.0", "203.0.113.9", "::1", "2001:db8::")
    ]
    assert keys == sorted(keys)


def test_table_can_be_used_without_eyes() -> None:
    markup = Markup(page(report(["plain"])))
    assert all("scope" in attributes for tag, attributes in markup.elements if tag == "th")
    assert all(attributes.get("aria-label") for tag, attributes in markup.elements if tag == "svg")
    assert all(
        attributes.get("aria-label") for _tag, attributes in markup.elements if attributes.get("role") == "region"
    )
    assert ("html", {"lang": "en"}) in markup.elements
