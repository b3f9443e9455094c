# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What files are to be, against what they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from fail2banlab import HEADER, plan, written

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._files import (
    JAILS,
    ManagedFiles,
)


@pytest.fixture(autouse=True)
def jail_d(tmp_path: Path) -> None:
    (tmp_path / "jail.d").mkdir()


def test_plan_writes_and_then_finds_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ManagedFiles, "untidy", lambda self, name: False)
    first = plan(tmp_path, {"name": "a", "enabled": True})
    assert first.diff()[0]["after"] == HEADER + "\n[a]\nenabled = true\n"
    first.write()
    assert written(tmp_path / "jail.d") == {"zz-stockade-a.local": HEADER + "\n[a]\nenabled = true\n"}
    assert (tmp_path / "jail.d" / "zz-stockade-a.local").stat().st_mode & 0o7777 == 0o644
    assert plan(tmp_path, {"name": "a", "enabled": True}).changes(JAILS) == {}


def test_prune_takes_only_ours(tmp_path: Path) -> None:
    for name in ("zz-stockade-old.local", "zz-stockade-older.local"):
        (tmp_path / "jail.d" / name).write_text(HEADER + "\n[x]\n")
    (tmp_path / "jail.d" / "defaults-debian.conf").write_text("[sshd]\nenabled = true\n")
    assert plan(tmp_path).changes(JAILS) == {}
    assert plan(tmp_path, {"name": "old"}, absent=True).changes(JAILS) == {"old": None}
    pruned = plan(tmp_path, prune=True)
    pruned.write()
    assert list(written(tmp_path / "jail.d")) == ["defaults-debian.conf"]


def test_the_file_of_the_whitelist_is_no_jail(tmp_path: Path) -> None:
    (tmp_path / "jail.d" / "zz-stockade-ignoreip.local").write_text(
        "# Managed by stockade.fleet.whitelist\n[DEFAULT]\n"
    )
    assert plan(tmp_path, prune=True).changes(JAILS) == {}
    with pytest.raises(StockadeError, match="belongs to the whitelist"):
        plan(tmp_path, {"name": "ignoreip"})


def test_a_file_of_somebody_else_under_our_name(tmp_path: Path) -> None:
    (tmp_path / "jail.d" / "zz-stockade-a.local").write_text("[a]\nenabled = true\n")
    with pytest.raises(StockadeError, match="is not ours"):
        plan(tmp_path, {"name": "a"})
    (tmp_path / "jail.d" / "zz-stockade-a.local").unlink()
    (tmp_path / "jail.d" / "zz-stockade-a.local").symlink_to("/etc/passwd")
    with pytest.raises(StockadeError, match="no regular file"):
        plan(tmp_path, {"name": "a"})


def test_wrong_mode_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "jail.d" / "zz-stockade-a.local"
    path.write_text(HEADER + "\n[a]\n")
    path.chmod(0o600)
    assert list(plan(tmp_path, {"name": "a"}).changes(JAILS)) == ["a"]
