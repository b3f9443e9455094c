# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of the documentation finds commands in Markdown and RST, and compares answers."""

from __future__ import annotations

from pathlib import Path

import documented
import pytest

MARKDOWN = """\
text

```console
$ one --option    # words to the reader
shown …
root@web1# two \\
    more    # exits with 2
```

```yaml
key: $ not a command
```
"""
RST = """\
Text

.. code-block:: console

  $ one --option    # words to the reader
  shown …

  root@web1# two \\
      more    # exits with 2

- item

  .. code-block:: yaml

    key: value

after
"""


@pytest.mark.parametrize(("suffix", "text"), [("md", MARKDOWN), ("rst", RST)])
def test_commands_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, text: str) -> None:
    monkeypatch.setattr(documented, "ROOT", tmp_path)
    document = tmp_path / f"page.{suffix}"
    document.write_text(text, encoding="utf-8")
    one, two = documented.commands(document)
    assert (one.host, one.text, one.exits_with, one.shown) == ("", "one --option", 0, ("shown …",))
    assert (two.host, two.text, two.exits_with, two.shown) == ("web1", "two more", 2, ())
    assert two.typed == "two \\\n    more    # exits with 2"
    assert documented.prompts(document) == 2
    assert [block.language for block in documented.blocks(document)] == ["console", "yaml"]
    assert one.block.document == f"page.{suffix}" and one.block.line == 3


def test_a_quotation_goes_over_several_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documented, "ROOT", tmp_path)
    document = tmp_path / "page.md"
    document.write_text(
        "```console\n$ awk '\n  { print }'\nshown\n$ two    # what's next\nmore\n```\n", encoding="utf-8"
    )
    one, two = documented.commands(document)
    assert (one.typed, one.shown, two.shown) == ("awk '\n  { print }'", ("shown",), ("more",))


def test_answers_are_compared_line_by_line_and_in_order() -> None:
    block = documented.Block("page", 1, "console", "")
    command = documented.Command(block, "", "x", ("state … (nft)", "bans (a.b)"))
    assert command.missing("  state ok (nft)\nother\nbans (a.b) and more\n") == []
    assert command.missing("bans (a.b)\nstate ok (nft)\n") == ["bans (a.b)"]
    assert command.missing("bans (aXb)\n") == ["state … (nft)", "bans (a.b)"]
