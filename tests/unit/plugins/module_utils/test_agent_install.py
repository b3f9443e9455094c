# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing and removing the agent on a host that is a directory: what is live, and what comes back."""

from __future__ import annotations

import io
import subprocess
import tarfile
import typing as t
from pathlib import Path

import pytest
from agentlab import Host

from ansible_collections.stockade.fleet.plugins.module_utils._agent import install, removal, tree, units
from ansible_collections.stockade.fleet.plugins.module_utils._agent.backends import Choice
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.plugin_utils._package import Package

GOOD = {"default_duration": "1h", "ban_private": False}
BAD = {"default_duration": "10 minutes", "ban_private": False}
OTHER = {"default_duration": "2h", "ban_private": False}


@pytest.fixture(scope="module")
def newer(package: Package) -> Package:
    """Another version: the same with a file more."""
    buffer = io.BytesIO(package.content)
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        archive.addfile(tarfile.TarInfo("newer"), io.BytesIO())
    return Package("9-newer", buffer.getvalue())


def test_a_host_is_brought_to_a_version_and_stays_there(host: Host, package: Package) -> None:
    assert host.apply(package, GOOD) == ["version none -> " + package.name]
    assert host.active == set(units.ENABLED) and tree.current() == package.name
    assert host.apply(package, GOOD) == []


@pytest.mark.parametrize("check", [True, False])
def test_a_wrong_option_is_named_before_anything_is_live(host: Host, package: Package, check: bool) -> None:
    host.apply(package, GOOD)
    before = host.picture()
    host.commands.clear()
    with pytest.raises(
        StockadeError, match=r"default_duration: '10 minutes' is not a duration \(examples: 10m"
    ) as told:
        host.apply(package, BAD, check=check)
    assert "/" not in str(told.value), "the temporary file means nothing to the reader"
    assert host.picture() == before
    assert not [words for words in host.commands if "start" in words]


def test_a_wrong_option_on_a_fresh_host_is_found_before_the_switch(host: Host, package: Package) -> None:
    with pytest.raises(StockadeError, match="default_duration: '10 minutes'"):
        host.apply(package, BAD)
    assert tree.current() is None and not host.config.exists() and host.active == set()
    with pytest.raises(StockadeError, match="default_duration: '10 minutes'"):
        host.apply(package, BAD, check=True)


def test_before_an_upgrade_the_version_that_runs_judges(host: Host, package: Package, newer: Package) -> None:
    host.apply(package, GOOD)
    with pytest.raises(StockadeError, match="default_duration: '10 minutes'"):
        host.apply(newer, BAD, check=True)
    # an option that only the newer version knows is not the older one's business
    assert host.apply(newer, {"of_the_newer": 1}, check=True) == ["version %s -> 9-newer" % package.name]


