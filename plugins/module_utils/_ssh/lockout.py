# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a change shut out the operator? The ways in as they are, as they would be, and the one in use. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.access import Ways
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keys import Key
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.used import Used

_KEYS_NAMED = 5
_PASSWORDS = ("password", "keyboard-interactive")
# Ways that are not judged further than by their switch.
_SWITCHES = {"gssapi-with-mic": "gssapiauthentication", "hostbased": "hostbasedauthentication"}


def judge(
    now: Ways, then: Ways, used: Used | None, user: str, effective: dict[str, list[str]] | None = None
) -> tuple[str, list[str]]:
    """Why the change must not be made ("" if it may), and warnings. ``effective`` is how it would be.

    A way in use that is known and stays is enough. One that is not known may be any that works now, so all must stay.
    """
    lost = _lost(now, then)
    named = "; ".join(lost.values())
    if not then.open:
        text = "{} would not get in again: {}".format(user, "; ".join(then.closed))
        others = ["{}: {}".format(key, reason) for key, reason, _keyword in then.refused if key.fingerprint not in lost]
        if lost or others:
            text += "; these are the keys: " + "; ".join([*lost.values(), *others][:_KEYS_NAMED])
        return text + "; add a key of {} that opens a shell first".format(user), []
    if not _has_keys(then) and _has_keys(now):
        reason = named or "; ".join(then.closed)
        return "the keys of {} would not work any more: {}".format(user, reason), []
    warning = ["keys of {} that work now will not work any more: {}".format(user, named)] if lost else []
    method = used.method if used else ""
    if used and used.fingerprint in lost:
        text = "the key that {} is logged in with would not work any more: {}".format(user, lost[used.fingerprint])
        return text, []
    if used and used.fingerprint and used.fingerprint in {key.fingerprint for key in then.usable}:
        return "", warning
    if method in _PASSWORDS:
        if "password" in then.open:
            return "", warning
        text = "{} is logged in with a password, and passwords would go off; log in with the key once ({})"
        return text.format(user, "; ".join(way for way in then.open)), []
    if method in _SWITCHES and (effective or {}).get(_SWITCHES[method], ["no"])[0] != "yes":
        return "{} is logged in by {}, which would go off; log in with a key once".format(user, method), []
    if method in _SWITCHES:
        return "", warning
    gone = [way for way in now.unjudged if way not in then.unjudged]
    unknown = "the log does not say which key {} is logged in with, and".format(user)
    if lost or gone:
        return "{} this would stop working: {}".format(unknown, "; ".join([*lost.values(), *gone])), []
    if method != "publickey" and "password" in now.open and "password" not in then.open:
        return (
            "the log does not say whether {} is logged in with a key or a password, and passwords would go off;"
            " make sure that one of the keys works ({})".format(user, "; ".join(then.open))
        ), []
    return "", []


def _has_keys(ways: Ways) -> bool:
    return bool(ways.usable or ways.unjudged)


def _lost(now: Ways, then: Ways) -> dict[str, str]:
    """Fingerprint to text, for every key that works now and would not: which, why, and what to do."""
    stay = {key.fingerprint for key in then.usable}
    gone = {key.fingerprint: key for key in now.usable if key.fingerprint not in stay}
    return {fingerprint: _explain(key, then) for fingerprint, key in gone.items()}


def _explain(key: Key, then: Ways) -> str:
    reason, keyword = next(
        ((reason, keyword) for other, reason, keyword in then.refused if other.fingerprint == key.fingerprint),
        (then.no_keys or "AuthorizedKeysFile does not lead to it", "" if then.no_keys else "AuthorizedKeysFile"),
    )
    step = "log in with another key, or leave the setting to the host with settings: {{{}: null}}".format(keyword)
    if keyword == "RequiredRSASize":
        step = "log in with an ed25519 key or a longer one, or set settings: {{RequiredRSASize: {}}}".format(key.bits)
    return "{}: {}".format(key, reason) + ("; " + step if keyword else "")
