# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that come with the watcher; docs/decisions/0014 says why they are as they are.

`default` is for any site, without looking: what people and their programs do stays below it. `strict` adds what a site
has to know of itself: one request for a decoy, names that nobody here has. `original` is 30 requests of any kind in a
minute. `none` has no rules.
"""

from __future__ import annotations

from stockade.watcher.config.rules import Rule

# 401 is not among them: a page whose session ended goes on asking, and logins have a rule of their own.
_REFUSED = ("400", "403", "404", "405", "414", "429", "444")
_DEFAULT = (
    Rule("errors", status=_REFUSED, reason="refused requests"),
    Rule("requests", maxretry=300),
    Rule("requests-all", maxretry=1200, exclude_static=False),
    Rule("probes", "probe", maxretry=3, findtime=600, duration=3600),
    Rule("logins", "failures", maxretry=5, findtime=600, duration=3600),
)
_NAMES = ("admin", "administrator", "guest", "oracle", "pi", "postgres", "root", "test", "ubnt", "user")
PRESETS: dict[str, tuple[Rule, ...]] = {
    "default": _DEFAULT,
    "strict": (
        *_DEFAULT,
        Rule("decoys", "probe", maxretry=1, findtime=600, duration=86_400, wide=True),
        Rule("names", "users", maxretry=2, findtime=86_400, duration=86_400, names=_NAMES, ignore_case=True),
    ),
    "original": (Rule("original", exclude_static=False),),
    "none": (),
}
LOOKBACK = {"original": 3600}  # seconds
