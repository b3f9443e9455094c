# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: what makes events a ban. A rule takes events and gives verdicts, and knows nothing of files or the warden.

`judges_of` puts the rules of a configuration together: those of the same type and the same kind of key count in one
tally, so that a request costs about the same whether one rule or five count it.
"""

from __future__ import annotations

from collections.abc import Sequence

from stockade.watcher.clients import DEFAULT_KEY
from stockade.watcher.config import Config, Rule
from stockade.watcher.config.rules import USER
from stockade.watcher.rules.judge import Judge, MessageJudge, RequestJudge
from stockade.watcher.rules.messages import ByUser, Messages
from stockade.watcher.rules.probes import Probes
from stockade.watcher.rules.requests import Rates
from stockade.watcher.rules.tally import MAX_HELD, MAX_RULES, MAX_TRACKED, Tally

_MAX_TRACKED_RARE = 20_000  # clients of a rule that meets few of them
_MAX_HELD_RARE = 2**20  # bytes


def judges_of(config: Config, kinds: Sequence[str], *, max_tracked: int = MAX_TRACKED) -> list[Judge]:
    """The judges of a configuration. `kinds` are the kinds of keys of a Client, in their order."""
    found: list[Judge] = []
    groups = _groups(config.rules)
    shared = sum(rules[0].type == "rate" and not _is_by_status(rules[0]) for rules in groups)
    for rules in groups:
        rule, covered = rules[0], _covered(config, rules)
        if rule.type == "rate" and not _is_by_status(rule):
            tally = Tally(rules, max_tracked=max(1, max_tracked // shared), max_held=MAX_HELD // shared)
        else:
            tally = Tally(rules, max_tracked=min(max_tracked, _MAX_TRACKED_RARE), max_held=_MAX_HELD_RARE)
        if rule.type == "rate":
            found.append(Rates(tally, key_index=kinds.index(rule.key), covered=covered))
        elif rule.type == "probe":
            found.append(Probes(rule, tally, key_index=kinds.index(rule.key), covered=frozenset(covered)))
        elif rule.key == USER:
            found.append(ByUser(tally, key_index=kinds.index(DEFAULT_KEY), covered=covered))
        else:
            found.append(Messages(tally, key_index=kinds.index(rule.key), covered=covered))
    return found


def _groups(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Rules that count together."""
    groups: dict[tuple[str, ...], list[list[Rule]]] = {}
    for rule in rules:
        apart = rule.name if rule.type == "probe" else "status" if _is_by_status(rule) else ""
        together = groups.setdefault((rule.kind, rule.key, apart), [[]])
        if len(together[-1]) == MAX_RULES:
            together.append([])
        together[-1].append(rule)
    return [group for together in groups.values() for group in together]


def _is_by_status(rule: Rule) -> bool:
    """Whether it counts by the answer: few requests, that would be looked for again and again in windows of all."""
    return rule.type == "rate" and bool(rule.status)


def _covered(config: Config, rules: Sequence[Rule]) -> dict[str, int]:
    """Input -> which of these rules count it, as a mask; inputs that none counts are left out."""
    masks: dict[str, int] = {}
    for index, rule in enumerate(rules):
        for entry in config.inputs_of(rule):
            masks[entry.name] = masks.get(entry.name, 0) | 1 << index
    return masks


__all__ = ["Judge", "MessageJudge", "RequestJudge", "judges_of"]
