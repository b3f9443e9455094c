# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request probes for: row A52 of the acceptance list. Injections and traversal: test_attacks.py."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.watcher.rules import requestline
from stockade.watcher.rules.suspicious import DEFAULT_PATHS, MAX_TOKEN, WIDE_PATHS, Suspicious

DEFAULT, WIDE = Suspicious(), Suspicious(WIDE_PATHS)


def token(target: str, suspicious: Suspicious = DEFAULT) -> str:
    return suspicious.token(f"GET {target} HTTP/1.1".encode("latin-1"))


# Target -> what the default list says.
SENSITIVE = {
    "/.env": "/.env",
    "/.env/": "/.env",
    "/.env?x=1": "/.env",
    "/app/.env": "/app/.env",
    "/.env.production": "/.env.production",
    "/.env~": "/.env~",
    "/prod.env": "/prod.env",
    "/.git/config": "/.git/config",
    "/blog/.git/HEAD": "/blog/.git/head",
    "/.svn/entries": "/.svn/entries",
    "/.hg/hgrc": "/.hg/hgrc",
    "/.aws/credentials": "/.aws/credentials",
    "/.ssh/id_rsa": "/.ssh/id_rsa",
    "/.htpasswd": "/.htpasswd",
    "/.DS_Store": "/.ds_store",
    "/.vscode/sftp.json": "/.vscode/sftp.json",
    "/wp-config.php": "/wp-config.php",
    "/wp-config.php.bak": "/wp-config.php.bak",
    "/wp-config.php~": "/wp-config.php~",
    "/blog/.wp-config.php.swp": "/blog/.wp-config.php.swp",
    "/web.config": "/web.config",
    "/id_rsa": "/id_rsa",
    "/backup.sql": "/backup.sql",
    "/old/dump.sql.gz": "/old/dump.sql.gz",
    "/backup.tar.gz": "/backup.tar.gz",
    "/actuator/env": "/actuator/env",
    "/actuator/heapdump": "/actuator/heapdump",
    "/server-status": "/server-status",
    "/server-status?auto": "/server-status",
    "/Server-Status": "/server-status",
    "/HNAP1/": "/hnap1",
    "/boaform/admin/formLogin": "/boaform/admin/formlogin",
    "/GponForm/diag_Form?images/": "/gponform/diag_form",
    "/cgi-bin/luci/;stok=/locale": "/cgi-bin/luci/locale",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php": "/vendor/phpunit/phpunit/src/util/php/eval-stdin.php",
    "/x/phpunit/eval-stdin.php": "/x/phpunit/eval-stdin.php",
    "/etc/passwd": "/etc/passwd",
    "http://www.example.org/.env": "/.env",
}
# Only the wide list.
WIDELY = {
    "/config.php?id=1": "/config.php",
    "/phpmyadmin/index.php": "/phpmyadmin/index.php",
    "/phpMyAdmin-5.2/": "/phpmyadmin-5.2",
    "/pma/": "/pma",
    "/blog/pma": "/blog/pma",
    "/setup.php": "/setup.php",
    "/xmlrpc.php": "/xmlrpc.php",
    "/wp-config": "/wp-config",
    "/wp-config/x": "/wp-config/x",
}
HARMLESS = (
    "/", "/index.html", "/blog/how-to-fix-config.php", "/product--red", "/reorder/standby", "/?order=1&by=2",
    "/search?q=select+from+union+street", "/search?q=trade+union+select+committee", "/union/select", "/o'neill",
    "/search?q=o'neill+and+sons", "/docs/.environment-guide", "/docs/environment", "/a/../b", "/a/./b",
    "/x?next=/account/../home", "/x?next=https://www.example.org/a/../b", "/x?next=../home", "/xmlrpc.php",
    "/wp-login.php", "/wp-admin/admin-ajax.php", "/phpmyadmin/index.php?route=/sql", "/config.php?id=1", "/setup.php",
    "/.well-known/acme-challenge/abc", "/.well-known/security.txt", "/user/repo/src/.gitignore",
    "/user/repo/src/.github/workflows/x.yml", "/repo.git/info/refs", "/user/repo/src/.env.example",
    "/docs/actuator/env", "/services/server", "/cgi-bin/mailman/listinfo", "/config.json", "/docs/web.config",
    "/docs/backup.sql-guide", "/wp-config.php5-how-to", "/search?q=\"cats\"+and+dogs+in+paris",
    "/search?q=c%2b%2b+%26+c%23+(2020)+--+review", "/search?q=rock'n'roll+and+more", "/search?q=time.sleep(5)+python",
    "/search?q=javascript:+the+good+parts", "/i?onload=1&onerror=2", "/i?d=2026-11-26T12:00:00%2B01:00&range=1--2",
    "/filter?price=(10;20)&tags[]=a&tags[]=b", "/wiki/Union_(select_committee)", "/search?q=5+and+6+in+a+row",
    "/a;b=c/d", "/search?q=wait...what", "/i?a=1&amp;b=2", "/search?q=100%", "/search?q=%", "/%E2%82%AC?q=%C3%A4",
    "/i?x=%ff%fe", "/@user/post", "/search?q=top+10+or+20", "/i?u=https%3A%2F%2Fexample.org%2Fa%3Fb%3D'x'",
    "/style.min.css?v=1.2.3", "/a?color=%23fff", "*",
)  # fmt: skip


@pytest.mark.parametrize(("target", "path"), SENSITIVE.items())
def test_a52_sensitive_paths(target, path) -> None:
    assert token(target) == f"path:{path}"
    assert token(target, WIDE) == f"path:{path}"


@pytest.mark.parametrize(("target", "path"), WIDELY.items())
def test_a52_the_wide_list_has_what_a_site_may_really_run(target, path) -> None:
    assert token(target) == ""
    assert token(target, WIDE) == f"path:{path}"


