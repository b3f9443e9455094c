# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the collection.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations


class StockadeError(Exception):
    """Something could not be done; the text names the object, the reason and the next step.

    Raised anywhere below a module's main, caught there once and given to ``fail_json``.
    """
