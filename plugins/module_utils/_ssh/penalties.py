# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PerSourcePenalties: how sshd itself makes who misbehaves wait, by version. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import re
from typing import Any, Callable, Iterable, Mapping, Tuple

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Version

Run = Callable[..., Tuple[int, str, str]]

KEYWORD = "PerSourcePenalties"
_FIRST = (9, 8)
# Since when there is a key; those that are not named came with the keyword itself.
_SINCE = {"refuseconnection": (9, 9), "invaliduser": (10, 3)}
_DURATIONS = ("crash", "authfail", "invaliduser", "noauth", "grace-exceeded", "refuseconnection", "max", "min")
_COUNTS = ("max-sources4", "max-sources6")
_OVERFLOWS = ("overflow", "overflow6")
_PATIENCE = 15  # seconds that sshd lets add up before it refuses (its default for min)

_DURATION = re.compile(r"^(?:\d+[smhdw]?)+$", re.IGNORECASE)
_PART = re.compile(r"(\d+)([smhdw]?)")
# What the daemon says when it turns a connection away, and (LogLevel VERBOSE) when a penalty begins to count. Other
# reasons to drop a connection, and penalties that still add up, are none.
_PENALISED = re.compile(
    r"(?:drop connection #\d{1,9} from \[(?P<dropped>[0-9A-Fa-f:.]{2,45})\]:\d{1,5} on \[[^\]\s]{1,80}\]:\d{1,5}"
    r"|srclimit_penalise: (?P<begun>[0-9A-Fa-f:.]{2,45}/\d{1,3}): activating ipv[46] penalty of \d{1,9} seconds for"
    r"|srclimit_penalise: ipv[46]: new (?P<new>[0-9A-Fa-f:.]{2,45}/\d{1,3}) active penalty of \d{1,9} seconds for)"
    r" penalty: (?P<reason>[A-Za-z][A-Za-z ]{1,79})"
)
_MOST = 100  # addresses that are told
_RECENT = 10  # minutes, what a penalty lasts at most unless the site says otherwise
_MOST_LINES = 5000  # who is turned away may come back a hundred times a second
_JOURNAL_SECONDS = 10  # a journal of many GB takes longer, and then nobody is told
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def render_penalties(penalties: Mapping[str, Any], version: Version) -> tuple[str, list[str]]:
    """The value for sshd ("" if it has no use for one) and warnings.

    What this OpenSSH does not know is left out with a warning: sshd would not start with it, and one fleet has many
    versions. Raises StockadeError for what no version knows.
    """
    given = {str(key).replace("_", "-").lower(): _value(str(key), value) for key, value in penalties.items()}
    if not given:
        return "", []
    if version.number < _FIRST:
        return "", ["{} has no {}: left out".format(version.text, KEYWORD)]
    late = [key for key in given if version.number < _SINCE.get(key, _FIRST)]
    warnings = ["{} has no {} in {}: left out".format(version.text, key, KEYWORD) for key in late]
    patience = seconds(given.get("min", str(_PATIENCE)))
    warnings += [
        "{} {}:{} refuses an address after its first mistake; the controller's own knocks count, so"
        " have it on the whitelist".format(KEYWORD, key, given[key])
        for key in ("authfail", "noauth")
        if key in given and seconds(given[key]) > patience
    ]
    order = _DURATIONS + _COUNTS + _OVERFLOWS
    return " ".join("{}:{}".format(key, given[key]) for key in order if key in given and key not in late), warnings


def parse_penalties(value: str) -> dict[str, Any]:
    """What ``sshd -T`` says as data: ``enabled`` and key to seconds, count or word."""
    if value in ("", "no"):
        return {"enabled": False, "values": {}}
    values: dict[str, Any] = {}
    for word in value.split():
        key, _colon, text = word.partition(":")
        values[key] = seconds(text) if _DURATION.match(text) else text
    return {"enabled": True, "values": values}


def penalised(run: Run) -> list[dict[str, Any]]:
    """Whom sshd turned away in the last ten minutes; nobody where the journal does not tell. See parse_penalised.

    Of root's own sshd only: anybody may log in its name.
    """
    argv = ["timeout", str(_JOURNAL_SECONDS), "journalctl", "--quiet", "--no-pager", "--reverse", "--output=json"]
    argv += ["--output-fields=MESSAGE", "--since=-{}min".format(_RECENT), "--lines={}".format(_MOST_LINES)]
    argv += ["--grep=^(drop connection #|srclimit_penalise: .*activ)", "_UID=0", "_COMM=sshd", "_COMM=sshd-session"]
    rc, out, _err = run(argv)
    return parse_penalised(out.splitlines()) if rc == 0 else []


def parse_penalised(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Whom sshd turned away, last first: ``address``, newest ``reason``, ``count`` of lines and ``last`` (ISO 8601).

    ``lines`` are the journal's entries of sshd in JSON, newest first. What is not exactly sshd's sentence is passed
    over; at most 100 addresses are told.
    """
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        try:
            entry = json.loads(line)
            match = _PENALISED.fullmatch(entry["MESSAGE"])
            if match is None:
                continue
            address = _address(match.group("dropped") or match.group("begun") or match.group("new"))
            moment = datetime.datetime.fromtimestamp(int(entry["__REALTIME_TIMESTAMP"]) // 10**6, datetime.timezone.utc)
        except (ValueError, TypeError, KeyError, OverflowError, OSError):
            continue  # no JSON, bytes instead of a text, no address
        if address in found or len(found) < _MOST:
            last = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
            new = {"address": address, "reason": match.group("reason"), "count": 0, "last": last}
            found.setdefault(address, new)["count"] += 1
    return list(found.values())


def _address(text: str) -> str:
    """An address; a network where ``PerSourceNetBlockSize`` says so. Raises ValueError."""
    network = ipaddress.ip_network(text)
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def seconds(duration: str) -> int:
    """Seconds of a time in sshd's notation, such as ``90`` or ``1m30s``."""
    return sum(int(count) * _SECONDS[unit] for count, unit in _PART.findall(duration.lower()))


def _value(given: str, value: Any) -> str:
    key = given.replace("_", "-").lower()
    if key not in _DURATIONS + _COUNTS + _OVERFLOWS:
        raise StockadeError("cannot set {}: it has no {!r}".format(KEYWORD, given))
    text = "0" if value is False else str(value).strip().lower()
    if key in _DURATIONS and _DURATION.match(text):
        return text + "s" if text.isdigit() else text
    if (key in _COUNTS and text.isdigit() and int(text) > 0) or (
        key in _OVERFLOWS and text in ("permissive", "deny-all")
    ):
        return text
    kind = "a time such as 30s (0 turns it off)" if key in _DURATIONS else "a number above 0"
    kind = "permissive or deny-all" if key in _OVERFLOWS else kind
    raise StockadeError("cannot set {} of {} to {!r}: it wants {}".format(given, KEYWORD, value, kind))
