# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep text of foreign origin from ever being taken for a template.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import importlib.util
import typing as t

# From core 2.19 on only what the author of a playbook wrote is a template: nothing to do.
_MARKED_BY_CORE = importlib.util.find_spec("ansible.module_utils.datatag") is not None


def foreign(value: t.Any) -> t.Any:
    """The value, marked for core 2.18, which would render a fact that holds ``{{ … }}`` when it is used again."""
    if _MARKED_BY_CORE:
        return value
    from ansible.utils.unsafe_proxy import wrap_var

    return wrap_var(value)
