# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The primes for Diffie-Hellman group exchange (moduli(5)): which are long enough. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

SHORTEST = 3072


def moduli(before: bytes) -> bytes:
    """The file without primes under 3072 bits. Comments stay.

    Raises StockadeError when none would be left: sshd would then fall back to primes of its own, or find nothing.
    """
    kept = []
    primes = 0
    for line in before.splitlines(keepends=True):
        bits = _bits(line)
        if bits is None and line.strip() and not line.lstrip().startswith(b"#"):
            continue
        if bits is None or bits >= SHORTEST:
            kept.append(line)
            primes += bits is not None
    if not primes:
        raise StockadeError(
            "no prime of {} bits or more is among the moduli: nothing would be left; make some with"
            " ssh-keygen -M generate, or leave them with moduli: false".format(SHORTEST)
        )
    return b"".join(kept)


def sizes(content: bytes) -> dict[int, int]:
    """Bits to the number of primes that have them."""
    counted: dict[int, int] = {}
    for line in content.splitlines():
        bits = _bits(line)
        if bits is not None:
            counted[bits] = counted.get(bits, 0) + 1
    return dict(sorted(counted.items()))


def _bits(line: bytes) -> int | None:
    """The length of a line's prime; None for comments and lines that are no prime."""
    words = line.split()
    if len(words) != 7 or words[0].startswith(b"#") or not words[4].isdigit():
        return None
    return int(words[4]) + 1  # the file counts from 0
