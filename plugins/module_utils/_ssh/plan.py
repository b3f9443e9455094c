# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drop-in should hold, and whether sshd would really do what it says. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import (
    DROPIN,
    ConfigTree,
    Directive,
    split_line,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keys import parse_authorized_keys
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keywords import (
    ADDITIVE,
    LINE_EACH,
    MAY_BE_MORE,
    canonical,
    check_keyword,
    render_value,
    spelling,
    suggestion,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.matchblocks import MATCH
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Complaint, Version

_HEADER = (
    "# Managed by stockade.fleet, module ssh_hardening; changes made here are overwritten.\n"
    "# Sorts before the other files of this directory: for most keywords sshd keeps the first value it meets.\n"
)


_BEFORE_8_7 = {"KbdInteractiveAuthentication": "ChallengeResponseAuthentication"}
_ALREADY = re.compile(r"Subsystem '([^']+)' already defined")


@dataclass(frozen=True)
class Wish:
    """What was asked for; None stands for not asked."""

    state: str = "present"
    profile: str = "modern"
    settings: dict[str, Any] = field(default_factory=dict)
    permit_root_login: str | None = None
    password_authentication: bool | None = None
    allow_users: list[str] | None = None
    allow_groups: list[str] | None = None
    operator: str | None = None
    force: bool = False
    port: int | None = None
    host_keys: list[str] | None = None
    host_key_rsa_bits: int | None = None
    moduli: bool | None = None
    match_blocks: list[dict[str, Any]] | None = None
    banner: str | None = None
    forwarding: str | None = None
    per_source_penalties: dict[str, Any] | None = None
    user_ca_keys: list[str] | None = None
    principals: dict[str, list[str]] | None = None
    two_factor: bool = False
    two_factor_exempt: list[str] | None = None

    @classmethod
    def of(cls, params: dict[str, Any]) -> Wish:
        """From a module's parameters."""
        return cls(**{name: params[name] for name in cls.__dataclass_fields__ if name in params})


def asked_for(wish: Wish) -> dict[str, str | None]:
    """The keywords that were asked for by name, as sshd reads them; None leaves a keyword to the host.

    Raises StockadeError for what cannot be a setting and for keywords given twice.
    """
    typed = {
        "PermitRootLogin": wish.permit_root_login,
        "PasswordAuthentication": wish.password_authentication,
        "AllowUsers": wish.allow_users or None,
        "AllowGroups": wish.allow_groups or None,
    }
    asked: dict[str, str | None] = {}
    for keyword, value in [(k, v) for k, v in typed.items() if v is not None] + list(wish.settings.items()):
        name = check_keyword(str(keyword))
        if canonical(name) in [canonical(other) for other in asked]:
            raise StockadeError("cannot set {}: it is given twice".format(name))
        for item in value if canonical(name) in ("allowusers", "allowgroups") and isinstance(value, list) else []:
            if len(str(item).split()) != 1:
                raise StockadeError("cannot set {} to {!r}: one name an entry".format(name, item))
        asked[name] = None if value is None else render_value(name, value)
    return asked


def merge(
    defaults: dict[str, str], asked: dict[str, str | None], known: Mapping[str, object] | None = None
) -> dict[str, str]:
    """The profile's values with those asked for on top, by name; ``known`` is what the host's ``sshd -T`` prints."""
    named = {canonical(keyword) for keyword in asked}
    merged = {keyword: value for keyword, value in defaults.items() if canonical(keyword) not in named}
    merged.update({keyword: value for keyword, value in asked.items() if value is not None})
    if "challengeresponseauthentication" in (known or {}):
        # OpenSSH before 8.7: it turns the other one on, whatever that says, and off with itself.
        merged = {_BEFORE_8_7.get(keyword, keyword): value for keyword, value in merged.items()}
    return dict(sorted(merged.items(), key=lambda item: item[0].lower()))


def render(settings: dict[str, str]) -> bytes:
    """The drop-in. The same settings always give the same bytes."""
    lines = []
    for keyword, value in settings.items():
        values = value.split() if canonical(keyword) in LINE_EACH else [value]
        lines += ["{} {}\n".format(keyword, part) for part in values]
    return (_HEADER + "".join(lines)).encode("utf-8", "surrogateescape")


def explain(complaints: list[Complaint], *, content: bytes, version: Version) -> str:
    """What sshd has against the composed configuration, in terms of our settings where they are the cause."""
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    texts = []
    aside = ""
    for complaint in complaints:
        if not complaint.path:
            # Such as `Unsupported KEX algorithm "x"`, said before the line that names the place.
            aside = (aside + " " + complaint.text).strip()
            continue
        said = split_line(lines[complaint.line - 1]) if complaint.line <= len(lines) else None
        twice = _ALREADY.search(complaint.text)
        if twice and _our_subsystem(twice.group(1), lines):
            texts.append(
                "cannot set Subsystem: {}:{} sets {} already, and OpenSSH before 9.5 takes no second one; leave it out"
                " of settings, or remove that line".format(complaint.path, complaint.line, twice.group(1))
            )
            aside = ""
            continue
        if complaint.path != DROPIN or said is None:
            texts.append("{}:{}: {}".format(complaint.path, complaint.line, complaint.text))
        elif "Bad configuration option" in complaint.text:
            texts.append(
                "{} does not know the keyword {}{}".format(version.text, _as_given(said[0], lines), suggestion(said[0]))
            )
        elif "Deprecated option" in complaint.text or "Unsupported option" in complaint.text:
            texts.append("{} ignores the keyword {}".format(version.text, _as_given(said[0], lines)))
        else:
            detail = complaint.text + (" ({})".format(aside) if aside else "")
            texts.append("cannot set {} to {!r}: {}".format(spelling(said[0]), said[1], detail))
        aside = ""
    return "; ".join(texts + ([aside] if aside else []))


def shadowed(
    settings: dict[str, str],
    *,
    wanted: dict[str, list[str]],
    effective: dict[str, list[str]],
    tree: ConfigTree,
    match: bool,
) -> list[str]:
    """Where sshd would not do what the drop-in says, and who is to blame.

    ``wanted`` is what sshd makes of the drop-in alone, ``effective`` what it makes of the whole; ``match`` looks at
    Match blocks (the values of one connection) instead of the lines outside of them.
    """
    found = []
    for keyword in settings:
        key = canonical(keyword)
        want, have = sorted(wanted.get(key, [])), sorted(effective.get(key, []))
        if key in LINE_EACH:
            want = sorted(settings[keyword].split())
        if key not in wanted or want == have or (key in MAY_BE_MORE and set(want) <= set(have)):
            continue
        culprits = tree.foreign(keyword, match=match)
        if match and _meant(culprits, have):
            continue
        if key not in ADDITIVE and not match:
            culprits = culprits[:1]
        blame = ", ".join(d.where + (" (Match {})".format(d.match) if d.match else "") for d in culprits)
        found.append(
            "{} is {!r} instead of {!r}, because of {}".format(
                keyword, " ".join(have), " ".join(want), blame or "something outside of the files"
            )
        )
    return found


def without_host_keys(settings: dict[str, str], public_keys: list[str]) -> tuple[dict[str, str], list[str]]:
    """Leave out what would leave the daemon without a host key to show; returns the settings and the reasons.

    ``public_keys`` are the texts of the host's .pub files.
    """
    present = [key for text in public_keys for key in parse_authorized_keys(text)]
    accepted = settings.get("HostKeyAlgorithms", "").split(",")
    least = settings.get("RequiredRSASize", "0")
    smallest = int(least) if least.isdigit() else 0
    if not present or accepted == [""]:
        return settings, []
    for key in present:
        names = {"rsa-sha2-512", "rsa-sha2-256"} if key.kind == "ssh-rsa" else {key.kind}
        if names.intersection(accepted) and (key.kind != "ssh-rsa" or key.bits >= smallest):
            return settings, []
    left = {k: v for k, v in settings.items() if k not in ("HostKeyAlgorithms", "RequiredRSASize")}
    kinds = ", ".join(sorted(key.kind for key in present))
    return left, ["HostKeyAlgorithms and RequiredRSASize are left alone: the only host keys are {}".format(kinds)]


def _as_given(keyword: str, lines: list[str]) -> str:
    return next((line.split()[0] for line in lines if line.lower().startswith(keyword + " ")), keyword)


def _meant(culprits: list[Directive], have: list[str]) -> bool:
    """Whether the value comes from a Match block that was asked for."""
    ours = [directive for directive in culprits if directive.path == MATCH]
    return bool(ours) and (len(ours) == len(culprits) or any(d.value.split() == " ".join(have).split() for d in ours))


def _our_subsystem(name: str, lines: list[str]) -> bool:
    said = [split_line(line) for line in lines]
    return any(pair is not None and pair[0] == "subsystem" and pair[1].split()[:1] == [name] for pair in said)
