# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the roles were told `absent`: nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from jailhosts import ADDRESSES, Target, both, role


@pytest.mark.parametrize("name", ADDRESSES)
def test_the_host_is_as_it_was(differences: Callable[..., list[str]], name: str) -> None:
    """E2: files, units, rules, listeners, accounts."""
    # what the tests themselves had the shop write
    assert [line for line in differences(name) if "/var/log/shop/" not in line] == []


@both
def test_nobody_is_refused_any_more(target: Target) -> None:
    assert target.client.reaches(target) and target.client.reaches(target, 22)


def test_e10_mail_that_nobody_would_send_is_refused(operator: Any) -> None:
    """E10: in one sentence, and before anything changed."""
    done = role(playbook="refuse_mail.yml")
    assert done.returncode != 0
    assert "this host has no program sendmail: install one that delivers mail" in " ".join(done.stdout.split())
    for name in ADDRESSES:
        assert operator.shell(name, "ls", "/etc/fail2ban/action.d/stockade.py").returncode != 0
