# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared lists, from a task's own entries or from files on the controller, as the warden is asked for them.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

A file is first asked about by a digest of its content and of the options that matter. Only what the warden does not
hold as that digest says is asked of the controller, see plugin_utils/_list_action.py.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import typing as t
import zlib

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._warden import (
    WardenAbsent,
    WardenClient,
    WardenRefused,
    as_entries,
    ask,
    require_root,
)

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

FORMAT = 2  # counts up when the same file comes to mean something else
MANY = 1000  # entries; a task with more of them takes seconds and hundreds of megabytes on the controller
SHOWN = 100
RECORDED = "recorded, NOT in force"  # how the warden begins where only the firewall refused
Answer = t.Dict[str, t.Any]


class Declared(t.NamedTuple):
    """One list; ``entries`` is None while they are still on the controller, ``options`` go into the request."""

    name: str
    entries: list[t.Any] | None
    options: dict[str, t.Any]
    src: str | None = None
    digest: str | None = None

    def networks(self) -> list[str]:
        """What it names."""
        return [entry if isinstance(entry, str) else entry["network"] for entry in self.entries or []]

    def fields(self) -> dict[str, t.Any]:
        """The fields of the request."""
        fields = dict(self.options, list=self.name, entries=self.entries)
        return dict(fields, digest=self.digest) if self.digest else fields


def main_list(module: AnsibleModule, **options: t.Any) -> Declared:
    """The list that the task's ``src`` or ``entries`` are, with the request's ``options``."""
    params = module.params
    if params["src"] is not None:
        return from_file(params, params["name"], params["src"], options)
    entries = as_entries(params["entries"] or [], "entries")
    if len(entries) > MANY:
        module.warn(
            "%d entries in one task are slow on the controller: above %d put them into a file, one network a line, "
            "and name it as src" % (len(entries), MANY)
        )
    return Declared(params["name"], entries, options)


def from_file(params: dict[str, t.Any], name: str, src: str, options: dict[str, t.Any]) -> Declared:
    """The list of one file. Raises StockadeError if the action plugin did not read it."""
    if not src:
        raise StockadeError("src: names no file: is the variable behind it empty?")
    read = (params["digests"] or {}).get(src)
    if read is None:
        raise StockadeError("src %s was not read: use the module's full name, stockade.fleet.…" % src)
    covered = json.dumps([FORMAT, name, sorted(options.items()), read])
    packed = (params["contents"] or {}).get(src)
    entries = None if packed is None else json.loads(zlib.decompress(base64.b64decode(packed)))
    return Declared(name, entries, options, src, "sha256:" + hashlib.sha256(covered.encode()).hexdigest())


def members(params: dict[str, t.Any], options: dict[str, t.Any]) -> list[Declared]:
    """The lists that the task's ``files`` are; an item's own options win over ``options``.

    Raises StockadeError if two of them have one name.
    """
    lists: dict[str, Declared] = {}
    for item in params["files"] or []:
        name = _member(params["name"], item["name"])
        if name in lists:
            raise StockadeError("files: two of them have the name %r" % item["name"])
        own = {key: item[key] for key in options if item.get(key) is not None}
        lists[name] = from_file(params, name, item["src"], dict(options, **own))
    return list(lists.values())


def left(name: str, present: t.Iterable[str], wanted: t.Container[str]) -> list[Declared]:
    """The lists of files that are ``present`` on the host and not ``wanted``, as empty ones."""
    gone = [item for item in dict.fromkeys(present) if item.startswith(_member(name, "")) and item not in wanted]
    return [Declared(item, [], {"prune": True}) for item in gone]


def _member(name: str, file: str) -> str:
    """A file's list: what begins with the name of the task's list and a dot belongs to it."""
    return "%s.%s" % (name, file)


def known(module: AnsibleModule, op: str, lists: list[Declared]) -> dict[str, Answer]:
    """The warden's answers, by list, for those files that it holds as they are.

    Raises StockadeError if the warden knows no digests.
    """
    require_root()
    answers = {}
    for declared in lists:
        if declared.digest and declared.entries is None:
            answer = _ask_digest(module, op, declared)
            if answer["known"]:
                answers[declared.name] = answer
    return answers


def needed(lists: list[Declared], answers: dict[str, Answer]) -> Answer | None:
    """The result that asks the controller for the files that are not among ``answers``; None if there are none."""
    sources = [item.src for item in lists if item.src and item.entries is None and item.name not in answers]
    return {"changed": True, "contents_needed": list(dict.fromkeys(sources))} if sources else None


def _ask_digest(module: AnsibleModule, op: str, declared: Declared) -> Answer:
    try:
        return WardenClient().call(op, list=declared.name, digest=declared.digest)
    except WardenRefused as error:
        if "knows no 'digest'" not in str(error):
            raise
        raise StockadeError("the agent of this host is older than list files: apply stockade.fleet.agent") from None
    except WardenAbsent:
        if not module.check_mode:
            raise
        return {"known": False}  # predicted from the content, with a warning


def carry_out(module: AnsibleModule, op: str, lists: list[Declared], predict: t.Callable[[Declared], Answer]) -> Answer:
    """Ask for each list; the answers by the lists' names.

    All are tried before one is changed, so that a bad entry in the last file finds the host as it was. The longest
    needs no trial: it is changed first, and one list is changed as a whole or not at all. Where only the firewall
    refuses, all are recorded, and the error comes at the end.
    """
    ordered = sorted(lists, key=lambda item: -len(item.entries or []))
    if not module.check_mode:
        for declared in ordered[1:]:
            with _naming(declared):
                WardenClient().call(op, check=True, **declared.fields())
    answers, behind = {}, None
    for declared in ordered:
        try:
            with _naming(declared):
                answers[declared.name] = ask(module, op, predict(declared), **declared.fields())
        except StockadeError as error:
            if RECORDED not in str(error):
                raise
            behind = behind or error  # the others are recorded too: who may never be banned, above all
    if behind is not None:
        raise behind
    return answers


@contextlib.contextmanager
def _naming(declared: Declared) -> t.Iterator[None]:
    """Put the file's name before what the warden says about its entries."""
    try:
        yield
    except WardenRefused as error:
        if declared.src is None:
            raise
        raise StockadeError("%s: %s" % (declared.src, error)) from None


def summed(answers: dict[str, Answer], keys: t.Iterable[str]) -> dict[str, int]:
    """The counts of all lists together."""
    return {key: sum(answer.get("counts", {}).get(key, 0) for answer in answers.values()) for key in keys}


def shown(answers: dict[str, Answer], key: str) -> list[t.Any]:
    """What the lists have under ``key``, at most 100."""
    return [item for answer in answers.values() for item in answer.get(key, [])][:SHOWN]


def lines(items: list[str], count: int) -> list[str]:
    """Lines of a difference: the items, and how many more there are."""
    return items + ["... and %d more" % (count - len(items))] if count > len(items) else items
