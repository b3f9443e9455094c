# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's page as a browser makes it: what it draws, how it is used, and that nothing from a host comes alive."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from benchlib.manyhosts import NOW, fleet

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import audit
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import merge

Show = Callable[..., Any]
Keep = Callable[[str], None]
TIMES = 20.0  # seconds that a slow machine may take where a quick one takes a tenth

ROWS = "return Array.from(document.querySelectorAll('#bans tbody tr:not([hidden])'))"
ADDRESSES = ROWS + ".map(row => row.cells[0].firstChild.textContent.trim())"
HEAD = "return Array.from(document.querySelectorAll('#bans thead th')).find(head => head.textContent === arguments[0])"


def ban(network: str, **more: Any) -> dict[str, Any]:
    return {"network": network, "source": "operator", "reason": "", "banned_at": NOW, "expires_at": None, **more}


def facts(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    warden = {"installed": True, "available": True, "status": {"state": "enforcing"}}
    return {"schema": 1, "bans": json.dumps(rows), "summary": {"bans": len(rows)}, "warden": warden, **more}


def usual() -> dict[str, Any]:
    """A report of every kind: two hosts and a lost one, an earlier report, networks, both families."""
    old = ban("203.0.113.9", banned_at=NOW - 7200)
    before = merge({"web1": facts(old)}, now=NOW - 3600)
    results = {
        "web1": facts(
            ban("203.0.113.9", source="fail2ban/sshd", banned_at=NOW - 60, reason="came back"),
            ban("203.0.113.10", source="watcher/requests", reason="31 requests in 60 s", expires_at=NOW + 600),
            ban("198.51.100.0/24", banned_at=NOW - 90_000),
        ),
        "web2": facts(ban("10.0.0.1"), ban("2001:db8::1"), ban("203.0.113.10"), ban("198.51.100.7")),
        "web3": facts(ban("203.0.113.10")),
        "lost": {"unreachable": True, "msg": "no route to host"},
    }
    return merge(results, now=NOW, previous=before)


def clean(browser: Any) -> None:
    """Nothing was asked for, nothing was refused, nothing went wrong."""
    assert browser.requests() == []
    assert browser.complaints() == []


def wait(browser: Any, script: str, value: Any) -> None:
    """Until the script returns the value."""
    deadline = time.monotonic() + TIMES
    while (found := browser.run(script)) != value:
        assert time.monotonic() < deadline, f"{found!r}, not {value!r}"
        time.sleep(0.02)


def shown(browser: Any, text: str) -> None:
    wait(browser, "return document.getElementById('shown').textContent", text)


def test_charts_are_drawn(show: Show) -> None:
    browser = show(usual())
    bars = browser.run(
        "return Array.from(document.querySelectorAll('.bars svg')).map(svg => Array.from(svg.querySelectorAll('.bar'))"
        ".map(bar => bar.getBoundingClientRect().width / svg.getBoundingClientRect().width))"
    )
    # Sources 4 2 1 1... the longest fills the width, and length goes with the number.
    numbers = list(usual()["summary"]["by_source"].values())
    assert bars[0] == pytest.approx([number / numbers[0] for number in numbers], abs=0.01)
    columns = browser.run(
        "return Array.from(document.querySelectorAll('.columns svg')).map(svg =>"
        "  Array.from(svg.querySelectorAll('.bar')).map(bar =>"
        "    Math.round(100 * bar.getBoundingClientRect().height / svg.clientHeight)))"
    )
    assert [len(column) for column in columns] == [48, 30]
    assert [max(column) for column in columns] == [100, 100]
    # A bar stands beside the number it belongs to.
    places = browser.run(
        "function middle(one) { var box = one.getBoundingClientRect(); return (box.top + box.bottom) / 2; }"
        "return Array.from(document.querySelectorAll('.bars')).map(function (table) {"
        "  var numbers = table.querySelectorAll('.n');"
        "  return Array.from(table.querySelectorAll('.bar')).map((bar, index) =>"
        "    Math.abs(middle(bar) - middle(numbers[index]))); })"
    )
    assert max(distance for table in places for distance in table) < 6
    names = [node["name"]["value"] for node in _accessible(browser) if node["role"]["value"] == "image"]
    assert [name.split(" Most")[0].split(" 6 in")[0] for name in names] == [
        "Bans by hour", "Bans by day", "Sources", "Jails of fail2ban", "Hosts",
    ]  # fmt: skip
    clean(browser)


def _accessible(browser: Any) -> list[Any]:
    """What is told to somebody who does not see the page."""
    browser.cdp("Accessibility.enable")
    nodes = browser.cdp("Accessibility.getFullAXTree")["nodes"]
    return [node for node in nodes if not node["ignored"] and node.get("role") and node.get("name")]


def test_everything_has_a_name_for_those_who_do_not_see_it(show: Show) -> None:
    browser = show(usual())
    nodes = _accessible(browser)
    for role in ("button", "searchbox", "combobox", "table", "image", "region", "heading", "link"):
        names = [node["name"]["value"] for node in nodes if node["role"]["value"] == role]
        assert names and all(names), role
    assert [node["name"]["value"] for node in nodes if node["role"]["value"] == "combobox"] == [
        "Show",
        "Host",
        "Source",
    ]
    live = browser.run("return document.getElementById('shown').getAttribute('role')")
    assert live == "status"


def test_table_sorts(show: Show) -> None:
    browser = show(usual())

    def press(name: str) -> str:
        head = browser.run(HEAD, name)
        head.find_element("tag name", "button").click()
        assert browser.run("return document.querySelectorAll('#bans [aria-sort]').length") == 1
        return str(head.get_attribute("aria-sort"))

    assert press("Address") == "ascending"
    numeric = ["10.0.0.1", "198.51.100.0/24", "198.51.100.7", "203.0.113.9", "203.0.113.10", "2001:db8::1"]
    assert browser.run(ADDRESSES) == numeric
    assert press("Address") == "descending"
    assert browser.run(ADDRESSES) == numeric[::-1]
    press("Hosts")
    assert press("Hosts") == "descending"
    assert browser.run(ADDRESSES)[0] == "203.0.113.10"
    assert press("Since") == "ascending"
    assert browser.run(ADDRESSES)[0] == "198.51.100.0/24"
    press("Times")
    assert press("Times") == "descending"
    assert browser.run(ADDRESSES)[0] == "203.0.113.9"
    clean(browser)


def test_table_filters_and_says_how_many_are_left(show: Show) -> None:
    browser = show(usual())
    shown(browser, "All 6 rows are shown.")
    search = browser.driver.find_element("id", "text")
    search.send_keys("REQUESTS")
    shown(browser, "1 of 6 rows are shown.")
    assert browser.run(ADDRESSES) == ["203.0.113.10"]
    search.clear()
    shown(browser, "All 6 rows are shown.")
    search.send_keys("web3")  # not among the names that the cell has room for
    shown(browser, "1 of 6 rows are shown.")
    search.clear()
    shown(browser, "All 6 rows are shown.")
    for ident, choice, left in (
        ("host", "web1", 3),
        ("source", "fail2ban/sshd", 1),
        ("only", "banned again", 1),
        ("only", "inside a banned network", 1),
        ("only", "on several hosts", 1),
        ("only", "new since the last report", 5),
    ):
        _choose(browser, ident, choice)
        shown(browser, f"{left} of 6 rows are shown.")
        assert len(browser.run(ADDRESSES)) == left
        _choose(browser, ident, "")
    shown(browser, "All 6 rows are shown.")
    _choose(browser, "host", "web3")
    search.send_keys("198.51")
    shown(browser, "0 of 6 rows are shown.")
    clean(browser)


def _choose(browser: Any, ident: str, text: str) -> None:
    """An entry of a list by its text; the first without one."""
    browser.run(
        "var list = document.getElementById(arguments[0]), text = arguments[1];"
        "list.selectedIndex = text ? Array.from(list.options).findIndex(option => option.text === text) : 0;"
        "list.dispatchEvent(new Event('change'))",
        ident,
        text,
    )


def test_everything_can_be_done_with_keys(show: Show) -> None:
    from selenium.webdriver.common.keys import Keys

    browser = show(usual())
    active = "return document.activeElement.id || document.activeElement.textContent"

    def press(key: str) -> str:
        browser.driver.switch_to.active_element.send_keys(key)
        return str(browser.run(active))

    assert press(Keys.TAB) == "Skip to the table of bans"
    assert browser.run("return document.activeElement.getBoundingClientRect().left") >= 0
    assert press(Keys.ENTER) == "bans-title"
    assert [press(Keys.TAB) for _field in range(4)] == ["text", "only", "host", "source"]
    press(Keys.TAB)  # the table itself, which scrolls
    assert browser.run("return document.activeElement.getAttribute('role')") == "region"
    assert press(Keys.TAB) == "Address"
    outline = browser.run("var style = getComputedStyle(document.activeElement);"
                          "return style.outlineStyle + ' ' + style.outlineWidth")  # fmt: skip
    assert outline == "solid 3px"
    press(Keys.ENTER)
    assert browser.run(ADDRESSES)[0] == "10.0.0.1"
    assert browser.run(active) == "Address"
    press(Keys.SPACE)
    assert browser.run(ADDRESSES)[0] == "2001:db8::1"


HOSTILE = [
    "<script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran = 1">',
    "'><svg onload='window.ran = 1'>",
    "</style><script>window.ran = 1</script>",
    "</title></svg></table><iframe src=javascript:parent.ran=1>",
    "--></script><script>window.ran=1</script>",
    "<link rel=stylesheet href=//evil.example/x><img src=//evil.example/y>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "{{ 7 * 7 }}{% raw %}",
    "a\x00b\x1b[31m\x07\r\nc",
    "\u202egpj.exe\u2066\u200b\u2028end",
]


def test_text_of_hosts_never_comes_alive(show: Show, keep: Keep) -> None:
    """AH23: names of hosts, jails, sources, services, reasons, problems, evidence."""
    results: dict[str, Any] = {}
    for number, text in enumerate(HOSTILE):
        results[text + str(number)] = facts(
            ban(f"203.0.113.{number}", source=text, reason=text),
            ban("203.0.113.99", source="fail2ban/" + text, reason=text, expires_at=NOW + 600),
            jails=[{"name": text, "currently_banned": 1}],
            services=[{"name": text + ".service", "active": "active"}],
            warden={"installed": True, "available": True, "status": {"state": text, "problems": [text]}},
        )
        results["lost" + text] = {"unreachable": True, "msg": text}
    found = {"ssh": {"findings": [dict.fromkeys(("id", "title", "evidence", "reference", "remedy"), HOSTILE[1])]}}
    judged = audit(results, ssh=dict.fromkeys(results, found), rules=[], fail_on="high", now=NOW)
    browser = show(merge(results, now=NOW, country_db="/" + HOSTILE[0]), judged)
    shown(browser, f"All {len(HOSTILE) + 1} rows are shown.")
    assert browser.run("return window.ran === undefined")
    assert browser.run("return document.querySelectorAll('img, iframe, link, object, embed, base, script').length") == 1
    assert browser.run("return Array.from(document.querySelectorAll('*')).flatMap(one => Array.from(one.attributes))"
                       ".filter(one => one.name.startsWith('on') || one.name === 'style').length") == 0  # fmt: skip
    text = browser.run("return document.body.textContent")
    assert HOSTILE[0] in text and "\\u202egpj.exe\\u2066\\u200b\\u2028end" in text and "\\x1b[31m" in text
    assert not set(text) & set("\x00\x07\x1b\u202e\u2066\u200b\u2028")
    browser.driver.find_element("id", "text").send_keys("<script>")
    wait(browser, "return document.getElementById('shown').textContent.indexOf('All') < 0", True)
    browser.run(HEAD, "Reason").find_element("tag name", "button").click()
    _choose(browser, "source", HOSTILE[1])
    assert browser.run("return window.ran === undefined")
    clean(browser)
    keep("hostile")


def test_policy_holds(show: Show) -> None:
    """What would run if markup got through all the same is refused."""
    browser = show(usual())
    clean(browser)
    browser.run(
        "var script = document.createElement('script'); script.textContent = 'window.ran = 1';"
        "document.body.appendChild(script);"
        "var box = document.createElement('div');"
        'box.innerHTML = \'<img src="http://evil.example/x" onerror="window.ran = 1">\';'
        "document.body.appendChild(box); box.setAttribute('style', 'color: red');"
    )
    wait(browser, "return window.violations.map(one => one.split(' ')[0]).sort().join()",
         "img-src,script-src-attr,script-src-elem,style-src-attr")  # fmt: skip
    browser.run("window.setTimeout('window.ran = 1', 0)")  # text that would become code
    wait(browser, "return window.violations.some(one => one.startsWith('script-src eval'))", True)
    assert browser.run("return window.ran === undefined")


def test_empty_fleet(show: Show, keep: Keep) -> None:
    """A23: a page that says so, and no table of nothing."""
    browser = show(merge({}, now=NOW))
    text = browser.run("return document.body.innerText")
    assert "No bans are in force." in text and "No hosts were asked." in text
    assert browser.run("return document.querySelectorAll('table, svg, form').length") == 0
    clean(browser)
    keep("empty")


@pytest.fixture(scope="module")
def usual_fleet() -> Any:
    """Fourteen hosts of which one is lost, with a report before."""
    before = merge(fleet(hosts=14, bans=60), now=NOW - 5 * 3600)
    return merge({**fleet(hosts=14, bans=70), "gate.example.net": None}, now=NOW, previous=before)


@pytest.mark.parametrize(
    ("name", "look"),
    [
        ("light", {}),
        ("dark", {"dark": True}),
        ("wide", {"width": 1920, "height": 1080}),
        ("narrow", {"width": 390, "height": 844}),
        ("narrow-dark", {"width": 360, "height": 780, "dark": True}),
        ("print", {"width": 794, "height": 1123, "media": "print", "dark": True}),
    ],
)
def test_looks(show: Show, keep: Keep, usual_fleet: Any, name: str, look: dict[str, Any]) -> None:
    browser = show(usual_fleet)
    browser.look(**look)
    keep(name)
    # Only tables scroll sideways, never the page.
    assert browser.run("return document.documentElement.scrollWidth - window.innerWidth") <= 0
    back = browser.run("return getComputedStyle(document.body).backgroundColor")
    paper = {"dark": "rgb(16, 21, 26)", "narrow-dark": "rgb(16, 21, 26)", "print": "rgb(255, 255, 255)"}
    assert back == paper.get(name, "rgb(245, 244, 240)")
    assert (browser.run("return getComputedStyle(document.getElementById('controls')).display") == "none") is (
        name == "print"
    )
    if name == "print":
        assert browser.run("return Array.from(document.querySelectorAll('section > .scroll'))"
                           ".every(one => one.scrollHeight <= one.clientHeight + 1)")  # fmt: skip
    clean(browser)


def test_audit_looks(show: Show, keep: Keep, usual_fleet: Any) -> None:
    findings = [
        {"id": "sshd.root", "severity": "high", "title": "root may log in", "evidence": "permitrootlogin yes",
         "reference": "CIS 5.1.20", "remedy": "apply the role ssh"},
        {"id": "sshd.mac", "severity": "low", "title": "weak MACs", "evidence": "hmac-sha1", "reference": "ssh-audit",
         "remedy": "apply the role ssh"},
    ]  # fmt: skip
    results = fleet(hosts=3, bans=2)
    answers = dict.fromkeys(results, {"ssh": {"findings": findings}})
    browser = show(usual_fleet, audit(results, ssh=answers, rules=[], fail_on="high", now=NOW))
    assert "root may log in" in browser.run("return document.body.innerText")
    clean(browser)
    keep("audit")


def test_thousand_hosts(show: Show, keep: Keep) -> None:
    """A thousand hosts with 500 bans each: it opens, sorts and filters while one waits."""
    report = merge(fleet(hosts=1000, bans=500), now=NOW)
    browser = show(report)
    shown(browser, "All 5000 rows are shown.")
    assert browser.interactive_s() < TIMES
    assert f"The newest 5,000 of {len(report['bans']):,};" in browser.run("return document.body.innerText")
    began = time.monotonic()
    browser.driver.find_element("id", "text").send_keys("web001.example.net")
    wait(browser, "return document.getElementById('shown').textContent.indexOf('All') < 0", True)
    browser.run(HEAD, "Address").find_element("tag name", "button").click()
    assert time.monotonic() - began < TIMES
    keep("thousand-hosts-filtered")
    browser.driver.find_element("id", "text").clear()
    shown(browser, "All 5000 rows are shown.")
    keep("thousand-hosts")
    clean(browser)
