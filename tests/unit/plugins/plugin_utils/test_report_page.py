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
    assert text.startswith("<!DOCTYPE html>")
    markup = Markup(text)
    attributes = {name for _tag, found in markup.elements for name in found}
    assert not attributes & {"src", "srcset", "action", "data", "poster", "background", "ping", "xlink:href"}
    # The one link stays on the page.
    assert [found["href"] for _tag, found in markup.elements if "href" in found] == ["#bans-title"]
    assert not re.search(r"url\(|@import|https?://|fetch\(|XMLHttpRequest|eval\(|innerHTML", text)
    assert not markup.tags() & {"link", "iframe", "object", "embed", "img", "image", "use", "base"}


def test_empty_fleet_is_a_page() -> None:
    texts = "".join(Markup(page(merge({}, now=NOW))).texts)
    assert "No bans are in force." in texts
    assert "No hosts were asked." in texts


def test_bans_that_are_over_are_in_the_charts_though_none_is_in_force() -> None:
    history = {"available": True, "by_hour": json.dumps({str(NOW - 7200): 5}), "repeated": "[]"}
    text = page(merge({"web1": {"schema": 1, "bans": "[]", "history": history}}, now=NOW))
    assert "No bans are in force." in text
    assert "5 in all, most at" in text


def test_unreachable_host_is_on_the_page() -> None:
    text = page(merge({"lost": {"unreachable": True, "msg": "no route"}}, now=NOW))
    assert re.search(r'lost</th>\s*<td class="state bad">unreachable</td>', text)
    assert "The host" not in text and "0 hosts answered, 1 did not." in text
    assert "no route" in text


def test_page_shows_the_newest_rows_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_report_page, "MAX_ROWS", 2)
    text = page(report(["a", "b", "c"]))
    assert text.count("<tr data-h=") == 2
    assert "The newest 2 of 3;" in text


def test_many_bars_become_one() -> None:
    results = {f"host{number:02}": report_facts(number) for number in range(30)}
    markup = Markup(page(merge(results, now=NOW)))
    # One of the 30 has none.
    assert _bars(markup, "chart-hosts") == 10 - 1
    assert "20 others" in markup.texts


def _bars(markup: Markup, chart: str) -> int:
    """How many bars a chart has."""
    tags = [(tag, attributes) for tag, attributes in markup.elements if tag in ("svg", "rect")]
    start = next(
        index for index, (_tag, found) in enumerate(tags) if f"{chart}-title" in (found.get("aria-labelledby") or "")
    )
    inside = [found for tag, found in tags[start + 1 :] if tag == "rect"]
    end = next((index for index, (tag, _found) in enumerate(tags[start + 1 :]) if tag == "svg"), len(inside))
    return len([found for found in inside[:end] if found["class"] == "bar"])


def report_facts(bans: int) -> dict[str, Any]:
    row = {"network": "203.0.113.1", "source": "operator", "reason": "", "banned_at": NOW, "expires_at": None}
    return {"schema": 1, "bans": json.dumps([row]), "summary": {"bans": bans}, "warden": {"available": True}}


def test_networks_sort_as_numbers() -> None:
    texts = ("10.0.0.0/8", "10.0.0.0", "192.0.2.9", "192.0.2.10", "::1", "2001:db8::")
    assert _report_page._ranks([{"network": text} for text in texts]) == [0, 1, 2, 3, 4, 5]
    assert _report_page._ranks([{"network": text} for text in texts[::-1]]) == [5, 4, 3, 2, 1, 0]


def test_table_can_be_used_without_eyes() -> None:
    markup = Markup(page(report(["plain"])))
    assert all("scope" in attributes for tag, attributes in markup.elements if tag == "th")
    ids = {attributes["id"] for _tag, attributes in markup.elements if "id" in attributes}
    drawings = [attributes for tag, attributes in markup.elements if tag == "svg"]
    assert len(drawings) == 4
    for drawing in drawings:
        assert drawing["role"] == "img"
        title, description = (drawing["aria-labelledby"] or "").split()
        assert {title, description} <= ids
    assert len([tag for tag, _attributes in markup.elements if tag == "caption"]) == len(
        [tag for tag, _attributes in markup.elements if tag == "table"]
    )
    assert len(ids) == len([1 for _tag, attributes in markup.elements if "id" in attributes])
    assert all(
        attributes.get("aria-label") for _tag, attributes in markup.elements if attributes.get("role") == "region"
    )
    assert ("html", {"lang": "en"}) in markup.elements


