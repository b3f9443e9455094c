# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the roles were told `absent`: nothing is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jailhosts import ADDRESSES, Target, both


@pytest.mark.parametrize("name", ADDRESSES)
def test_the_host_is_as_it_was(differences: Callable[..., list[str]], name: str) -> None:
    assert differences(name) == []


@both
def test_nobody_is_refused_any_more(target: Target) -> None:
    assert target.client.reaches(target) and target.client.reaches(target, 22)


@both
def test_a_package_that_two_roles_needed_went_with_the_last_of_them(target: Target) -> None:
    """side_effect.yml; on Debian 13 it was there before us."""
    found = target.shell("python3", "-I", "-c", "import systemd.journal; print('there')", check=False)
    assert (found == "") == target.old
