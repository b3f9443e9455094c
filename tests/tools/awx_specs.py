# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""awx_specs.py COLLECTION MODULE...: print as JSON which options modules of an unpacked awx.awx collection take.

Types, choices, aliases and what is required, from the modules' own documentation, without its words. Tests hold
docs/examples/awx against it. `tests/data/awx/awx-24.6.1.json` was made this way, from the collection as it comes in the
package `ansible` 12.3.0:

    python tests/tools/awx_specs.py ansible_collections/awx/awx inventory project … >tests/data/awx/awx-24.6.1.json
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import yaml

KEPT = ("type", "elements", "choices", "required", "aliases")


def documentation(path: Path) -> dict[str, Any]:
    """The DOCUMENTATION of a plugin's file, or of a documentation fragment's."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
            loaded: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return loaded
    raise SystemExit(f"{path}: has no DOCUMENTATION")


def options_of(collection: Path, module: str) -> dict[str, Any]:
    """Option to what is known of it, those of documentation fragments of the same collection included."""
    told = documentation(collection / "plugins" / "modules" / f"{module}.py")
    fragments = told.get("extends_documentation_fragment", [])
    options = dict(told["options"])
    for fragment in [fragments] if isinstance(fragments, str) else fragments:
        name = fragment.removeprefix("awx.awx.")
        options.update(documentation(collection / "plugins" / "doc_fragments" / f"{name}.py")["options"])
    return {
        name: {key: option[key] for key in KEPT if option.get(key) not in (None, False)}
        for name, option in sorted(options.items())
    }


def one_option_a_line(facts: dict[str, Any]) -> str:
    """The facts as JSON that is read and compared line by line."""
    lines = json.dumps({**facts, "modules": {}}, indent=1).splitlines()[:-2]
    modules = []
    for module, options in facts["modules"].items():
        rows = ",\n".join(f"   {json.dumps(name)}: {json.dumps(option)}" for name, option in options.items())
        modules.append(f"  {json.dumps(module)}: {{\n{rows}\n  }}")
    return "\n".join([*lines, ' "modules": {', ",\n".join(modules), " }", "}"])


def main(collection: Path, modules: list[str]) -> None:
    """Print the facts."""
    manifest = json.loads((collection / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]
    runtime = yaml.safe_load((collection / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    facts = {
        "collection": f"{manifest['namespace']}.{manifest['name']}",
        "version": manifest["version"],
        "made_by": "tests/tools/awx_specs.py, from the documentation of the collection's modules",
        "action_groups": {"controller": sorted(set(runtime["action_groups"]["controller"]) & set(modules))},
        "modules": {module: options_of(collection, module) for module in sorted(modules)},
    }
    print(one_option_a_line(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
