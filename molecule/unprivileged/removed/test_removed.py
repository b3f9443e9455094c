# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the removal the host is as it was, /etc/hosts.deny to the byte."""

from __future__ import annotations

from collections.abc import Callable


def test_dh9_the_host_is_as_it_was(differences: Callable[..., list[str]]) -> None:
    assert differences("plain") == []
