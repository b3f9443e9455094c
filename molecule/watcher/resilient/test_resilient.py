# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotation, kills, a warden that is away, a configuration that is wrong: no ban is lost and nothing counts twice."""

from __future__ import annotations

import json
import time

import pytest
from jailhosts import Target, both
from watcherhosts import has_read, is_banned, source_of, status, told

UNIT = "stockade-watcher"
CONFIG = "/etc/stockade/watcher.toml"
LOG = "/var/log/nginx/access.log"


def pid(target: Target) -> str:
    return target.shell("systemctl", "show", "-P", "MainPID", UNIT).strip()


def is_active(target: Target) -> bool:
    return target.shell("systemctl", "is-active", UNIT, check=False).strip() == "active"


# What logrotate does: Debian's way for nginx (rename, create, reopen) and its option copytruncate.
ROTATE = {
    "create": f"mv {LOG} {LOG}.1; install -m 640 -o www-data -g adm /dev/null {LOG}; nginx -s reopen",
    "copytruncate": f"cp -p {LOG} {LOG}.1; truncate -s 0 {LOG}",
}


@both
@pytest.mark.parametrize("how", list(ROTATE))
def test_ah10_a_flood_across_a_rotation_counts_as_one(target: Target, how: str) -> None:
    """AH10, CH6: nothing of the flood is lost, and nothing counts twice."""
    client = target.client
    try:
        client.request(target, *["/flood/x"] * 30)
        target.script(ROTATE[how])
        client.request(target, *["/flood/x"] * 29)
        assert has_read(target, "nginx") and source_of(target, client.ipv4) == ""
        client.request(target, "/flood/x")
        assert is_banned(target, "flood")
    finally:
        target.script(f"rm -f {LOG}.1")


@both
@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_c11_a_watcher_that_is_killed_comes_back_and_goes_on_counting(target: Target, signal: str) -> None:
    """B26, B27, C11, C21: what came in while it was away counts too, and no line counts twice."""
    client, before = target.client, pid(target)
    client.request(target, *["/flood/x"] * 40)
    assert has_read(target, "nginx")
    target.script(f"systemctl kill -s {signal} {UNIT}")
    client.request(target, *["/flood/x"] * 19)
    assert target.eventually(lambda: is_active(target) and pid(target) not in ("0", before), 30)
    assert has_read(target, "nginx") and source_of(target, client.ipv4) == ""
    client.request(target, "/flood/x")
    assert is_banned(target, "flood", seconds=10)


@both
def test_a_ban_waits_for_the_warden(target: Target) -> None:
    """AH12: the warden is away while the decision falls, and the watcher says so."""
    client = target.client
    target.script("systemctl stop stockade-warden.socket stockade-warden.service")
    try:
        client.request(target, *["/flood/x"] * 60)
        assert target.eventually(lambda: status(target)["pending"] >= 1, 20)
        assert any("warden" in text for text in status(target)["problems"])
    finally:
        target.script("systemctl start stockade-warden.socket stockade-warden.service")
    assert is_banned(target, "flood", seconds=45)
    assert target.eventually(lambda: status(target)["problems"] == [], 90)


@both
def test_bh10_events_that_cannot_be_kept_cost_no_ban(target: Target) -> None:
    """BH10, CH14: the database is no database."""
    target.script(f"systemctl stop {UNIT}; cd /var/lib/stockade-watcher; rm -f events.db-*; echo x >events.db")
    target.script(f"systemctl start {UNIT}")
    target.client.request(target, *["/flood/x"] * 60)
    assert is_banned(target, "flood")
    assert target.eventually(lambda: target.script("ls /var/lib/stockade-watcher").count("events.db") >= 2)


@both
def test_bh18_a_wrong_file_is_refused_at_reload_and_the_old_one_stays(target: Target) -> None:
    before = target.shell("cat", CONFIG)
    started = pid(target)
    target.write(CONFIG, before + "\n[[rule]]\nname = 'x'\ntype = 'regex'\n")
    try:
        target.script(f"systemctl reload {UNIT}")
        assert target.eventually(lambda: any("not reloaded" in text for text in status(target)["problems"]))
        assert pid(target) == started
        target.client.request(target, *["/flood/x"] * 60)
        assert is_banned(target, "flood")
    finally:
        target.write(CONFIG, before)
        target.script(f"systemctl reload {UNIT}")
    assert target.eventually(lambda: not any("not reloaded" in text for text in status(target)["problems"]))


