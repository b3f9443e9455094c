# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which country an address belongs to, from a file of the host and from nowhere else."""

from __future__ import annotations

import importlib
import re
from typing import Any

from stockade.addresses import NEVER_BANNED, PRIVATE, Network, NetworkIndex

UNKNOWN = "??"
_NOBODYS = NetworkIndex([*PRIVATE, *NEVER_BANNED])
_CODE = re.compile(r"[A-Z]{2}")


class Countries:
    """Two-letter codes out of a file in MaxMind's format, by the distribution's python3-maxminddb.

    Without a file every country is `??`. Where one is wanted and cannot be used, `problem` says why.
    """

    def __init__(self, path: str = "") -> None:
        self.problem = ""
        self._reader: Any = None
        self._of_ipv6 = False
        if not path:
            return
        try:
            self._reader = importlib.import_module("maxminddb").open_database(path)
            self._of_ipv6 = self._reader.metadata().ip_version == 6
        except ImportError:
            self.problem = "countries are unknown: python3-maxminddb is not installed"
        except Exception as error:  # of the library's own kinds too, which cannot be named without it
            self.problem = f"countries are unknown: cannot read {path}: {getattr(error, 'strerror', None) or error}"

    def of(self, network: Network) -> str:
        """The country of the network's first address; `??` if it is not known, or the address is nobody's."""
        if self._reader is None or _NOBODYS.around(network):
            return UNKNOWN
        if network.version == 6 and not self._of_ipv6:
            self.problem = "countries of IPv6 addresses are unknown: the database is of IPv4 only"
            return UNKNOWN
        try:
            return _code(self._reader.get(network.address))
        except Exception as error:  # a damaged file: the library raises whatever its decoder stumbles over
            self.problem = f"some countries are unknown: the database is damaged ({type(error).__name__})"
            return UNKNOWN


def _code(found: object) -> str:
    """The code in a record of any of the usual makers."""
    if not isinstance(found, dict):
        return UNKNOWN
    for name in ("country", "country_code", "registered_country"):
        value = found.get(name)
        code = value.get("iso_code") if isinstance(value, dict) else value
        if isinstance(code, str) and _CODE.fullmatch(code):
            return code
    return UNKNOWN
