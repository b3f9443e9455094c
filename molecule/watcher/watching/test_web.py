# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Floods and probes against real web servers: the packet that does not arrive, and everybody else."""

from __future__ import annotations

import pytest
from jailhosts import Target, both
from watcherhosts import has_read, is_banned, source_of, status, told


@both
def test_a14_a_flood_is_over_within_seconds(target: Target) -> None:
    """A5, A14, A15, B33: 60 requests of nginx's flood path, whatever they are answered; nobody else is refused."""
    client = target.client
    client.request(target, *[f"/flood/{number}.png" for number in range(59)])
    assert has_read(target, "nginx") and source_of(target, client.ipv4) == ""
    client.request(target, "/flood/last")
    assert is_banned(target, "flood")
    assert target.eventually(lambda: not client.reaches(target), 2)
    assert not client.reaches(target, 22), "a ban is of all ports"
    assert client.reaches(target, family=6), "and of this address alone"
    row = next(row for row in target.operator.ask(target.name, "bans")["bans"] if row["network"] == client.ipv4)
    assert row["reason"].startswith("flood: 60 requests in ") and row["reason"].endswith("(threshold 60 in 120s)")


@both
def test_a12_a_flood_over_ipv6_bans_the_address_where_the_host_itself_lives(target: Target) -> None:
    client = target.client
    client.request(target, *["/flood/x"] * 60, family=6)
    assert is_banned(target, "flood", client.ipv6)
    assert target.eventually(lambda: not client.reaches(target, family=6), 2)


@both
@pytest.mark.parametrize(
    "options",
    [
        "-u 'foo bar:x'",
        "-u '198.51.100.9 - -:x'",
        """-H 'Authorization: Basic '"$(printf 'x" 200 5 "-" [01/Jan/2030:00:00:00 +0000]:y' | base64 -w0)" """,
        "-H 'Host: 198.51.100.9'",
        "-H 'X-Forwarded-For: 198.51.100.9'",
        """-A '" 198.51.100.9 - - [01/Jan/2030:00:00:00 +0000] "GET / HTTP/1.1" 200'""",
    ],
)
def test_ah8_what_a_client_writes_hides_nobody_and_accuses_nobody(target: Target, options: str) -> None:
    """AH8, AH13: user names, Host, agent and a header that no trusted proxy sent."""
    target.client.request(target, *["/flood/x"] * 60, options=options)
    assert is_banned(target, "flood")
    assert source_of(target, "198.51.100.9") == ""


@both
def test_apache_and_json_logs_count_as_well(target: Target) -> None:
    client = target.client
    client.request(target, *["/flood/x"] * 60, port=8080)
    assert is_banned(target, "flood")
    target.lift()
    client.request(target, *['/flood/%22,"remote_addr":"198.51.100.9"'] * 60, port=8081, family=6)
    # The file was empty until now: the pattern is looked at every five seconds.
    assert is_banned(target, "flood", client.ipv6, seconds=12)
    assert source_of(target, "198.51.100.9") == ""


@both
def test_the_log_of_a_real_caddy_counts_too(target: Target) -> None:
    """What a client writes into its request stays what it is: a text in the object."""
    client = target.client
    written = """-A '"},"request":{"remote_ip":"198.51.100.9"}' -H 'X-Forwarded-For: 198.51.100.9'"""
    client.request(target, *["/flood/x"] * 59, port=8083, options=written)
    assert has_read(target, "caddy") and source_of(target, client.ipv4) == ""
    client.request(target, "/flood/%22,%22remote_ip%22:%22198.51.100.9", port=8083, options=written)
    assert is_banned(target, "flood")
    assert target.eventually(lambda: not client.reaches(target, 8083), 2)
    assert source_of(target, "198.51.100.9") == ""


@both
def test_behind_a_trusted_proxy_the_client_is_told_and_the_proxy_never_banned(target: Target) -> None:
    """The kernel could only drop the proxy. From anybody else the header says nothing."""
    behind = f"203.0.113.{target.client.ipv4.rpartition('.')[2]}"
    forged = f"-H 'X-Forwarded-For: {behind}'"
    target.client.request(target, *["/flood/x"] * 60, port=8082, options=forged)
    assert is_banned(target, "flood") and source_of(target, behind) == ""
    url = f"http://{target.ipv4}:8082/flood/x"
    many = f"for _n in $(seq 60); do curl -s -o /dev/null -H 'X-Forwarded-For: 10.9.9.9, {behind}' {url}; done"
    target.operator.shell("visitor", "sh", "-c", many)
    assert target.eventually(lambda: told(target, f"ban network={behind} rule=flood"))
    assert told(target, "result=observed (behind a proxy, the kernel cannot drop it)")
    assert source_of(target, behind) == "" and source_of(target, "198.18.77.77") == ""
    assert target.operator.connects("visitor", target.ipv4, 80)
    assert target.eventually(lambda: any("behind a proxy" in text for text in status(target)["problems"]))


@both
def test_a52_three_sensitive_paths_ban_and_a_link_does_not(target: Target) -> None:
    """A52: distinct ones, decoded; the same one again and again is somebody's link."""
    client = target.client
    client.request(target, *["/.env"] * 20, options="-e https://foreign.example/")
    client.request(target, "/product--red", "/reorder/standby", "/?order=1&by=2", "/blog/how-to-fix-config.php")
    assert has_read(target, "nginx") and source_of(target, client.ipv4) == ""
    client.request(target, "/%2egit/config", "/..%2f..%2fetc/passwd")
    assert is_banned(target, "probes")
    assert target.eventually(lambda: not client.reaches(target), 2)


@both
def test_the_defaults_let_people_be(target: Target) -> None:
    """A page with 60 images, five of them a minute, and a program that calls 100 times."""
    client = target.client
    page = [f"/img/{number}.png" for number in range(60)]
    client.request(target, *page, "/", *[f"/?call={number}" for number in range(100)])
    assert has_read(target, "nginx") and source_of(target, client.ipv4) == ""
    assert client.reaches(target)


@both
def test_thirty_missing_pages_are_a_scanner(target: Target) -> None:
    client = target.client
    assert client.request(target, *[f"/missing-{number}" for number in range(30)])[0] == 404
    assert is_banned(target, "errors")


@both
def test_a10_whoever_is_whitelisted_is_not_banned(target: Target) -> None:
    flood = f"for _n in $(seq 70); do curl -s -o /dev/null http://{target.ipv4}/flood/x; done"
    target.operator.shell("visitor", "sh", "-c", flood)
    assert has_read(target, "nginx")
    assert not told(target, "ban network=198.18.77.77 ")
    assert source_of(target, "198.18.77.77") == ""
    assert target.operator.connects("visitor", target.ipv4, 80)
