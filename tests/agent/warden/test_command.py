# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command firewall: a real program is called, once for each change, and its failures count."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from stockade.addresses import parse_network
from stockade.warden import command as module
from stockade.warden.command import Command
from stockade.warden.firewall import FirewallError
from stockade.warden.ledger import Ledger

ADDRESS = parse_network("203.0.113.9")
OTHER = parse_network("203.0.113.77")
NETWORK = parse_network("203.0.113.0/24")
V6 = parse_network("2001:db8::/48")

PROGRAM = """#!/bin/sh
for word in "$@"; do printf '<%s>' "$word" >>{0}/calls; done
echo >>{0}/calls
env >{0}/environment
[ ! -e {0}/slow ] || sleep 60
case "$*" in *"$(cat {0}/fails 2>/dev/null || echo never)"*) printf 'no \\033[31m%s\\n' "$2" >&2; exit 3;; esac
"""


class Site:
    """A program that writes down how it was called, and a clock that the test moves."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 1_800_000_000.0
        self.program = root / "program"
        self.program.write_text(PROGRAM.format(root))
        self.program.chmod(stat.S_IRWXU)
        self.firewall = self.start()

    def start(self, *extra: str) -> Command:
        return Command(
            Ledger(self.root / "ledger"),
            ban=[str(self.program), "ban", "{network}", *extra],
            unban=[str(self.program), "unban", "{network}"],
            clock=lambda: self.now,
            monotonic=lambda: self.now - 1_700_000_000,
            call_seconds=0.5 if (self.root / "slow").exists() else 10,
        )

    def calls(self) -> list[str]:
        """The calls since the last time."""
        path = self.root / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def set(self, name: str, text: str = "") -> None:
        (self.root / name).write_text(text)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_b16_the_network_is_exactly_one_argument_and_nothing_else_is_replaced(site: Site) -> None:
    odd = ["100% %s", "$(touch x); `id`", '{"ip": "{network}", "s": {seconds}}', "{}", "{ network }"]
    site.firewall = site.start(*odd)
    site.firewall.apply(ban={ADDRESS: 600, V6: None}, lift=[])
    assert sorted(site.calls()) == [
        '<ban><2001:db8::/48><100% %s><$(touch x); `id`><{"ip": "2001:db8::/48", "s": 0}><{}><{ network }>',
        '<ban><203.0.113.9><100% %s><$(touch x); `id`><{"ip": "203.0.113.9", "s": 600}><{}><{ network }>',
    ]


def test_b22_the_program_inherits_nothing_but_the_place_of_its_secrets(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    site.firewall.apply(ban={ADDRESS: None}, lift=[])
    lines = (site.root / "environment").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines} - {"PWD", "_", "SHLVL", "OLDPWD"}
    assert names == {"PATH", "LANG", "CREDENTIALS_DIRECTORY"} and "PWD=/" in lines


@pytest.mark.parametrize("extra", [[], ["{seconds}"]])
def test_bh6_asking_twice_is_calling_once_also_after_a_restart(site: Site, extra: list[str]) -> None:
    site.firewall = site.start(*extra)
    site.firewall.apply(ban={ADDRESS: 600}, lift=[])
    assert len(site.calls()) == 1
    site.firewall.apply(ban={ADDRESS: 600}, lift=[OTHER])
    site.firewall = site.start(*extra)
    site.firewall.synchronise(whitelist=[], bans={ADDRESS: 598})
    assert site.calls() == []


@pytest.mark.parametrize(("extra", "again"), [([], 0), (["{seconds}"], 1)])
def test_a_moved_end_is_the_programs_business_if_it_knows_seconds(site: Site, extra: list[str], again: int) -> None:
    site.firewall = site.start(*extra)
    site.firewall.apply(ban={ADDRESS: 600}, lift=[])
    site.firewall.apply(ban={ADDRESS: 1200}, lift=[])
    assert len(site.calls()) == 1 + again
    assert site.firewall.held().bans == {ADDRESS: 1200}


@pytest.mark.parametrize(("extra", "calls"), [([], ["<unban><203.0.113.9>"]), (["{seconds}"], [])])
def test_an_end_is_told_and_lifted(site: Site, extra: list[str], calls: list[str]) -> None:
    site.firewall = site.start(*extra)
    site.firewall.synchronise(whitelist=[], bans={ADDRESS: 60})
    site.calls()
    site.now += 59
    assert not site.firewall.disturbed()
    site.now += 1
    assert site.firewall.disturbed()
    site.firewall.synchronise(whitelist=[], bans={})
    assert site.calls() == calls
    assert not site.firewall.present() and not site.firewall.disturbed()


def test_bh7_a_failure_is_seen_does_not_stop_others_and_is_repeated(site: Site) -> None:
    site.set("fails", "203.0.113.9")
    with pytest.raises(FirewallError, match=r"^command: 203.0.113.9: \S+ ended with 3: no \\x1b\[31m203.0.113.9$"):
        site.firewall.apply(ban={ADDRESS: 600, OTHER: 600}, lift=[])
    assert len(site.calls()) == 2 and site.firewall.held().bans == {OTHER: 600}
    site.set("fails", "nothing")
    site.firewall.synchronise(whitelist=[], bans={ADDRESS: 600, OTHER: 600})
    assert site.calls() == ["<ban><203.0.113.9>"]


def test_ch12_a_program_that_is_missing_is_told_once_for_all(site: Site) -> None:
    site.program.unlink()
    with pytest.raises(FirewallError, match=r"command: 203.0.113.\d+: \S+/program: No such file or directory$"):
        site.firewall.apply(ban={ADDRESS: 600, OTHER: 600}, lift=[])
    assert site.firewall.held().bans == {}


def test_ch12_a_program_that_hangs_is_ended_with_what_it_started(site: Site) -> None:
    site.set("slow")
    site.firewall = site.start()
    with pytest.raises(FirewallError, match="took longer than 0.5 s"):
        site.firewall.apply(ban={ADDRESS: 600, OTHER: 600}, lift=[])
    assert len(site.calls()) == 1, "the second would hang as well"
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
    assert not [line for line in commands if str(site.program).encode() in line]


def test_a_program_that_says_very_much_fills_no_memory(site: Site) -> None:
    site.set("fails", "203.0.113.9")
    program = site.root / "program"
    program.write_text(
        f"#!/bin/sh\necho no >&2\nhead -c 50000000 /dev/zero >&2\n"
        f"stat -L -c %s /proc/self/fd/2 >{site.root}/size\nexit 3\n"
    )
    with pytest.raises(FirewallError, match=r"ended with 3: no$"):
        site.firewall.apply(ban={ADDRESS: 600}, lift=[])
    assert int((site.root / "size").read_text()) <= 1_000_000


def test_many_calls_are_done_in_turns(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TURN_SECONDS", -1.0)
    with pytest.raises(FirewallError, match="2 of 2 networks are still to be done"):
        site.firewall.apply(ban={ADDRESS: 600, OTHER: 600}, lift=[])
    monkeypatch.undo()
    with pytest.raises(FirewallError, match="still to be done"):  # at rest: whoever asks is answered at once
        site.firewall.synchronise(whitelist=[], bans={ADDRESS: 600, OTHER: 600})
    assert site.calls() == []
    site.now += module.REST_SECONDS
    site.firewall.synchronise(whitelist=[], bans={ADDRESS: 600, OTHER: 600})
    assert len(site.calls()) == 2


def test_dh14_a_ban_with_a_hole_is_not_given_away_and_told(site: Site) -> None:
    assert not site.firewall.subtracts
    site.firewall.synchronise(whitelist=[], bans={NETWORK: None})
    with pytest.raises(FirewallError, match=r"203.0.113.0/24 is NOT banned: a command cannot let 203.0.113.77 through"):
        site.firewall.set_whitelist([OTHER])
    assert site.calls() == ["<ban><203.0.113.0/24>", "<unban><203.0.113.0/24>"]
    site.firewall.set_whitelist([])
    assert site.calls() == ["<ban><203.0.113.0/24>"]


def test_a_whitelisted_ban_is_not_given_away_and_no_failure(site: Site) -> None:
    site.firewall.synchronise(whitelist=[NETWORK], bans={ADDRESS: None, V6: None})
    assert site.calls() == ["<ban><2001:db8::/48>"]


def test_ch10_nothing_is_left_when_everything_is_taken_out(site: Site) -> None:
    site.firewall.synchronise(whitelist=[], bans={ADDRESS: None, OTHER: 60})
    site.calls()
    site.firewall = site.start()
    site.firewall.remove()
    assert sorted(site.calls()) == ["<unban><203.0.113.77>", "<unban><203.0.113.9>"]
    assert not site.start().present()


def test_the_ledger_survives_a_cut_line_and_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger"
    path.write_text("203.0.113.9/32 1800\n$(id) 5\n203.0.113.77/32 gone\n203.0.113.78/32 18")
    ledger = Ledger(path)
    assert ledger.ends == {ADDRESS: 1800}
    ledger.note(put={V6: 1900})
    assert Ledger(path).ends == {ADDRESS: 1800, V6: 1900}, "not appended to the cut line"
    path.write_text("203.0.113.9/32 1800\n203.0.113.78/32 18")
    Ledger(path).note(put={V6: 1900})
    assert Ledger(path).ends == {ADDRESS: 1800, V6: 1900}
    ledger.note(put={}, gone=[V6])
    for end in range(3000):
        ledger.note(put={ADDRESS: 2000 + end}, gone=[OTHER])
    assert Ledger(path).ends == {ADDRESS: 4999} and len(path.read_text().splitlines()) < 1100


def test_a_full_disk_loses_the_note_not_the_ban_and_is_made_up_for(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "ledger"
    ledger = Ledger(path)
    ledger.note(put={ADDRESS: None})
    assert ledger.ends == {ADDRESS: None}
    path.parent.mkdir()
    ledger.note(put={OTHER: 5})
    assert Ledger(path).ends == {ADDRESS: None, OTHER: 5}
