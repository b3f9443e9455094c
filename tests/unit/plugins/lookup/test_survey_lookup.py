# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup survey: it reads variables as they were given, and is documented as it is."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

from ansible_collections.stockade.fleet.plugins.lookup import survey


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The lookup with its documented options, without a loader of collections around it."""
    documented = yaml.safe_load(survey.DOCUMENTATION)["options"]

    def look(variables: dict[str, Any], **options: Any) -> Any:
        assert set(options) <= set(documented)
        plugin = survey.LookupModule(loader=DataLoader(), templar=Templar(DataLoader(), variables=variables))
        given = {name: options.get(name, option.get("default")) for name, option in documented.items()}
        monkeypatch.setattr(plugin, "set_options", lambda **_: None)
        monkeypatch.setattr(plugin, "get_option", given.__getitem__)
        return plugin.run(["field"], variables)

    return look


def test_networks_are_one_value_and_limits_are_handed_on(look: Any) -> None:
    assert look({"field": "192.0.2.1 192.0.2.2"}, kind="networks") == [["192.0.2.1", "192.0.2.2"]]
    for limit in ({"widest_ipv4": 24}, {"widest_ipv6": 48}, {"most": 1}):
        with pytest.raises(AnsibleLookupError, match="^field"):
            look({"field": "198.18.0.0/23 2001:db8::/47"}, kind="networks", **limit)


@pytest.mark.parametrize("value", [None, "", " \n"])
def test_what_says_nothing_is_the_default(look: Any, value: Any) -> None:
    """An optional question of a survey that nobody answered comes as an empty text, or not at all."""
    assert look({"field": value}, kind="hosts", default="all") == ["all"]
    assert look({}, kind="line", default="") == [""]
    with pytest.raises(AnsibleLookupError, match="^field: is not set"):
        look({"field": value}, kind="networks")


def test_hosts_are_those_of_the_inventory(look: Any) -> None:
    variables = {"field": "web1", "groups": {"all": ["web1"]}}
    assert look(variables, kind="hosts", default="all") == ["web1"]
    with pytest.raises(AnsibleLookupError, match="^field: web1: no group"):
        look({"field": "web1", "groups": {"all": ["db1"]}}, kind="hosts", default="all")


@pytest.mark.parametrize("kind", ["duration", "line", "name"])
def test_every_other_kind_is_a_text(look: Any, kind: str) -> None:
    assert look({"field": "permanent"}, kind=kind) == ["permanent"]


def test_every_kind_is_documented() -> None:
    documented = yaml.safe_load(survey.DOCUMENTATION)
    assert documented["options"]["kind"]["choices"] == ["networks", "hosts", "duration", "line", "name"]
    assert documented["name"] == "survey"
    assert issubclass(AnsibleLookupError, AnsibleError) and lookup_loader