def test_the_watchers_file_is_not_judged(host: Host, package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    host.apply(package, GOOD)
    real = host.run

    def with_a_broken_watcher(command: list[str]) -> tuple[int, str, str]:
        if "check" in command:
            command = [*command, "--watcher-config", "/nonexistent/watcher.toml"]
        return real(command)

    monkeypatch.setattr(host, "run", with_a_broken_watcher)
    assert host.apply(package, OTHER) == [str(host.config)]


def test_a_configuration_that_does_not_come_up_goes_back(host: Host, package: Package) -> None:
    host.apply(package, GOOD)
    before = host.picture()
    host.fails = ["systemctl restart stockade-warden.service"]
    with pytest.raises(StockadeError, match=r"does not start: the registry.*; version \S+ runs again, with the config"):
        host.apply(package, OTHER)
    assert host.picture() == before
    restarts = [n for n, words in enumerate(host.commands) if words == "systemctl restart stockade-warden.service"]
    assert len(restarts) == 3, "installed, tried, and the old configuration again"
    assert host.apply(package, GOOD) == []


@pytest.mark.parametrize("invocation", ["", "43"])
def test_without_words_of_the_wardens_own_systemds_are_shown(host: Host, package: Package, invocation: str) -> None:
    host.invocation = invocation
    host.fails = ["systemctl restart stockade-warden.service"]
    with pytest.raises(StockadeError, match="cannot restart stockade-warden.service: it does not work"):
        host.apply(package, GOOD)


def test_a_configuration_that_does_not_enforce_goes_back(host: Host, package: Package) -> None:
    host.apply(package, GOOD)
    before = host.picture()
    host.state = ["degraded", "enforcing"]
    with pytest.raises(StockadeError, match="bans are not in force: no nft; version .* runs again"):
        host.apply(package, OTHER)
    assert host.picture() == before


def test_an_upgrade_that_fails_goes_back_with_units_and_watcher(host: Host, package: Package, newer: Package) -> None:
    host.apply(package, GOOD)
    host.active.add(units.WATCHER)
    old = host.unit(units.WARDEN)
    old.write_text("# as an older version had it\n")
    before = host.picture()
    host.fails = ["systemctl restart stockade-watcher.service"]
    with pytest.raises(StockadeError, match="cannot restart stockade-watcher.service: it does not work; version"):
        host.apply(newer, OTHER)
    assert host.picture() == before
    changing = [words for words in host.commands if not words.startswith("systemctl show")]
    assert changing[-1] == "systemctl restart stockade-watcher.service"


def test_a_full_disk_goes_back(host: Host, package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    host.apply(package, GOOD)
    before = host.picture()
    real, failures = tree.write, [OSError(28, "No space left on device")]

    def write(path: str, content: bytes | None, *, secret: bool) -> None:
        if path == install.CONFIG and failures:
            raise failures.pop()
        real(path, content, secret=secret)

    monkeypatch.setattr(tree, "write", write)
    with pytest.raises(StockadeError, match="No space left on device; version .* runs again"):
        host.apply(package, OTHER)
    assert host.picture() == before


def test_a_first_installation_that_fails_leaves_nothing_running(host: Host, package: Package) -> None:
    host.table = True
    host.fails = ["systemctl restart stockade-warden.service"]
    with pytest.raises(StockadeError, match="nothing ran before, and nothing was left running"):
        host.apply(package, GOOD)
    assert host.picture() == {"version": "None", "active": ""}
    assert not host.table and units.files() == []
    host.apply(package, GOOD)
    assert host.active == set(units.ENABLED)


def test_going_back_that_fails_too_says_both(host: Host, package: Package, newer: Package) -> None:
    host.apply(package, GOOD)
    host.fails = ["systemctl restart stockade-warden.service", "systemctl daemon-reload"]
    first = host.run

    def stubborn(command: list[str]) -> tuple[int, str, str]:
        if command[1:2] == ["daemon-reload"]:
            return 1, "", "systemd is gone"
        return first(command)

    host.run = stubborn  # type: ignore[method-assign]
    with pytest.raises(StockadeError, match="systemd is gone; and going back to version .* failed: .*systemd is gone"):
        host.apply(newer, GOOD)
    assert tree.current() == package.name


def test_failed_starts_of_a_moment_ago_do_not_stop_a_corrected_run(host: Host, package: Package) -> None:
    host.apply(package, GOOD)
    order = [words for words in host.commands if "reset-failed" in words or " start " in words or "restart" in words]
    assert order == [
        "systemctl reset-failed stockade-warden.socket stockade-warden.service",
        "systemctl start stockade-warden.socket",
        "systemctl restart stockade-warden.service",
    ]


def test_the_unit_gives_up_on_a_bad_configuration_and_lives_when_nft_dies() -> None:
    unit = Path(__file__).parents[4] / "roles/agent/files/src/systemd/stockade-warden.service"
    lines = unit.read_text(encoding="utf-8").split("[Service]")[1].splitlines()
    assert "RestartPreventExitStatus=2" in lines and "OOMPolicy=continue" in lines


def everything(host: Host, package: Package) -> None:
    host.apply(package, GOOD)
    host.active.add(units.WATCHER)
    host.table = True
    (host.root / "state").mkdir()
    (host.root / "state" / "registry.db").write_text("")


def remove(host: Host, *, check: bool = False) -> list[str]:
    return removal.remove(host.run, check=check, warn=host.warnings.append)


def left(host: Host) -> list[str]:
    names = [path for path in host.root.rglob("*") if not path.is_dir() or path.is_symlink()]
    shown = [str(path.relative_to(host.root)) for path in names if path.name != "nft"]
    return shown + sorted(host.active) + sorted(host.accounts) + ["table"] * host.table


def test_everything_is_predicted_removed_and_gone(host: Host, package: Package) -> None:
    everything(host, package)
    predicted = remove(host, check=True)
    assert left(host) != []
    assert remove(host) == predicted
    assert left(host) == []
    assert remove(host, check=True) == remove(host) == []


def no_unit_files(host: Host) -> None:
    for unit in units.OWN:
        host.unit(unit).unlink()


def no_tree(host: Host) -> None:
    subprocess.run(["rm", "-r", tree.BASE, tree.COMMAND], check=True)


def only_rules(host: Host) -> None:
    remove(host)
    host.table = True


def only_accounts(host: Host) -> None:
    remove(host)
    host.accounts = {"passwd stockade-warden", "group stockade-warden", "group stockade"}


def only_state(host: Host) -> None:
    remove(host)
    (host.root / "state").mkdir()


def only_enabled(host: Host) -> None:
    remove(host)
    wants = host.root / "systemd" / "sysinit.target.wants"
    wants.mkdir()
    (wants / units.WARDEN).symlink_to(host.unit(units.WARDEN))


def masked(host: Host) -> None:
    host.unit(units.WATCHER).unlink()
    host.unit(units.WATCHER).symlink_to("/dev/null")


def interrupted_write(host: Host) -> None:
    remove(host)
    host.unit(units.WARDEN + ".new").write_text("")


@pytest.mark.parametrize(
    "spoil",
    [no_unit_files, no_tree, only_rules, only_accounts, only_state, only_enabled, masked, interrupted_write],
    ids=lambda spoil: spoil.__name__,
)
def test_half_an_agent_is_removed_as_well(host: Host, package: Package, spoil: t.Callable[[Host], None]) -> None:
    everything(host, package)
    spoil(host)
    predicted = remove(host, check=True)
    assert predicted and remove(host) == predicted
    assert left(host) == []
    assert list((host.root / "systemd").glob("*.wants")) == []
    assert remove(host) == []


def test_a_removal_that_was_interrupted_is_taken_up_again(host: Host, package: Package) -> None:
    everything(host, package)
    host.fails = ["userdel stockade-warden"]
    with pytest.raises(StockadeError, match="cannot remove the user stockade-warden: it does not work"):
        remove(host)
    assert remove(host) == [
        "user stockade-warden",
        "group stockade-warden",
        "group stockade",
    ]
    assert left(host) == []


def test_rules_that_do_not_go_are_an_error(host: Host, package: Package) -> None:
    everything(host, package)
    host.fails = ["nft add table"]
    with pytest.raises(StockadeError, match="cannot remove the nftables table inet stockade: it does not work"):
        remove(host)


def test_a_program_of_the_same_name_from_elsewhere_stays(host: Host) -> None:
    Path(tree.COMMAND).write_text("#!/bin/sh\n")
    assert remove(host) == []
    assert Path(tree.COMMAND).exists()


def test_a_link_to_a_bigger_disk_goes_and_its_target_stays(host: Host, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "disk")
    assert remove(host) == [str(tmp_path / "state")]
    assert (tmp_path / "disk").is_dir() and not (tmp_path / "state").is_symlink()


HOSTS_DENY = Choice(["hosts_deny"], {}, network=False)
COMMAND = Choice(["nftables", "command"], {"token": "hunter2"}, network=True)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"# none\n", b"ALL: 203.0.113.6", b"sshd: 203.0.113.6 \\\n 203.0.113.7 \\", b"\xff\r\nb\na\nb\n"],
    ids=["absent", "empty", "comment", "no newline", "continued", "bytes"],
)
def test_d14_dh8_dh9_hosts_deny_gets_one_line_and_is_itself_again(
    host: Host, package: Package, content: bytes | None
) -> None:
    path = host.root / "hosts.deny"
    if content is not None:
        path.write_bytes(content)
    host.apply(package, GOOD, choice=HOSTS_DENY)
    line = b"ALL: %s/cache/denied EXCEPT %s/cache/allowed\n" % ((str(host.root).encode(),) * 2)
    assert path.read_bytes() == line + (content or b"")
    assert host.apply(package, GOOD, choice=HOSTS_DENY) == []
    path.write_bytes(b"# somebody's\n" + path.read_bytes())
    assert host.apply(package, GOOD, choice=HOSTS_DENY) == [str(path)], "the first rule that matches counts"
    assert path.read_bytes() == line + b"# somebody's\n" + (content or b"")
    path.write_bytes(line + (content or b""))
    remove(host)
    assert (path.read_bytes() if path.exists() else None) == (content or None)


