# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules about fail2ban take, and what is the same in all of them.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._errors import StockadeError
from ._converge import Host, Wish, converge

#: What is to be true, parts of the result, and warnings.
Told = Tuple[Wish, Dict[str, Any], List[str]]
#: Result and warnings.
Outcome = Tuple[Dict[str, Any], List[str]]

_TEXT: dict[str, Any] = {"type": "str"}
_FLAG: dict[str, Any] = {"type": "bool"}
_NUMBER: dict[str, Any] = {"type": "int"}
_MAPPING: dict[str, Any] = {"type": "dict"}
_TEXTS: dict[str, Any] = {"type": "list", "elements": "str"}
_MAPPINGS: dict[str, Any] = {"type": "list", "elements": "dict"}


def _each(names: str, spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: dict(spec) for name in names.split()}


JAIL: dict[str, dict[str, Any]] = {
    **_each(
        "filter mode protocol backend datepattern usedns findtime bantime bantime_factor bantime_multipliers", _TEXT
    ),
    **_each("bantime_maxtime bantime_rndtime ignorecommand banaction banaction_allports", _TEXT),
    **_each("enabled bantime_increment bantime_overalljails", _FLAG),
    **_each("maxretry maxlines", _NUMBER),
    **_each("port logpath journalmatch failregex ignoreregex action if_present", _TEXTS),
    "options": dict(_MAPPING),
}
_SAMPLES: dict[str, Any] = {
    "type": "dict",
    "options": {
        "must_match": {
            **_MAPPINGS,
            "default": [],
            "options": {
                "line": {"type": "str", "required": True},
                "address": {"type": "str", "required": True},
                "time": {"type": "str"},
            },
        },
        "must_not_match": {**_TEXTS, "default": []},
        "logtype": {"type": "str", "choices": ["file", "journal"], "default": "file"},
        "options": dict(_MAPPING),
    },
}
FILTER: dict[str, dict[str, Any]] = {
    **_each("before after prefregex datepattern", _TEXT),
    **_each("failregex ignoreregex journalmatch", _TEXTS),
    **_each("maxlines", _NUMBER),
    **_each("options init", _MAPPING),
    "samples": _SAMPLES,
    "allow_open": {"type": "bool", "default": False},
}
ACTION: dict[str, dict[str, Any]] = {
    **_each("before after actionstart actionstop actioncheck actionban actionunban actionflush actionprolong", _TEXT),
    **_each("norestored", _FLAG),
    **_each("timeout", _NUMBER),
    **_each("options init", _MAPPING),
}


def module_spec(plural: str, entry: dict[str, dict[str, Any]], **more: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a module that declares many of a kind, or one by options at the top."""
    return {
        plural: {**_MAPPINGS, "default": [], "options": {"name": {"type": "str", "required": True}, **entry}},
        "name": dict(_TEXT),
        **entry,
        **more,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "prune": {"type": "bool", "default": False},
        "config_dir": {"type": "path", "default": "/etc/fail2ban"},
    }


def entries(params: dict[str, Any], plural: str, entry: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what a module's arguments declare: the list, or the one at the top.

    Raises StockadeError for both at once, and for options at the top that belong to nothing.
    """
    listed: list[dict[str, Any]] = params[plural]
    given = [key for key in entry if params[key] is not None and params[key] != entry[key].get("default")]
    if params["name"] is None:
        if given:
            raise StockadeError("%s without name: say which one, or put it into %s" % (", ".join(given), plural))
        return listed
    if listed:
        raise StockadeError("name and %s are both given: put all of them into %s" % (plural, plural))
    return [{"name": params["name"], **{key: params[key] for key in entry}}]


def validated(plural: str, given: list[Any], entry: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries of a list that another module's arguments hold, with types and defaults.

    Raises StockadeError for what is no such entry.
    """
    spec = {plural: {**_MAPPINGS, "options": {"name": {"type": "str", "required": True}, **entry}}}
    told = ArgumentSpecValidator(spec).validate({plural: given})
    if told.error_messages:
        raise StockadeError("%s: %s" % (plural, told.error_messages[0]))
    found: list[dict[str, Any]] = told.validated_parameters[plural]
    return found


def be_module(spec: dict[str, Any], work: Callable[[dict[str, Any], Host, bool, bool], Outcome]) -> None:
    """Be a module about fail2ban.

    :param work: takes parameters, host, check mode and whether a diff is asked for; returns result and warnings
    """
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    module.run_command_environ_update = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}  # answers are read, in any language
    host = Host(
        run=module.run_command,
        find=module.get_bin_path,
        config_dir=module.params["config_dir"],
        scratch=os.path.join(module.tmpdir, "shadow"),
    )
    try:
        if os.geteuid() != 0:
            raise StockadeError("cannot manage fail2ban: needs root: add -b (become)")
        result, warnings = work(module.params, host, module.check_mode, module._diff)
    except (StockadeError, OSError) as e:  # of a full disk, while the copy is made: nothing was changed
        module.fail_json(msg=str(e))
    for warning in warnings:
        module.warn(warning)
    module.exit_json(**result)


def run_module(spec: dict[str, Any], wish: Callable[[dict[str, Any], Host, bool], Told]) -> None:
    """Be a module that declares files: ``wish`` says what is to be true."""

    def work(params: dict[str, Any], host: Host, check: bool, diff: bool) -> Outcome:
        wanted, told, warnings = wish(params, host, check)
        result, more = converge(wanted, host, check=check, diff=diff)
        return dict(result, **told), warnings + more

    be_module(spec, work)
