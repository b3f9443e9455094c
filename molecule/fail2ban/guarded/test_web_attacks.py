# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on web servers end in a ban, and what ends in a ban is a packet that does not arrive."""

from __future__ import annotations

import pytest
from jailhosts import Target, both

PRIVATE = "/private/"
# jail: paths, port, options of curl, and what the server answers. One more than maxretry is asked for nowhere.
ATTACKS: dict[str, tuple[list[str], int, str, set[int]]] = {
    "nginx-http-auth": ([PRIVATE], 80, "-u bob:wrong", {401}),
    "nginx-limit-req": (["/limited/"], 80, "", {503}),
    "nginx-botsearch": (["/phpmyadmin/index.php"], 80, "", {404}),
    "apache-auth": ([PRIVATE], 8080, "-u eve:wrong", {401}),
    "apache-badbots": (["/"], 8080, "-A EmailCollector", {200}),
    "apache-noscript": (["/shell.php"], 8080, "", {404}),
}


@both
@pytest.mark.parametrize("jail", ATTACKS)
def test_a34_b33_five_failures_ban(target: Target, jail: str) -> None:
    """A34, B33: four do not, the fifth does; then neither the web server nor sshd answers (AH24)."""
    paths, port, options, answers = ATTACKS[jail]
    client, before = target.client, failures(target, jail)
    if jail == "nginx-limit-req":
        assert client.request(target, *paths, port=port) == [200]  # the one that is within the limit
    # nginx-botsearch reads the access log and the error log: each request is a failure in both
    few = {"nginx-botsearch": 2, "apache-badbots": 0}.get(jail, 4)  # who calls himself a bad bot does so once
    assert set(client.request(target, *paths * few, port=port, options=options)) == (answers if few else set())
    assert target.eventually(lambda: failures(target, jail) >= before + few), "the filter does not see them"
    assert not target.banned(jail) and client.reaches(target, port)
    client.request(target, *paths, port=port, options=options)
    assert target.eventually(lambda: target.banned(jail))
    assert target.eventually(lambda: not client.reaches(target, port), 5)
    assert not client.reaches(target, 22)


def failures(target: Target, jail: str) -> int:
    """How many failures of all clients the jail counts: no other test attacks this jail meanwhile."""
    status = dict(target.socket(["status", jail])[0])
    return int(dict(status["Filter"])["Total failed"])


@both
def test_the_same_over_ipv6(target: Target) -> None:
    """B33: a client is an address of either family."""
    client = target.client
    assert client.reaches(target, family=6)
    client.request(target, *[PRIVATE] * 5, family=6, options="-u bob:wrong")
    assert target.eventually(lambda: target.banned("nginx-http-auth", client.ipv6))
    assert target.eventually(lambda: not client.reaches(target, family=6), 5)


@both
def test_who_makes_no_mistake_is_not_banned(target: Target) -> None:
    client = target.client
    assert client.request(target, *[PRIVATE] * 7, options="-u bob:right") == [200] * 7
    assert client.request(target, *[PRIVATE] * 7, port=8080, options="-u bob:right") == [404] * 7
    assert client.reaches(target)


@both
def test_access_rate_bans_a_flood_of_requests(target: Target) -> None:
    """B33: 29 requests in a minute are somebody who reads, 30 are a flood; on either server."""
    client, before = target.client, failures(target, "access-rate")
    assert client.request(target, *["/?page=%d" % page for page in range(29)]) == [200] * 29
    assert target.eventually(lambda: failures(target, "access-rate") >= before + 29)
    assert not target.banned("access-rate") and client.reaches(target)
    client.request(target, "/?page=30")
    assert target.eventually(lambda: target.banned("access-rate"))
    assert target.eventually(lambda: not client.reaches(target), 5)


@both
def test_access_rate_is_not_led_by_what_a_client_writes(target: Target) -> None:
    """B33: an address in a path, a user name or an agent is nobody's request."""
    client, victim = target.client, "203.0.113.77"
    evil = f"{victim} - - [26/Nov/2026:08:24:01 +0000] GET / HTTP/1.1"
    client.request(target, *["/"] * 30, options=f"-A '{evil}' -u '{victim} - -:x' -e '{evil}'")
    assert target.eventually(lambda: target.banned("access-rate"))
    assert not target.banned("access-rate", victim)


@both
def test_recidive_bans_who_is_banned_again_and_again(target: Target) -> None:
    """A34: five bans within a day are a ban for a week, by whatever jails."""
    client = target.client
    for _time in range(5):
        target.socket(["set", "shop", "banip", client.ipv4], ["set", "shop", "unbanip", client.ipv4])
    assert target.eventually(lambda: target.banned("recidive"))
    assert not client.reaches(target)
    [rows] = target.socket(["get", "recidive", "banip", "--with-time"])
    assert any(client.ipv4 in row and "+ 604800 =" in row for row in rows), rows
