# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the acceptance list that the whole watcher proves: the configuration, and what has to be there."""

from __future__ import annotations

import ast
import re
import sys
import time
from pathlib import Path

import pytest
from acceptancelab import LOGINS, NEVER, failed, said, ssh, web
from wardenlab import NOW
from watcherlab import settle

from stockade.config import ConfigError
from stockade.watcher.config import read
from stockade.watcher.engine import Engine


def banned_by(text: str, lines: list[bytes], directory: Path) -> list[tuple[str, str]]:
    """Rule and client of each verdict about the first input of such a configuration."""
    path = directory / "trial.toml"
    path.write_text(text, encoding="utf-8")
    return [(verdict.rule, verdict.network) for verdict in Engine(read(path)).feed(lines)]


SAID = [said(f"Invalid user bob from 203.0.113.1 port {port}") for port in range(11)]


@pytest.mark.parametrize(
    ("rule", "bans"),
    [
        ('name = "invalid_user"\nstart = "Invalid user"\nmaxretry = 11', ["invalid_user"]),
        ('name = "renamed"\nstart = "Invalid user"\nmaxretry = 11', ["renamed"]),
        ('name = "invalid_user"\nanywhere = "user bob"\nmaxretry = 11', ["invalid_user"]),
        ('name = "invalid_user"\nstart = "user bob"\nmaxretry = 11', []),
        ('name = "invalid_user"\nanywhere = "user alice"\nmaxretry = 11', []),
        ('name = "invalid_user"\nstart = "Invalid user"\nmaxretry = 12', []),
    ],
)
def test_b9_name_mode_text_and_limit_make_a_rule(tmp_path, access, rule, bans) -> None:
    """Deliberately TOML, and the limit is the count that bans: 10 that are allowed are `maxretry = 11`."""
    found = banned_by(ssh(access) + f'[[rule]]\ntype = "text"\n{rule}\n', SAID, tmp_path)
    assert found == [(name, "203.0.113.1") for name in bans]


def test_b25_a_source_more_is_one_entry_of_the_configuration(watch, warden, access, tmp_path, log) -> None:
    auth = tmp_path / "auth.log"
    auth.write_bytes(b"")
    watching = watch('preset = "default"\nmax_bans_per_minute = 0\n' + web(access))
    both = log.lines(30, NOW, "203.0.113.1", status=404), [failed("203.0.113.2")] * 5
    watching.sees(auth, both[1])
    watching.sees(access, both[0])
    assert warden.networks == ["203.0.113.1"]
    watching.config.write_text(watching.config.read_text() + ssh(auth))
    watching.service.reload_wanted = True
    settle(watching.service)
    assert [(ban["network"], ban["source"]) for ban in warden.asked[1:]] == [("203.0.113.2", "watcher/logins")]
    assert [entry["name"] for entry in watching.service.status()["inputs"]] == ["web", "ssh"]


@pytest.mark.parametrize(
    "text",
    [
        "treshold = 3\n{web}",
        '{web}colour = "red"\n',
        '{web}[[rule]]\nname = "r"\ntype = "rate"\nlimit = 3\n',
        '{web}[easing]\nusers = ["bob"]\nfor = "1h"\n',
        "{web}[events]\nweeks = 3\n",
    ],
)
def test_b29_unknown_keys_are_rejected_and_named(tmp_path, access, text) -> None:
    path = tmp_path / "trial.toml"
    path.write_text(text.format(web=web(access)))
    unknown = next(key for key in ("treshold", "colour", "limit", "for", "weeks") if f"{key} =" in text)
    with pytest.raises(ConfigError, match=f"unknown key '{unknown}'"):
        read(path)


@pytest.mark.parametrize("key", ["regex", "pattern", "failregex"])
def test_c6_a_broken_pattern_ends_the_start_and_names_its_rule(tmp_path, access, key) -> None:
    """Deliberately there are no patterns to get wrong: a rule that brings one is refused as a whole."""
    with pytest.raises(ConfigError, match=r"rule 2 \(broken\).*" + key):
        banned_by(ssh(access) + NEVER + f'[[rule]]\nname = "broken"\ntype = "text"\n{key} = "(["\n', [], tmp_path)


def test_c6_what_would_be_a_broken_pattern_is_plain_text(tmp_path, access) -> None:
    rules = "".join(
        f"[[rule]]\nname = 'r{n}'\ntype = 'text'\nmaxretry = 1\nanywhere = '{text}'\n"
        for n, text in enumerate(("user ([", "Invalid .* from", "user"))
    )
    line = said("Invalid user ([ from 203.0.113.1 port 1")
    assert [rule for rule, _network in banned_by(ssh(access) + rules, [line], tmp_path)] == ["r0", "r2"]