@both
def test_ch13_a_start_with_a_wrong_file_fails_for_good_and_is_seen(target: Target) -> None:
    """BH11, CH13, B26: systemd does not try again what cannot work, and the unit is `failed`, not silent."""
    before = target.shell("cat", CONFIG)
    target.write(CONFIG, before + "\ncolour = 'red'\n")
    try:
        target.script(f"systemctl restart {UNIT} || true")
        shown = target.shell("systemctl", "show", "-p", "ActiveState,ExecMainStatus,NRestarts", UNIT).split()
        assert set(shown) == {"ActiveState=failed", "ExecMainStatus=2", "NRestarts=0"}
        assert told(target, "unknown key 'colour'")
    finally:
        target.write(CONFIG, before)
        target.script(f"systemctl reset-failed {UNIT}; systemctl start {UNIT}")


@both
def test_ah8_a_log_that_does_not_parse_is_an_alarm_everywhere(target: Target) -> None:
    """AH8: in the status, the journal and the warden's change feed."""
    last = max([row["seq"] for row in _changes(target, 0)], default=0)
    for _line in range(2):
        target.shell("sh", "-c", "seq -f 'no line of an access log %.0f' 1 200 >>/var/log/apache2/access.log")
    assert target.eventually(lambda: any("lines do not parse" in text for text in status(target)["problems"]), 20)
    assert told(target, "alarm about=format-apache")
    assert target.eventually(lambda: any(row["kind"] == "alarm" for row in _changes(target, last)))
    assert "do not parse" in target.shell("stockade", "status", check=False)


@both
def test_a_stopped_process_is_restarted_by_the_watchdog(target: Target) -> None:
    """BH10: a process that stands still is no service. The unit's deadline is shortened for this."""
    drop = f"/run/systemd/system/{UNIT}.service.d"
    target.script(f"mkdir -p {drop}; printf '[Service]\\nWatchdogSec=3\\n' >{drop}/fast.conf; systemctl daemon-reload")
    try:
        target.script(f"systemctl restart {UNIT}")
        before = pid(target)
        target.script(f"kill -STOP {before}")
        assert target.eventually(lambda: is_active(target) and pid(target) not in ("0", before), 30)
    finally:
        target.script(f"rm -r {drop}; systemctl daemon-reload; systemctl restart {UNIT}")


@both
def test_b27_the_unit_is_confined(target: Target) -> None:
    """B23, B27, BH17: no capability, a user of its own, and the groups that may read what it reads."""
    target.script(f"systemd-analyze verify /etc/systemd/system/{UNIT}.service")
    line = target.shell("systemd-analyze", "security", "--no-pager", UNIT).splitlines()[-1]
    assert float(next(word for word in line.split() if word.replace(".", "").isdigit())) < 2.0, line
    facts = target.script(f"cat /proc/{pid(target)}/status")
    assert "CapEff:\t0000000000000000" in facts
    assert target.script(f"stat -c %U /proc/{pid(target)}").strip() == "stockade-watcher"


@both
def test_the_textfile_is_there_for_prometheus(target: Target) -> None:
    text = target.shell("cat", "/run/stockade-watcher/stockade.prom")
    assert "# TYPE stockade_watcher_lines_total counter" in text
    assert 'stockade_watcher_lines_total{input="nginx"}' in text


@both
def test_c3_it_is_calm(target: Target) -> None:
    """C3: less than one per cent of a processor while nothing happens."""
    ticks = f"awk '{{print $14 + $15}}' /proc/{pid(target)}/stat"
    before, began = int(target.script(ticks)), time.monotonic()
    time.sleep(10)
    used = (int(target.script(ticks)) - before) / 100
    assert used / (time.monotonic() - began) < 0.01


def _changes(target: Target, after: int) -> list[dict[str, object]]:
    ask = (
        "import json, socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('/run/stockade/warden.sock');"
        "s.sendall(json.dumps({'v': 1, 'op': 'changes', 'after': int(sys.argv[1]), 'limit': 1000}).encode() + b'\\n');"
        "print(s.makefile().readline())"
    )
    answer = json.loads(target.shell("python3", "-c", ask, str(after)))
    found: list[dict[str, object]] = answer["result"]["changes"]
    return found
