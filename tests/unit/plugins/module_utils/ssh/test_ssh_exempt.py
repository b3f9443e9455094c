# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd's penalties follow the whitelist: one drop-in, tried before it is live; sshd and systemd are played."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import change, config, exempt, files, host, keywords
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Unit

SERVICE = Unit("ssh.service", loaded=True, active=True, pid=1, listen=())
SOCKET = Unit("ssh.socket", loaded=True, active=True, pid=0, listen=("[::]:22",))


class Host:
    """sshd as its options show it; ``knows`` is whether it is 9.8 or later."""

    def __init__(self, etc: Path) -> None:
        self.main, self.dropin = etc / "sshd_config", etc / "sshd_config.d" / "00-stockade-exempt.conf"
        self.knows = True
        self.listener = host.Listener("service", SERVICE, None)
        self.told: list[str] = []
        self.fails = ""

    def run(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[0] == "systemctl":
            self.told.append(" ".join(argv[1:]))
            return (1, "", "boom") if argv[1] == self.fails else (0, "", "")
        lines = self.lines(Path(argv[-1]))
        bad = [line for line in lines if not line.startswith(("Per", "Port"))]
        exempted = [line.split()[1] for line in lines if line.startswith("Per")]
        if bad or (exempted and not self.knows):
            return 255, "", f"{argv[-1]} line 1: Bad configuration option"
        known = f"persourcepenaltyexemptlist {exempted[0] if exempted else 'none'}\n" if self.knows else ""
        return 0, "port 22\n" + known if argv[1] == "-T" else "", ""

    def lines(self, path: Path) -> list[str]:
        found = []
        for line in path.read_text().splitlines():
            included = re.match(r"Include (.*)", line)
            if included:
                for name in included.group(1).split():
                    for real in sorted(path.parent.glob(name) if "*" in name else [Path(name)]):
                        found += self.lines(real)
            elif line and not line.startswith("#"):
                found.append(line)
        return found

    def follow(self, *networks: str, check: bool = False, sshd: str | None = "/usr/sbin/sshd") -> dict[str, Any]:
        return exempt.follow(list(networks), run=self.run, sshd=sshd, check=check)


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    (tmp_path / "sshd_config.d").mkdir()
    played = Host(tmp_path)
    played.main.write_text("Include sshd_config.d/*.conf\nPort 22\n")
    load = config.load
    for module in (exempt, change):
        monkeypatch.setattr(module, "MAIN", str(played.main))
        monkeypatch.setattr(module, "knock", lambda *_arguments: None)
    monkeypatch.setattr(exempt, "EXEMPT", str(played.dropin))
    monkeypatch.setattr(exempt, "load", lambda overlay: load(str(played.main), overlay))
    monkeypatch.setattr(change.wire, "differences", lambda *_arguments: [])
    monkeypatch.setattr(host, "find_listener", lambda _run: played.listener)
    monkeypatch.setattr(host, "prepare_privsep_directory", lambda: None)
    monkeypatch.setattr(files, "image", lambda _pid: b"")
    monkeypatch.setattr(change.time, "sleep", lambda _seconds: None)
    read = files.read
    monkeypatch.setattr(files, "read", lambda path: (read(path)[0], True))
    return played


def value(played: Host) -> str:
    return played.dropin.read_text().splitlines()[-1]


def test_ah13_b31_unlimited_entries_are_spared_and_the_second_time_nothing_happens(played: Host) -> None:
    told = played.follow("198.51.100.0/24", "2001:db8:7::/64", "203.0.113.7")
    assert (told["changed"], told["warnings"]) == (True, [])
    assert value(played) == "PerSourcePenaltyExemptList 198.51.100.0/24,2001:db8:7::/64,203.0.113.7"
    assert played.dropin.stat().st_mode & 0o7777 == 0o600
    assert played.told == ["reload ssh.service"]
    assert played.follow("198.51.100.0/24", "2001:db8:7::/64", "203.0.113.7")["changed"] is False
    assert played.told == ["reload ssh.service"]


def test_check_mode_predicts_and_touches_nothing(played: Host) -> None:
    told = played.follow("203.0.113.7", check=True)
    assert (told["changed"], told["added"]) == (True, ["203.0.113.7"])
    assert (played.told, played.dropin.exists()) == ([], False)


def test_without_entries_there_is_no_file(played: Host) -> None:
    played.follow("203.0.113.7")
    told = played.follow()
    assert (told["changed"], told["removed"], played.dropin.exists()) == (True, ["203.0.113.7"], False)
    assert played.follow()["changed"] is False


def test_a_sshd_that_does_not_know_the_keyword_gets_no_file(played: Host) -> None:
    played.knows = False
    assert played.follow("203.0.113.7") == {"changed": False, "added": [], "removed": [], "warnings": []}
    played.dropin.write_text(exempt._HEADER + "PerSourcePenaltyExemptList 203.0.113.7\n")  # of a newer one
    assert played.follow("203.0.113.7")["changed"] is True
    assert not played.dropin.exists()


def test_a_host_without_sshd(played: Host) -> None:
    assert played.follow("203.0.113.7", sshd=None)["changed"] is False
    played.follow("203.0.113.7")
    assert played.follow("203.0.113.7", sshd=None)["changed"] is True
    assert not played.dropin.exists()


def test_who_sets_it_first_is_named(played: Host) -> None:
    played.main.write_text("Port 22\nPerSourcePenaltyExemptList 192.0.2.0/24\nInclude sshd_config.d/*.conf\n")
    for _again in range(2):
        (warning,) = played.follow("203.0.113.7")["warnings"]
        assert warning.startswith(f"{played.main}:2 sets PerSourcePenaltyExemptList before ")


def test_nobody_loses_what_a_later_file_granted(played: Host) -> None:
    (played.dropin.parent / "50-site.conf").write_text("PerSourcePenaltyExemptList 192.0.2.0/24,203.0.113.7\n")
    played.follow("203.0.113.7")
    assert value(played) == "PerSourcePenaltyExemptList 203.0.113.7,192.0.2.0/24"
    assert played.follow("203.0.113.7")["changed"] is False


def test_a_main_file_that_includes_nothing_is_named(played: Host) -> None:
    played.main.write_text("Port 22\n")
    told = played.follow("203.0.113.7")
    assert (told["changed"], played.dropin.exists()) == (False, False)
    assert "does not include" in told["warnings"][0]


def test_a_configuration_with_which_nobody_could_get_in_is_not_written(played: Host) -> None:
    """OpenSSH 10.0 takes 20,000 entries and then closes each connection: over 256 KiB its children read nothing."""
    told = played.follow(*(f"198.51.{i // 256}.{i % 256}" for i in range(15_000)))
    assert (told["changed"], played.dropin.exists()) == (False, False)
    assert "nobody gets in any more" in told["warnings"][0]


def test_files_that_others_broke_are_left_alone(played: Host) -> None:
    (played.dropin.parent / "50-site.conf").write_text("Bogus 1\n")
    told = played.follow("203.0.113.7")
    assert told["warnings"] == [
        "sshd's PerSourcePenaltyExemptList does not follow the whitelist: sshd refuses the files as they are"
    ]
    assert played.told == []


def test_what_somebody_has_not_put_in_force_yet_stays_so(played: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change.wire, "differences", lambda *_arguments: ["the running daemon offers other ciphers"])
    told = played.follow("203.0.113.7")
    assert (told["changed"], played.told, played.dropin.exists()) == (False, [], False)
    assert "other ciphers" in told["warnings"][0]


def test_a_reload_that_fails_brings_the_old_file_back(played: Host) -> None:
    played.follow("203.0.113.7")
    before = played.dropin.read_bytes()
    played.fails = "reload"
    with pytest.raises(StockadeError, match="cannot reload ssh.service: boom; the previous configuration was restored"):
        played.follow("203.0.113.8")
    assert played.dropin.read_bytes() == before


@pytest.mark.parametrize(
    ("listener", "wanted"),
    [
        (host.Listener("service", SERVICE, None), ["reload ssh.service"]),
        # a reloaded sshd cannot bind what systemd holds, and dies
        (host.Listener("socket", SERVICE, SOCKET), ["reset-failed ssh.service", "restart ssh.service"]),
        (host.Listener("socket", None, SOCKET), []),
        (host.Listener("none", None, None), []),
    ],
)
def test_with_a_socket_the_service_is_never_reloaded(played: Host, listener: host.Listener, wanted: list[str]) -> None:
    played.listener = listener
    played.follow("203.0.113.7")
    assert played.told == wanted


def test_a_file_of_somebody_else_under_our_name_is_left_alone(played: Host) -> None:
    played.dropin.write_text("PerSourcePenaltyExemptList 192.0.2.1\n")
    with pytest.raises(StockadeError, match="is not ours"):
        played.follow("203.0.113.7")


def test_the_keyword_has_one_writer() -> None:
    with pytest.raises(StockadeError, match="one writer, the module stockade.fleet.whitelist"):
        keywords.check_keyword("persourcepenaltyexemptlist")