def test_colours_can_be_read() -> None:
    """All text on all backgrounds, light, dark and on paper, has the contrast of WCAG level AA."""
    palettes = re.findall(r":root \{(.*?)\}", _report_page.STYLE, re.DOTALL)
    assert len(palettes) == 3
    for palette in palettes:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", palette))
        for text in ("ink", "soft", "accent", "bad", "warn", "good"):
            for back in ("paper", "card", "mark"):
                assert _contrast(colours[text], colours[back]) >= 4.5, (text, back, palette)
        assert _contrast(colours["ink"], colours["track"]) >= 4.5
        # What is drawn has to differ from what it is drawn on.
        assert _contrast(colours["accent"], colours["track"]) >= 3


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_what_is_new_repeated_and_covered_is_marked() -> None:
    earlier = json.dumps([{**json.loads(report_facts(1)["bans"])[0], "banned_at": NOW - 90}])
    before = merge({"web1": {**report_facts(1), "bans": earlier}}, now=NOW - 60)
    rows = [
        {"network": network, "source": "operator", "reason": "", "banned_at": NOW, "expires_at": None}
        for network in ("203.0.113.1", "203.0.113.0/24")
    ]
    now = {**report_facts(2), "bans": json.dumps(rows)}
    text = page(merge({"web1": now}, now=NOW, previous=before))
    flags = {found[1]: set(found[0].split()) for found in re.findall(r'data-f="([^"]*)">\s*<th[^>]*>([^<\s]+)', text)}
    assert flags == {"203.0.113.1": {"r", "p", "c"}, "203.0.113.0/24": {"n", "p"}}
    assert "in 203.0.113.0/24" in text


def test_charts_tell_their_numbers_as_text() -> None:
    markup = Markup(page(report(["a", "b"], source="fail2ban/sshd")))
    texts = [text.strip() for text in markup.texts]
    assert "Most: fail2ban/sshd, 2 banned networks. The numbers stand in the rows of this table." in texts
    assert "2 in all, most at 20 Nov 11:00: 2. The numbers follow below." in texts
    assert "2 in all, most at 20 Nov: 2. The numbers follow below." in texts


def test_proposals_are_on_the_page_as_yaml() -> None:
    results = {f"web{number}": report_facts(1) for number in range(3)}
    for facts in results.values():
        facts["bans"] = facts["bans"].replace("null", str(NOW + 60))
    assert "network: &#34;203.0.113.1&#34;" in page(merge(results, now=NOW))
    assert "Proposed" not in page(merge(results, now=NOW, min_hosts=4))


def test_an_audit_shows_what_is_new_what_is_waived_and_what_the_audit_says_of_itself() -> None:
    said = {"severity": "high", "title": "t", "evidence": "<e>", "reference": "", "remedy": "mend it", "change": ""}
    found = {
        "summary": {"high": 1},
        "waived": 1,
        "drift": {"since": "2026-11-19T00:00:00Z", "new": 1, "gone": 2, "unchanged": 0},
        "fleet": [{**said, "id": "audit.waiver-expired"}],
        "hosts": [
            {
                "name": "web1",
                "findings": [{**said, "id": "x.new", "change": "new"}],
                "waived": [{**said, "id": "x.waived", "reason": "<until> spring", "expires": "2027-03-01"}],
            }
        ],
    }
    text = " ".join(page(report(["plain"]), found).split())
    assert "1 high, 1 waived. Since the audit of 2026-11-19T00:00:00Z: 1 new, 2 gone." in text
    assert "waived until 2027-03-01: &lt;until&gt; spring" in text and "audit.waiver-expired" in text
    assert text.count('<span class="in">x.new</span> <span class="tag">new</span>') == 1
    assert text.count('<span class="tag">new</span>') == 1 and text.count("&lt;e&gt;") == 3


def test_the_gravest_findings_of_all_hosts_stand_first() -> None:
    def one(name: str, severity: str) -> dict[str, str]:
        texts = dict.fromkeys(("title", "evidence", "reference", "remedy", "change"), "")
        return {"id": name, "severity": severity, **texts}

    hosts = [
        {"name": "db1", "state": "audited", "findings": [one("a.low", "low"), one("a.info", "info")], "waived": []},
        {"name": "web1", "state": "audited", "findings": [one("b.high", "high"), one("b.low", "low")], "waived": []},
        {"name": "mail1", "state": "audited", "findings": [one("c.high", "high")], "waived": []},
    ]
    text = page(report([]), {"summary": {"high": 2, "medium": 0, "low": 2, "info": 1}, "hosts": hosts})
    order = sorted(("a.low", "a.info", "b.high", "b.low", "c.high"), key=text.index)
    assert order == ["c.high", "b.high", "a.low", "b.low", "a.info"]


def test_an_audit_shows_hosts_before_bans_and_a_report_bans_before_hosts() -> None:
    audited = page(report(["plain"]), {"summary": {"high": 0}, "hosts": []})
    assert audited.index("findings-title") < audited.index('id="hosts-title"') < audited.index('id="bans-title"')
    reported = page(report(["plain"]))
    assert reported.index('id="bans-title"') < reported.index('id="hosts-title"')
    assert "findings-title" not in reported


def test_an_audit_begins_with_the_figures_of_its_findings() -> None:
    found = {"summary": {"high": 2, "medium": 0, "low": 31, "info": 4}, "hosts": [], "waived": 3}
    top = page(report(["plain"]), found).partition("<main>")[0]
    figures = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", top)
    assert figures[:5] == [("high", "2"), ("medium", "0"), ("low", "31"), ("info", "4"), ("waived", "3")]
    assert ("banned network", "1") in figures