def test_d24_without_nftables_the_unit_asks_for_no_capability(host: Host, package: Package) -> None:
    host.apply(package, GOOD, choice=HOSTS_DENY)
    lines = Path(units.dropin()).read_text().splitlines()
    assert lines[1:] == [
        "[Service]",
        "AmbientCapabilities=",
        "CapabilityBoundingSet=",
        "CacheDirectory=cache",
        "CacheDirectoryMode=0755",
    ]
    host.apply(package, GOOD)
    assert not Path(units.dropin()).parent.exists(), "the unit as it is, and no empty directory"


def test_what_a_backend_left_goes_when_the_next_one_enforces(host: Host, package: Package) -> None:
    (host.root / "hosts.deny").write_text("# as it was\n")
    host.apply(package, GOOD, choice=HOSTS_DENY)
    (host.root / "cache").mkdir()
    host.state = ["degraded", "enforcing"]
    with pytest.raises(StockadeError, match="runs again"):
        host.apply(package, OTHER)
    assert (host.root / "cache").exists() and (host.root / "hosts.deny").read_text().startswith("ALL: ")
    assert host.apply(package, GOOD, check=True)[-2:] == [str(host.root / "hosts.deny"), str(host.root / "cache")]
    host.apply(package, GOOD)
    assert not (host.root / "cache").exists() and (host.root / "hosts.deny").read_text() == "# as it was\n"
    host.table = True
    assert host.apply(package, GOOD, choice=HOSTS_DENY)[-1] == "nftables table inet stockade"
    assert not host.table and host.apply(package, GOOD, choice=HOSTS_DENY) == []


