# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation shows exists: commands, options, variables. What it does, molecule/default tries on hosts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.splitter import parse_kv
from documented import ELSEWHERE, GUIDES, ROOT, Block, Command, blocks, commands, documents, name, prompts

from ansible_collections.stockade.fleet.plugins.module_utils._watcher_options import arguments, render
from stockade.cli.parser import parse
from stockade.watcher.samples import check_file

# Not in any role: the artifact of a job, and a host key.
OTHER_NAMES = {"stockade_report", "stockade_host_rsa_key"}

# Whole names: not a path, and not the beginning of several.
NAME = re.compile(r"(?<![\w/.])stockade_[a-z0-9_]*[a-z0-9]\b(?![/.*-]|_)")

DOCUMENTS = pytest.mark.parametrize("document", documents(), ids=name)


def every_command() -> list[Command]:
    return [command for document in documents() for command in commands(document)]


def every_block(language: str) -> list[Block]:
    return [block for document in documents() for block in blocks(document) if block.language == language]


def module_options(module: str, *inside: str) -> dict[str, Any]:
    """The documented options of a module by name and alias, or the suboptions of one of them."""
    source = (ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")
    (text,) = re.findall(r'^DOCUMENTATION = r?"""(.*?)"""', source, re.MULTILINE | re.DOTALL)
    options: dict[str, Any] = yaml.safe_load(text)["options"]
    for option in inside:
        options = options[option]["suboptions"]
    return {alias: value for key, value in options.items() for alias in [key, *value.get("aliases", [])]}


def role_options() -> dict[str, Any]:
    """The options of all roles and of all their entry points."""
    options: dict[str, Any] = {}
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            options.update(entry["options"])
    return options


def playbook_variables() -> set[str]:
    """What the playbooks themselves take."""
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("playbooks/*.yml")]
    return set(re.findall(r"\bstockade_\w+", "\n".join(texts)))


def markdown() -> list[Path]:
    return [path for there in ("*.md", "docs/**/*.md", "roles/**/*.md", "tests/**/*.md") for path in ROOT.glob(there)]


def mappings(data: object) -> Iterator[dict[str, Any]]:
    """Every mapping in a document of YAML."""
    if isinstance(data, dict):
        yield data
    for item in data.values() if isinstance(data, dict) else data if isinstance(data, list) else []:
        yield from mappings(item)


@pytest.mark.parametrize("page", markdown(), ids=name)
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not re.match(r"[a-z]+:", link) and not (page.parent / link).exists()] == []


@DOCUMENTS
def test_every_command_is_found(document: Path) -> None:
    """A command that is no command to the reader in documented.py would be run by nobody."""
    assert len(commands(document)) == prompts(document)


def test_what_is_run_elsewhere_is_still_documented() -> None:
    assert set(ELSEWHERE) <= {command.text for command in every_command()}


def test_every_guide_is_on_the_site_and_has_its_label() -> None:
    extra = yaml.safe_load((ROOT / "docs" / "docsite" / "extra-docs.yml").read_text(encoding="utf-8"))
    listed = [guide for section in extra["sections"] for guide in section["toctree"]]
    assert sorted(listed) == sorted(path.stem for path in GUIDES.glob("*.rst"))
    for path in GUIDES.glob("*.rst"):
        text = path.read_text(encoding="utf-8")
        assert f".. _ansible_collections.stockade.fleet.docsite.{path.stem}:" in text
        assert "SPDX-License-Identifier: GPL-3.0-or-later" in text


def test_the_rescue_guide_begins_with_the_command() -> None:
    (first, *_rest) = commands(GUIDES / "guide_rescue.rst")
    assert first.typed == "stockade release"
    assert (GUIDES / "guide_rescue.rst").read_text("utf-8").splitlines().index("  root@web1# stockade release") < 14


@DOCUMENTS
def test_every_variable_exists(document: Path) -> None:
    named = set(NAME.findall(document.read_text(encoding="utf-8")))
    assert named - set(role_options()) - playbook_variables() - OTHER_NAMES == set()


