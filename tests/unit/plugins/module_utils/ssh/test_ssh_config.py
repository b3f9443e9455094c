# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, includes and Match blocks as sshd reads them; the shadow copy of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import config, plan, shadow
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Complaint


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A main file with an Include at the top and a trailing Match, and two drop-ins."""
    (tmp_path / "sshd_config.d").mkdir()
    (tmp_path / "sshd_config").write_text(
        "# comment\nInclude sshd_config.d/*.conf\n\nX11Forwarding=yes\nMatch User bob\n  X11Forwarding no\n"
    )
    (tmp_path / "sshd_config.d/50-b.conf").write_text("MaxAuthTries 6\nMatch Group x\n  PermitTTY no\n")
    (tmp_path / "sshd_config.d/10-a.conf").write_text("maxauthtries\t3\n")
    (tmp_path / "sshd_config.d/.hidden.conf").write_text("Nonsense\n")
    return tmp_path


def load(etc: Path, overlay: dict[str, bytes | None] | None = None) -> config.ConfigTree:
    return config.load(str(etc / "sshd_config"), overlay)


def test_order_and_match(etc: Path) -> None:
    tree = load(etc)
    said = [(d.keyword, d.value, Path(d.path).name, d.line, d.match) for d in tree.directives]
    assert said == [
        ("include", "sshd_config.d/*.conf", "sshd_config", 2, ""),
        ("maxauthtries", "3", "10-a.conf", 1, ""),
        ("maxauthtries", "6", "50-b.conf", 1, ""),
        ("match", "Group x", "50-b.conf", 2, "Group x"),
        ("permittty", "no", "50-b.conf", 3, "Group x"),
        ("x11forwarding", "yes", "sshd_config", 4, ""),
        ("match", "User bob", "sshd_config", 5, "User bob"),
        ("x11forwarding", "no", "sshd_config", 6, "User bob"),
    ]


def test_overlay_adds_replaces_and_removes(etc: Path) -> None:
    drop = str(etc / "sshd_config.d")
    tree = load(etc, {drop + "/00-x.conf": b"MaxAuthTries 2\n", drop + "/10-a.conf": None, drop + "/50-b.conf": b""})
    assert [d.where for d in tree.directives if d.keyword == "maxauthtries"] == [drop + "/00-x.conf:1"]


def test_includes(etc: Path) -> None:
    drop = str(etc / "sshd_config.d")
    assert load(etc).includes(drop + "/00-x.conf")
    assert not load(etc).includes(drop + "/deeper/00-x.conf")
    (etc / "sshd_config").write_text("Match User bob\nInclude sshd_config.d/*.conf\n")
    assert not load(etc).includes(drop + "/00-x.conf")


def test_circles_are_an_error(etc: Path) -> None:
    (etc / "sshd_config.d/10-a.conf").write_text("Include 10-a.conf sshd_config.d/10-a.conf\n")
    with pytest.raises(StockadeError, match="include each other"):
        load(etc)


def test_shadow_keeps_lines_and_order(etc: Path) -> None:
    tree = load(etc, {str(etc / "sshd_config.d/00-x.conf"): b"MaxAuthTries 2\n"})
    with shadow.cast(tree) as copy:
        text = Path(copy.main).read_text().splitlines()
        included = text[1].split()[1:]
        assert [Path(copy.names[path]).name for path in included] == ["00-x.conf", "10-a.conf", "50-b.conf"]
        assert Path(included[0]).read_text() == "MaxAuthTries 2\n"
        assert text[3] == "X11Forwarding=yes"
        assert Path(copy.main).stat().st_mode & 0o777 == 0o600
        assert Path(copy.main).parent.stat().st_mode & 0o777 == 0o700
        [found] = copy.real([Complaint(included[1], 1, "bad " + included[1])])
        assert found == Complaint(
            str(etc / "sshd_config.d/10-a.conf"), 1, "bad " + str(etc / "sshd_config.d/10-a.conf")
        )
        kept = Path(copy.main).parent
    assert not kept.exists()


def test_an_include_of_nothing_stays_a_line(etc: Path) -> None:
    (etc / "sshd_config").write_text("Include none.d/*.conf\nX11Forwarding no\n")
    tree = load(etc)
    assert shadow.rewritten(tree, tree.main, {tree.main: "/x"}) == "# Include of nothing\nX11Forwarding no\n"


def test_ah29_e18_shadowed_names_the_winner(etc: Path) -> None:
    tree = load(etc)
    where = str(etc / "sshd_config.d/10-a.conf") + ":1"
    [found] = plan.shadowed(
        {"MaxAuthTries": "4", "UseDNS": "no"},
        wanted={"maxauthtries": ["4"], "usedns": ["no"]},
        effective={"maxauthtries": ["3"], "usedns": ["no"]},
        tree=tree,
        match=False,
    )
    assert found == "MaxAuthTries is '3' instead of '4', because of " + where


def test_eh5_shadowed_by_a_match_block(etc: Path) -> None:
    [found] = plan.shadowed(
        {"X11Forwarding": "no"},
        wanted={"x11forwarding": ["no"]},
        effective={"x11forwarding": ["yes"]},
        tree=load(etc),
        match=True,
    )
    assert found.endswith("sshd_config:6 (Match User bob)")


def test_additive_keywords(etc: Path) -> None:
    (etc / "sshd_config.d/10-a.conf").write_text("AllowUsers bob\nAcceptEnv LANG\n")
    [found] = plan.shadowed(
        {"AllowUsers": "operator", "AcceptEnv": "TZ"},
        wanted={"allowusers": ["operator"], "acceptenv": ["TZ"]},
        effective={"allowusers": ["operator", "bob"], "acceptenv": ["TZ", "LANG"]},
        tree=load(etc),
        match=False,
    )
    assert found.startswith("AllowUsers is 'bob operator' instead of 'operator'")
    assert found.endswith("10-a.conf:1")
