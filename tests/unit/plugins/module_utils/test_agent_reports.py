# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timers of a host's own reports: which run, what their runs are given, and what goes with them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from agentlab import Host

from ansible_collections.stockade.fleet.plugins.module_utils._agent import removal, reports, tree, units
from ansible_collections.stockade.fleet.plugins.module_utils._agent.reports import Reports, chosen
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.plugin_utils._package import Package

OPTIONS = {"default_duration": "1h", "ban_private": False}
TRAFFIC, SECURITY = "stockade-report-traffic.timer", "stockade-report-security.timer"
BOTH = Reports(kinds=("traffic", "security"))
TELLING = Reports(kinds=("traffic",), command=("/usr/local/bin/tell", "{report}"), network=True)


def timers(host: Host) -> dict[str, tuple[bool, bool]]:
    return {name: (name in host.active, name in host.enabled) for name in (TRAFFIC, SECURITY)}


ON, OFF = (True, True), (False, False)


def test_no_timer_runs_unless_somebody_wants_it(host: Host, package: Package) -> None:
    host.apply(package, OPTIONS)
    assert timers(host) == {TRAFFIC: OFF, SECURITY: OFF}
    assert not Path(reports.CONFIG).exists() and not Path(reports.LOGROTATE).exists()


def test_a24_a25_the_timers_of_the_wanted_reports_run_and_no_others(host: Host, package: Package) -> None:
    host.apply(package, OPTIONS, reports=BOTH)
    assert timers(host) == {TRAFFIC: ON, SECURITY: ON}
    assert host.apply(package, OPTIONS, reports=BOTH) == []
    only = Reports(kinds=("security",))
    assert host.apply(package, OPTIONS, reports=only, check=True) == [TRAFFIC + " is active and enabled"]
    assert timers(host) == {TRAFFIC: ON, SECURITY: ON}
    host.apply(package, OPTIONS, reports=only)
    assert timers(host) == {TRAFFIC: OFF, SECURITY: ON}


def test_a_timer_that_somebody_stopped_runs_again(host: Host, package: Package) -> None:
    host.apply(package, OPTIONS, reports=BOTH)
    host.active.discard(TRAFFIC)
    assert host.apply(package, OPTIONS, reports=BOTH) == [TRAFFIC + " is inactive and enabled"]
    assert timers(host)[TRAFFIC] == ON


def test_ah6_the_logs_are_rotated_while_there_are_any(host: Host, package: Package) -> None:
    host.apply(package, OPTIONS, reports=BOTH)
    text = Path(reports.LOGROTATE).read_text()
    assert "/var/log/stockade-report/*.log {" in text and "su stockade-report adm" in text
    host.apply(package, OPTIONS)
    assert not Path(reports.LOGROTATE).exists()


def test_without_logrotate_nothing_is_put_there(host: Host, package: Package) -> None:
    Path(reports.LOGROTATE).parent.rmdir()
    host.apply(package, OPTIONS, reports=BOTH)
    assert not Path(reports.LOGROTATE).parent.exists()
    assert host.apply(package, OPTIONS, reports=BOTH) == []


def test_a29_the_command_is_configured_and_gets_the_network_only_if_it_may(host: Host, package: Package) -> None:
    dropin = Path(units.dropin(units.REPORT))
    host.apply(package, OPTIONS, reports=TELLING)
    assert 'command = ["/usr/local/bin/tell", "{report}"]' in Path(reports.CONFIG).read_text()
    assert "RestrictAddressFamilies=AF_INET AF_INET6" in dropin.read_text()
    host.apply(package, OPTIONS, reports=TELLING._replace(network=False))
    assert "MemoryDenyWriteExecute=no" in dropin.read_text()  # what compiles as it runs dies of it
    assert "RestrictAddressFamilies" not in dropin.read_text()
    host.apply(package, OPTIONS, reports=TELLING._replace(command=()))
    assert not Path(reports.CONFIG).exists()
    assert not dropin.exists() and not dropin.parent.exists()


def test_a_change_that_fails_has_the_timers_of_before(host: Host, package: Package) -> None:
    host.apply(package, OPTIONS, reports=Reports(kinds=("traffic",)))
    before = host.picture()
    host.fails = ["systemctl enable --now " + SECURITY]
    with pytest.raises(StockadeError, match="it does not work; version .* runs again"):
        host.apply(package, OPTIONS, reports=TELLING._replace(kinds=("security",)))
    assert host.picture() == before
    assert timers(host) == {TRAFFIC: ON, SECURITY: OFF}


def test_timers_that_systemd_does_not_start_do_not_keep_the_host_from_going_back(host: Host, package: Package) -> None:
    host.apply(package, OPTIONS)
    before = host.picture()
    host.fails = ["systemctl enable --now", "systemctl disable --now"]
    with pytest.raises(StockadeError, match="runs again, with the configuration from before"):
        host.apply(package, {**OPTIONS, "default_duration": "7h"}, reports=BOTH)
    assert host.picture() == before


def test_a_directory_of_logrotates_stays_though_it_is_empty(host: Host, package: Package) -> None:
    host.apply(package, OPTIONS, reports=BOTH)
    host.apply(package, OPTIONS)
    assert Path(reports.LOGROTATE).parent.is_dir()


def test_nothing_of_them_is_left(host: Host, package: Package) -> None:
    host.apply(package, OPTIONS, reports=TELLING)
    Path(units.STAMPS + TRAFFIC).write_text("")
    removal.remove(host.run, check=False, warn=host.warnings.append)
    assert timers(host)[TRAFFIC][0] is False
    left = [path.name for path in host.root.rglob("*") if not path.is_dir() or path.is_symlink()]
    assert left == ["nft"]
    assert not host.accounts and tree.current() is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"command": ["notify"]}, "reports: command: 'notify' is no full path"),
        ({"country_database": "dbip.mmdb"}, "reports: country_database: 'dbip.mmdb' is no full path"),
        ({"command": ["/usr/bin/notify", ""]}, "reports: command: an argument is empty"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, t.Any], said: str) -> None:
    with pytest.raises(StockadeError) as error:
        chosen(options)
    assert str(error.value) == said
