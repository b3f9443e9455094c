# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is hardened for one test and given back as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lockouthosts import Host

# Names, modes, owners and contents; sshd's run leaves nothing else there.
_EVERYTHING = r"""
cd /etc/ssh
find . -printf '%p %m %u:%g\n' | LC_ALL=C sort
find . -type f -exec sha256sum {} + | LC_ALL=C sort
"""


@pytest.fixture
def guest(host: Host) -> Iterator[Host]:
    """What the test hardens is taken away again, and nothing is left of it, not even a mode."""
    before = host.shell(_EVERYTHING)
    yield host
    gone = host.harden(state="absent")
    assert not gone["failed"], gone
    assert host.shell(_EVERYTHING) == before
