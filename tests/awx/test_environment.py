# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment: what the collection says it needs, and that the example is an image's recipe."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = Path("docs/examples/awx/execution-environment.yml")
# What ansible-core itself depends on, and what is ours.
GIVEN = {"ansible", "ansible_collections", "jinja2", "yaml", "packaging", "cryptography", "stockade"}
PROGRAMS = Path(sys.executable).parent

needs_builder = pytest.mark.skipif(
    importlib.util.find_spec("ansible_builder") is None, reason="ansible-builder is not installed"
)


def run(*words: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(PROGRAMS / words[0]), *words[1:]],
        cwd=cwd,
        env={"PATH": f"{PROGRAMS}:/usr/bin:/bin", "HOME": str(cwd), "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def requirements(name: str) -> list[str]:
    """The lines of a requirements file that say something."""
    lines = (ROOT / "meta" / name).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git knows of this checkout, with the collection that `make build` makes of it."""
    tree = tmp_path_factory.mktemp("tree")
    run("python", str(ROOT / "tests/tools/export_tree.py"), str(tree), cwd=ROOT)
    run("ansible-galaxy", "collection", "build", "--output-path", "build", cwd=tree)
    return tree


@pytest.fixture(scope="module")
def context(tree: Path) -> Path:
    """The build context that ansible-builder makes of the example."""
    run("ansible-builder", "create", "-f", str(EXAMPLE), "-c", "context", cwd=tree)
    return tree / "context"


@needs_builder
def test_the_collection_says_what_it_needs(tree: Path) -> None:
    """What ansible-builder finds in the installed collection is what the files in meta/ say, and not a tool of ours."""
    tarball = next((tree / "build").glob("*.tar.gz"))
    run("ansible-galaxy", "collection", "install", str(tarball), "-p", "installed", "--offline", cwd=tree)
    found = yaml.safe_load(run("ansible-builder", "introspect", "installed", cwd=tree).partition("---")[2])
    told = {kind: [line.partition("#")[0].strip() for line in found[kind]] for kind in ("python", "system")}
    assert told == {"python": requirements("ee-requirements.txt"), "system": requirements("ee-bindep.txt")}
    assert any(line.startswith("openssh-client") for line in told["system"])


def imports(node: ast.AST, *, optional: bool = False) -> Iterator[tuple[str, bool]]:
    """Every package that is imported, and whether its absence is caught."""
    for child in ast.iter_child_nodes(node):
        caught = optional
        if isinstance(node, ast.Try) and child in node.body:
            caught = caught or any("ImportError" in ast.unparse(one.type) for one in node.handlers if one.type)
        if isinstance(child, ast.Import):
            yield from ((name.name.partition(".")[0], caught) for name in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield child.module.partition(".")[0], caught
        yield from imports(child, optional=caught)


def test_python_packages_are_those_that_the_controllers_half_imports() -> None:
    """One that must be there is named, and none is named that nothing imports."""
    found: dict[str, bool] = {}
    for folder in ("action", "filter", "lookup", "plugin_utils"):
        for path in (ROOT / "plugins" / folder).glob("*.py"):
            for name, optional in imports(ast.parse(path.read_text(encoding="utf-8"))):
                found[name] = found.get(name, True) and optional
    foreign = {name: optional for name, optional in found.items() if name not in GIVEN | sys.stdlib_module_names}
    named = {re.split(r"[^\w-]", line)[0].lower().replace("-", "_") for line in requirements("ee-requirements.txt")}
    assert {name for name, optional in foreign.items() if not optional} <= named
    assert {name for name in named if not any(name.startswith(one.lower()) for one in foreign)} == set()


def test_the_version_is_that_of_the_collection() -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    example = (ROOT / EXAMPLE).read_text(encoding="utf-8")
    assert set(re.findall(r"stockade-fleet-([0-9.]+)\.tar", example)) == {version}
    assert set(re.findall(r"stockade-ee:([0-9.]+)", example)) == {version}


@needs_builder
def test_the_example_is_a_recipe(context: Path) -> None:
    """It names the collection's tarball, ansible-core, ansible-runner, and nothing of awx.awx."""
    recipe = (context / "Containerfile").read_text(encoding="utf-8")
    assert "ansible-core>=" in recipe and "ansible-runner>=" in recipe
    assert "awx.awx" not in recipe + (context / "_build" / "requirements.yml").read_text(encoding="utf-8")


@needs_builder
def test_its_galaxy_stage_installs_the_collection(context: Path, tmp_path: Path) -> None:
    """The command of the recipe's own stage, where that stage runs it."""
    command = ["collection", "install", "-r", "requirements.yml", "--collections-path", str(tmp_path / "collections")]
    run("ansible-galaxy", *command, "--offline", cwd=context / "_build")
    assert (tmp_path / "collections/ansible_collections/stockade/fleet/plugins/modules/ban.py").is_file()


def test_the_ignored_names_leave_what_a_run_needs(tree: Path) -> None:
    """A new folder of this repository does not slip into the collection."""
    with tarfile.open(next((tree / "build").glob("*.tar.gz"))) as packed:
        names = {Path(name).parts[0] for name in packed.getnames()}
    assert names - {"MANIFEST.json", "FILES.json", "CHANGELOG.md"} == {
        "LICENSE",
        "README.md",
        "meta",
        "playbooks",
        "plugins",
        "roles",
    }


def test_the_collection_needs_no_other() -> None:
    """collections/requirements.yml names this repository, by which a project of AWX installs itself."""
    told = yaml.safe_load((ROOT / "collections/requirements.yml").read_text(encoding="utf-8"))
    assert told == {"collections": [{"name": ".", "type": "dir"}]}
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"] == {}
