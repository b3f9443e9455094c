# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finding about sshd is made of, and what it is found in. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import ConfigTree
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.hostkeys import HostKey
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keywords import canonical
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.pam import CodeModule

SEVERITIES = ("high", "medium", "low", "info")
CIS = "CIS 5.1.{}"
AUDIT = "ssh-audit {}"

_CIS_RULE = re.compile(r"CIS (5\.1\.\d+)")
_AUDIT_PART = re.compile(r"ssh-audit (\w+)")


@dataclass(frozen=True)
class Finding:
    """``severity`` is one of SEVERITIES; ``reference`` a CIS rule of section 5.1 or a part of ssh-audit's policies."""

    id: str
    severity: str
    title: str
    evidence: str
    reference: str
    remedy: str

    def as_dict(self) -> dict[str, Any]:
        """With the ids of the references by themselves, for who filters by them."""
        rule, part = _CIS_RULE.search(self.reference), _AUDIT_PART.search(self.reference)
        return {**asdict(self), "cis": rule.group(1) if rule else "", "ssh_audit": part.group(1) if part else ""}


@dataclass
class Evidence:
    """What was seen of a host: ``effective`` outside of Match blocks, ``offered`` over the wire (empty: nobody was
    asked), ``modes`` the permission bits of configuration files and host keys, ``foreign`` those among them that are
    not root's, ``moduli`` bits to the number of primes (None: no file), ``code`` the PAM module for codes."""

    effective: dict[str, list[str]]
    tree: ConfigTree
    offered: dict[str, list[str]] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)
    host_keys: list[HostKey] = field(default_factory=list)
    moduli: dict[int, int] | None = None
    code: CodeModule | None = None

    def first(self, keyword: str, default: str = "") -> str:
        """The value of a keyword that has one."""
        return (self.effective.get(keyword) or [default])[0]


def source(tree: ConfigTree, keyword: str) -> str:
    """`` (file:line)`` of the line that counts, or that nobody says it."""
    said = [d for d in tree.directives if canonical(d.keyword) == keyword and not d.match]
    return " ({})".format(said[0].where) if said else " (sshd's default)"