@pytest.mark.parametrize("target", HARMLESS)
def test_a52_ordinary_requests_are_no_probes(target) -> None:
    assert token(target) == ""


@pytest.mark.parametrize(
    "request_line", ["", "-", "GET", "GET ", "\\x16\\x03\\x01\\x02\\x00", "\x16\x03\x01/.env", "/.env", "SSH-2.0-x"]
)
def test_lines_without_a_target_are_none(request_line) -> None:
    assert DEFAULT.token(request_line.encode("latin-1")) == ""


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("version", [" HTTP/1.1", " HTTP/1.0", " HTTP/2.0", " HTTP/3.0", " HTTP/2", ""])
@pytest.mark.parametrize(
    "target", ["/.env", "/actuator/env", "//actuator/env", "/./actuator/env", "/HNAP1", "/hNaP1/x.y", "/backup.sql"]
)
def test_the_first_pass_lets_nothing_through_whatever_the_method_and_protocol(method, version, target) -> None:
    assert DEFAULT.token(f"{method} {target}{version}".encode()).startswith("path:")


@pytest.mark.parametrize("paths", [DEFAULT_PATHS, WIDE_PATHS], ids=["default", "wide"])
def test_the_first_pass_knows_every_name_in_the_lists(paths) -> None:
    suspicious = Suspicious(paths, kinds=("path",))
    for name in paths:
        plain = name.replace("*", "x" if name.endswith("*") and name[-2] in "._-" else "")
        places = [plain] if name.startswith("/") else [f"/{plain}", f"/a/b-c/{plain}", f"/a.b/{plain}/c"]
        for place in places:
            for spelled in (
                place,
                place.upper(),
                place.title(),
                f"{place}?a=b.c",
                f"{place}/",
                quote(place, safe="/~*"),
            ):
                assert token(spelled, suspicious), spelled


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/shop/item/123?ref=5&utm_source=a-b_c",
        "/a/b.min.js?v=1.2.3",
        "/index.php?id=5",
        "/blog/wp-admin/x.php",
        "/a.b/c.html",
    ],
)
def test_ordinary_requests_need_no_closer_look(target) -> None:
    suspicious = Suspicious()
    for method in ("GET", "POST", "HEAD", "PUT"):
        for version in ("1.1", "1.0", "2.0", "3.0"):
            assert suspicious.token(f"{method} {target} HTTP/{version}".encode()) == ""
    assert suspicious._known == {}


@given(st.text("abcENV./-_gitwpconfghls~sql%2e", max_size=30))
def test_the_first_pass_and_the_second_never_disagree(text) -> None:
    for suspicious in (DEFAULT, WIDE):
        for method in ("GET", "POST"):
            request = f"{method} /{text} HTTP/1.1".encode()
            second = suspicious._closer(request)
            assert suspicious.token(request) == second, request


def test_two_spellings_of_one_path_are_one_probe_and_two_places_are_two() -> None:
    spellings = [
        "/.env", "/.ENV", "/%2eenv", "/%2Eenv", "/%252eenv", "/%25252eenv", "//.env", "/./.env", "/a/../.env",
        "/.env/", "/.env?x", "/%c0%aeenv", "/%u002eenv", "/\\x2eenv", "/.env;.css", "/.env%00.png", "/.env%20",
        "/.env%3fx", "\\.env",
    ]  # fmt: skip
    assert {token(spelled) for spelled in spellings} == {"path:/.env"}
    assert len({token(f"/{place}/.env") for place in "abc"}) == 3


def test_kinds_can_be_left_out() -> None:
    paths, injections, ways = (Suspicious(kinds=(one,)) for one in ("path", "injection", "traversal"))
    for target, only in (("/.env", paths), ("/i?id=1+union+select+1", injections), ("/../../x", ways)):
        for suspicious in (paths, injections, ways):
            assert bool(token(target, suspicious)) == (suspicious is only)
    assert token("/../../.env", paths) == "path:/.env"


def test_paths_of_one_s_own() -> None:
    own = Suspicious((*DEFAULT_PATHS, "/secret", "/geheim.txt", "/ab", "trap*door", "half.*", "x*.cfg", "/x/*/y"))
    for target in (
        "/secret",
        "/SECRET/a",
        "/Geheim.txt",
        "/ab",
        "/ab/c",
        "/a/trapdoor",
        "/a/trap.x.door/b",
        "/x/1/y",
        "/.env",
    ):
        assert token(target, own), target
    for target in ("/a/secret", "/secrets", "/geheim.txtx", "/abc", "/trapdoors", "/x/1/2/y", "/"):
        assert not token(target, own), target


def test_tokens_are_short_and_printable() -> None:
    long = token("/" + "a" * 500 + "/.env")
    assert len(long) == len("path:") + MAX_TOKEN
    assert token("/%1b[31m/%07%ff/.env").isprintable()


@given(st.binary(max_size=300))
def test_no_bytes_raise(text) -> None:
    for request in (text, b"GET /" + text + b" HTTP/1.1", b"GET /?" + text + b" HTTP/1.1"):
        assert DEFAULT.token(request).isprintable()


def test_what_is_remembered_is_bounded() -> None:
    suspicious = Suspicious()
    for number in range(5000):
        suspicious.token(b"GET /?q=%%%d HTTP/1.1" % number)
    assert len(suspicious._known) <= 4096
    suspicious.token(b"GET /?q=%" + b"a" * 5000 + b" HTTP/1.1")
    assert max(map(len, suspicious._known)) < 1000


def test_a_request_line_is_looked_at_up_to_a_limit() -> None:
    assert token("/?a=" + "b" * (requestline.MAX_LENGTH - 100) + "&id=1+union+select+1") != ""