def test_b22_a_secret_is_roots_and_nowhere_else(host: Host, package: Package) -> None:
    host.apply(package, GOOD)
    secret = host.root / "etc" / "credentials" / "token"
    assert str(secret) in host.apply(package, GOOD, choice=COMMAND)
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("hunter2", 0o600)
    assert secret.parent.stat().st_mode & 0o777 == 0o700
    dropin = Path(units.dropin()).read_text()
    assert "LoadCredential=token:%s\n" % secret in dropin and "RestrictAddressFamilies=AF_INET AF_INET6\n" in dropin
    told = " ".join(host.commands + host.apply(package, GOOD, choice=COMMAND._replace(credentials={"token": "x"})))
    assert "hunter2" not in told + dropin + host.config.read_text()
    assert secret.read_text() == "x"
    host.apply(package, GOOD, choice=COMMAND._replace(credentials={}))
    assert not secret.parent.exists()


def test_b22_a_secret_without_a_usable_name_is_refused_before_anything_is_written(host: Host, package: Package) -> None:
    host.apply(package, GOOD)
    before = host.picture()
    for name in ("../shadow", "", "a b", "a:b", "x" * 65, "-x", ".."):
        with pytest.raises(StockadeError, match="credentials: .* is not a usable name"):
            host.apply(package, GOOD, choice=COMMAND._replace(credentials={name: "secret"}))
    assert host.picture() == before


@pytest.mark.parametrize("secret", [None, True, 42798, {"type": "service_account"}, ["x"]])
def test_b22_what_is_no_text_is_no_secret(host: Host, package: Package, secret: t.Any) -> None:
    """An empty variable would be the secret `None`, 0123456 another number, a document of JSON one of Python."""
    choice, before = COMMAND._replace(credentials={"token": secret}), host.picture()
    for check in (True, False):
        with pytest.raises(StockadeError, match="token is not text but (NoneType|bool|int|dict|list): put") as told:
            host.apply(package, GOOD, choice=choice, check=check)
        assert host.picture() == before and "42798" not in str(told.value)


def test_the_program_judges_its_own_backends(host: Host, package: Package) -> None:
    host.apply(package, GOOD)
    wanted = dict(
        GOOD, backends=["command"], command={"ban": ["/bin/x", "{netwrok}"], "unban": ["/bin/y", "{network}"]}
    )
    with pytest.raises(StockadeError, match=r"command: ban: unknown placeholder \{netwrok\}"):
        host.apply(package, wanted, check=True)
    wanted["command"] = {"ban": ["/bin/x", 'a "{network}"\n'], "unban": ["/bin/y", "{network}"]}
    assert str(host.config) in host.apply(package, wanted)


@pytest.mark.parametrize(
    ("answers", "releases", "warned"),
    [
        ([], 1, 0),
        (["9 of 20 networks are still to be done", "2 of 20 networks are still to be done"], 3, 0),
        (["command: no, request 1", "command: no, request 2", "command: no, request 3"], 2, 1),
    ],
)
def test_ch10_what_a_command_banned_is_lifted_before_the_warden_goes(
    host: Host, package: Package, answers: list[str], releases: int, warned: int
) -> None:
    everything(host, package)
    (host.root / "state" / "command.ledger").write_text("203.0.113.9 permanent\n")
    host.releases = answers
    host.commands.clear()
    remove(host)
    order = [words for words in host.commands if words == "release" or words.startswith("systemctl stop")]
    assert order[:releases] == ["release"] * releases and order[releases].startswith("systemctl stop")
    assert "release" not in order[releases:]
    assert len(host.warnings) == warned and left(host) == []


def test_the_completion_is_linked_and_goes_with_its_directories(host: Host, package: Package) -> None:
    host.apply(package, GOOD)
    assert Path(tree.COMPLETION).resolve().read_text().startswith("#")
    Path(tree.COMPLETION).unlink()
    assert host.apply(package, GOOD) == [tree.COMPLETION]
    remove(host)
    assert not (host.root / "share" / "bash-completion").exists() and (host.root / "share").exists()


def test_a_program_that_is_missing_has_failed_and_ends_nothing() -> None:
    class Module:
        def run_command(self, command: list[str], handle_exceptions: bool) -> tuple[int, str, str]:
            assert not handle_exceptions
            raise FileNotFoundError(2, "No such file or directory")

    rc, _out, err = tree.runner(t.cast("t.Any", Module()))(["/usr/sbin/userdel", "x"])
    assert rc != 0 and err == "/usr/sbin/userdel: No such file or directory"
