# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the modules that take list files: send a digest, and the file only to hosts that want it.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import typing as t
import zlib
from pathlib import Path

from ansible.errors import AnsibleError, AnsibleFileNotFound

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.plugin_utils import _answer
from ansible_collections.stockade.fleet.plugins.plugin_utils._list_file import ListFile, parse, visible

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

_OURS = "stockade_"  # begins the variables of the roles
_NAMED = re.compile(r": cannot (?:ban|whitelist) ([0-9a-fA-F.:/]+): ")  # the warden's words behind the file's name


def run(
    action: ActionBase,
    module: str,
    task_vars: dict[str, t.Any] | None,
    *,
    remark_key: str,
    removes_src: bool = False,
) -> dict[str, t.Any]:
    """The outcome of ``module``: one round trip where the host holds the lists as their files say, two otherwise.

    ``remark_key`` is what the warden calls the comment of an entry; with ``removes_src``, ``state: absent`` takes out
    what the file names, so that it is read. The digest is of the file's bytes: a file that the
    warden took once was a good one, so it is not even parsed.
    """
    arguments = dict(action._task.args)

    def ask() -> dict[str, t.Any]:
        outcome = _answer.cleaned(
            action._execute_module(module_name=module, module_args=arguments, task_vars=task_vars)
        )
        for key in ("digests", "contents"):
            outcome.get("invocation", {}).get("module_args", {}).pop(key, None)
        return outcome

    try:
        sources = _sources(arguments, removes_src)
        if sources:
            _refuse_posing(task_vars)
        contents = {src: _read(action, src) for src in sources}
        arguments["digests"] = {src: hashlib.sha256(content).hexdigest() for src, content in contents.items()}
        outcome = ask()
        needed = outcome.pop("contents_needed", [])
        if needed:
            if not isinstance(needed, list) or not all(src in list(contents) for src in needed):
                raise StockadeError("the host asked for a file that the task does not name: %.200r" % (needed,))
            lists = {src: parse(contents[src], src, remark_key) for src in needed}
            arguments["contents"] = {src: _packed(found) for src, found in lists.items()}
            outcome = _located(ask(), lists)
    except StockadeError as error:
        return {"failed": True, "msg": str(error)}
    return outcome


def _refuse_posing(task_vars: dict[str, t.Any] | None) -> None:
    """Raise StockadeError if a fact of the host poses as a variable of ours, which could name any file here."""
    posing = sorted(str(name) for name in (task_vars or {}).get("ansible_facts") or {} if str(name).startswith(_OURS))
    if posing:
        raise StockadeError(
            "no list file is read for this host: its facts include %s, which is the name of a variable of the play. "
            "Find out which module told it, the host may be in other hands" % visible(", ".join(posing))
        )


def _read(action: ActionBase, src: str) -> bytes:
    """The bytes of a file, found as ``copy`` finds its ``src``, and decrypted if it is in a vault."""
    try:
        path = action._loader.get_real_file(action._find_needle("files", src))
        try:
            return Path(path).read_bytes()
        finally:
            action._loader.cleanup_tmp_file(path)  # of what was in a vault; any other file is left alone
    except AnsibleFileNotFound:
        where = "in files/ of the role, in files/ beside the playbook, beside it, in the working directory"
        raise StockadeError("no list file %s on the controller (%s): give its full path" % (src, where)) from None
    except AnsibleError as error:
        raise StockadeError("cannot read the list file %s: %s" % (src, error)) from None
    except OSError as error:
        raise StockadeError("cannot read the list file %s: %s" % (src, error.strerror)) from None


def _sources(arguments: dict[str, t.Any], removes_src: bool) -> list[str]:
    """The files that the task needs. What is not well-formed here is the module's to refuse."""
    absent = arguments.get("state") == "absent"  # a list that goes as a whole needs no file
    found = [] if absent and not removes_src else [arguments.get("src")]
    items = arguments.get("files")
    if isinstance(items, list) and not absent:
        found += [item.get("src") for item in items if isinstance(item, dict)]
    return list(dict.fromkeys(src for src in found if isinstance(src, str) and src))


def _packed(found: ListFile) -> str:
    text = json.dumps(found.entries, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 1)).decode()


def _located(outcome: dict[str, t.Any], lists: dict[str, ListFile]) -> dict[str, t.Any]:
    """``outcome``, with the line where it names a file and a network of it."""
    message = str(outcome.get("msg", ""))
    for src, found in lists.items():
        named = _NAMED.match(message, len(src)) if outcome.get("failed") and message.startswith(src) else None
        if named and named.group(1) in found.lines:
            outcome["msg"] = "%s, line %d%s" % (src, found.lines[named.group(1)], message[len(src) :])
            outcome.pop("exception", None)  # it would be shown beside the message, without the line
    for item in outcome.get("refused", []):
        if item.get("src") in lists:
            item["line"] = lists[item["src"]].lines.get(item["network"])
    return outcome