def test_c19_ch18_a_threshold_that_is_missing_is_the_one_of_the_documentation(tmp_path, access, log) -> None:
    module = (Path(__file__).parents[3] / "plugins" / "modules" / "watcher.py").read_text()
    words = " ".join(module.partition(" maxretry:\n")[2].partition(" type: int")[0].split())
    # "… 30 for V(rate), 3 for V(probe), 5 for V(failures) and V(text), 2 for V(users)."
    documented = {
        name: int(count)
        for count, names in re.findall(r"(\d+) for (V\(\w+\)(?: and V\(\w+\))*)", words)
        for name in re.findall(r"V\((\w+)\)", names)
    }
    assert sorted(documented) == ["failures", "probe", "rate", "text", "users"]
    more = {"users": 'names = ["root"]\n', "text": 'start = "Failed"\n'}
    probes = [log.line(NOW, request=f"GET {path} HTTP/1.1") for path in ("/.env", "/.git/config", "/.aws/credentials")]
    for kind, count in documented.items():
        requests = {"rate": log.lines(30, NOW), "probe": probes}
        lines = requests.get(kind, [failed("203.0.113.1")] * 10)
        source = web(access) if kind in requests else ssh(access)
        text = f'{source}[[rule]]\nname = "r"\ntype = "{kind}"\n{more.get(kind, "")}'
        assert banned_by(text, lines[: count - 1], tmp_path) == [], kind
        assert banned_by(text, lines[:count], tmp_path) == [("r", "203.0.113.1")], kind


@pytest.mark.parametrize("value", ['""', '"# how many"', "", "[]", "3.5", "-1", "0"])
def test_ch18_a_threshold_that_is_none_is_an_error_that_names_it(tmp_path, access, value) -> None:
    with pytest.raises(ConfigError) as caught:
        banned_by(ssh(access) + LOGINS.format(value), [], tmp_path)
    assert "trial.toml" in str(caught.value)
    assert "maxretry" in str(caught.value) or not value


@pytest.mark.parametrize("given", ["", "path = ''\n", "path = 'auth.log'\n"])
def test_c19_a_log_that_is_not_named_is_an_error(tmp_path, given) -> None:
    with pytest.raises(ConfigError, match=r"input 1 \(web\).*path"):
        banned_by(f'[[input]]\nname = "web"\n{given}', [], tmp_path)


def ftp(code: str, response: str, after: int) -> bytes:
    stamp = time.strftime("[%d/%b/%Y:%H:%M:%S +0000]", time.gmtime(NOW + after))
    start = f'{{"remote_ip":"203.0.113.1","response_code":"{code}","time":"{stamp}",'
    return f'{start}"client_response":"{response}"}}'.encode()


TRIED = [
    ftp("331", "Password required for root", 0),
    *[ftp("530", "Login incorrect.", 59 * number) for number in range(6)],
    ftp("331", "Password required for admin", 3000),
]


@pytest.mark.parametrize(
    ("names", "tries", "logins", "period", "bans"),
    [
        (["root", "admin", "administrator"], 2, 6, 300, ["names", "logins"]),
        (["root", "administrator"], 2, 6, 300, ["logins"]),
        (["root", "admin", "administrator"], 3, 6, 300, ["logins"]),
        (["root", "admin", "administrator"], 2, 7, 300, ["names"]),
        (["root", "admin", "administrator"], 2, 6, 295, ["names"]),
    ],
)
def test_d1_each_key_changes_what_is_banned(tmp_path, access, names, tries, logins, period, bans) -> None:
    """The whitelist is the warden's (CH20); `login_attempts_threshold = 5` was the count that is allowed."""
    text = f'[[input]]\nname = "ftp"\npath = "{access}"\nformat = "proftpd-json"\n'
    text += f'[[rule]]\nname = "names"\ntype = "users"\nnames = {names!r}\nmaxretry = {tries}\n'
    text += f'[[rule]]\nname = "logins"\ntype = "failures"\nmaxretry = {logins}\nfindtime = {period}\n'
    assert sorted(banned_by(text, TRIED, tmp_path)) == sorted((rule, "203.0.113.1") for rule in bans)


@pytest.mark.parametrize(
    ("rule", "missing"),
    [('type = "users"', "name is missing"), ('name = "x"', "type is missing"), ('name = "x"\ntype = "users"', "names")],
)
def test_d1_a_key_that_is_missing_is_named(tmp_path, access, rule, missing) -> None:
    with pytest.raises(ConfigError, match=f"rule 1.*{missing}"):
        banned_by(ssh(access) + f"[[rule]]\n{rule}\n", [], tmp_path)


def test_c23_the_python_is_named_and_what_development_needs_is_pinned() -> None:
    """Deliberately nothing to pin on a host: the watcher needs Python's own library alone."""
    root = Path(__file__).parents[3]
    assert "Python 3.11 or later as `/usr/bin/python3`" in (root / "README.md").read_text()
    source = root / "roles" / "agent" / "files" / "src" / "stockade"
    known = {*sys.stdlib_module_names, "stockade", "systemd", "nftables"}  # the last two come with the distribution
    for path in sorted(source.rglob("*.py")):
        tree = ast.parse(path.read_text(), feature_version=(3, 11))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= known, path
    locks = sorted((root / "requirements").glob("dev-*.txt"))
    assert locks
    for lock in locks:
        wanted = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]
        assert wanted
        for line in wanted:
            assert re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==[\w.]+", line), f"{lock.name}: {line}"
