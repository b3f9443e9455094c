# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which country an address belongs to, from a file on the controller and from nowhere else.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import importlib
import re
import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_networks import RESERVED, Key, text_of

UNKNOWN_COUNTRY = "??"
_CODE = re.compile(r"[A-Z]{2}\Z")


class Countries:
    """Two-letter codes out of a database in MaxMind's format.

    Without a ``path``, without the library ``maxminddb`` or with a file that cannot be read every country is ``??``;
    ``note`` says why, and is empty if nobody asked for countries.
    """

    def __init__(self, path: str = "") -> None:
        self.note = ""
        self._reader: t.Any = None
        self._of_ipv6 = False
        if not path:
            return
        try:
            maxminddb = importlib.import_module("maxminddb")
        except ImportError:
            self.note = "countries are unknown: the Python library maxminddb is not installed on the controller"
            return
        try:
            self._reader = maxminddb.open_database(path)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as e:
            self.note = "countries are unknown: cannot read %s: %s" % (path, getattr(e, "strerror", None) or e)
            return
        self._of_ipv6 = self._reader.metadata().ip_version == 6

    def __bool__(self) -> bool:
        return self._reader is not None

    def of(self, key: Key) -> str:
        """The country of the network's first address; ``??`` if it is not known or the network is nobody's."""
        if self._reader is None or RESERVED.touches(key):
            return UNKNOWN_COUNTRY
        version, first, _length = key
        if version == 6 and not self._of_ipv6:
            self.note = "countries of IPv6 addresses are unknown: the database is of IPv4 only"
            return UNKNOWN_COUNTRY
        try:
            found = self._reader.get(text_of((version, first, 32 if version == 4 else 128)))
        except Exception as e:  # a damaged file: the library raises whatever its decoder stumbles over
            self.note = "some countries are unknown: the database is damaged (%s)" % type(e).__name__
            return UNKNOWN_COUNTRY
        return _code(found)

    def close(self) -> None:
        """Let the file go."""
        if self._reader is not None:
            self._reader.close()


def _code(found: t.Any) -> str:
    """The code in a record of any of the usual makers."""
    if not isinstance(found, t.Mapping):
        return UNKNOWN_COUNTRY
    for name in ("country", "country_code", "registered_country"):
        value = found.get(name)
        code = value.get("iso_code") if isinstance(value, t.Mapping) else value
        if isinstance(code, str) and _CODE.match(code):
            return code
    return UNKNOWN_COUNTRY