@pytest.mark.parametrize("block", every_block("yaml"), ids=str)
def test_every_block_of_yaml_says_what_the_roles_and_modules_take(block: Block) -> None:
    variables = role_options()
    for mapping in mappings(yaml.safe_load(block.text)):
        used = {key: value for key, value in mapping.items() if key in variables and "{{" not in str(value)}
        spec = {key: {**variables[key], "required": False} for key in used}
        assert ArgumentSpecValidator(spec).validate(used).error_messages == []
        for key, value in mapping.items():
            if str(key).startswith("stockade.fleet.") and isinstance(value, dict):
                assert set(value) <= set(module_options(key.rpartition(".")[2]))
        for variable, where in {
            "stockade_fail2ban_filters": ("fail2ban_filters", "filters"),
            "stockade_fail2ban_jails": ("fail2ban_jails", "jails"),
        }.items():
            for entry in mapping.get(variable, []):
                assert set(entry) <= set(module_options(*where)), variable


def watchers() -> list[tuple[Block, dict[str, Any]]]:
    """The blocks that declare what the watcher does, as options of its module."""
    start, found = "stockade_watcher_", []
    for block in every_block("yaml"):
        variables = next(mappings(yaml.safe_load(block.text)), {})
        taken = {key[len(start) :]: value for key, value in variables.items() if key.startswith(start)}
        taken.pop("engine", None)  # of the role alone
        if taken:
            found.append((block, taken))
    return found


@pytest.mark.parametrize(("block", "taken"), watchers(), ids=str)
def test_every_watcher_that_is_shown_would_run(block: Block, taken: dict[str, Any], tmp_path: Path) -> None:
    """On a web server where fail2ban has the logins of sshd, which is what the playbook harden makes."""
    validated = ArgumentSpecValidator(arguments()).validate(taken)
    assert validated.error_messages == []
    options = validated.validated_parameters
    detected = {"name": "nginx", "path": "/var/log/nginx/access.log", "format": "access"}
    (tmp_path / "watcher.toml").write_text(render(options, [*options["inputs"], detected]), encoding="utf-8")
    assert check_file(tmp_path / "watcher.toml") == []


def adhoc() -> list[tuple[str, str]]:
    """Module and arguments of every ad-hoc command."""
    found = []
    for command in every_command():
        words = shlex.split(command.text)
        if words[0] == "ansible":
            module = words[words.index("-m") + 1]
            found.append((module, words[words.index("-a") + 1] if "-a" in words else ""))
    return [pair for pair in dict.fromkeys(found) if pair[0].startswith("stockade.fleet.")]


@pytest.mark.parametrize(("module", "arguments"), adhoc())
def test_every_option_of_an_ad_hoc_command_exists(module: str, arguments: str) -> None:
    given = set(parse_kv(arguments))
    assert "_raw_params" not in given
    assert given <= set(module_options(module.rpartition(".")[2]))


def agent_commands() -> list[str]:
    """Every command line of the agent, in blocks and in running text, but those that are on their way."""
    texts = [command.text for command in every_command() if command.text.startswith("stockade ")]
    for document in documents():
        texts += re.findall(r"`(stockade [^`]+)`", document.read_text(encoding="utf-8"))
    return sorted({text.replace("\n", " ") for text in texts} - set(ELSEWHERE))


@pytest.mark.parametrize("text", agent_commands())
def test_every_command_line_of_the_agent_is_understood(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(text)[1:]
    if re.fullmatch(r"stockade( [a-z]+)+", text):  # a mere name, as in a sentence
        with pytest.raises(SystemExit) as left:
            parse([*words, "--help"])
        assert left.value.code == 0 and f"usage: {text} " in capsys.readouterr().out
        return
    options = parse(words)
    if words[0] == "unban":
        assert bool(options.networks) != options.all, "it wants addresses or --all"
