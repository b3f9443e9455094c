# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The front door. Every target makes what it needs first, from a fresh clone on: system packages (apt), the Python
# environment (.venv, from requirements/dev-*.txt), the images and hosts of the test fleet. A second run is quick.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The ansible-core version everything runs on, and those on which sanity and unit tests run as well where the machine
# has a Python for them. requirements/dev-2.18.txt is there too: make sanity unit CORES_MORE="2.18 2.21"
CORE_MAIN := 2.19
CORES_MORE ?= 2.21
CORES := $(CORES_MORE) $(CORE_MAIN)
LOCKED_2.18 := 2.18.19
LOCKED_2.19 := 2.19.14
LOCKED_2.21 := 2.21.5

# The scenarios of make test; make test-slow runs all of them.
SCENARIOS := watcher fail2ban default report lockout bans unprivileged
SCENARIO ?=
BENCH ?=

PYTHON := $(CURDIR)/.venv/bin/python
FLEET := $(PYTHON) tests/fleet/fleet.py
TOOLS := tests/tools
VERSION := $(shell sed -n 's/^version: *//p' galaxy.yml)
TARBALL := build/stockade-fleet-$(VERSION).tar.gz

export CORE_MAIN
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.collections
unexport PYTHONPATH VIRTUAL_ENV

# One thing after the other: they share apt, environments and hosts.
.NOTPARALLEL:

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name what; do \
	    printf '  make %-12s %s\n' "$$name" "$$what"; done

.PHONY: demo
demo: fleet-packages venv ## Boot three real hosts, harden them, attack them, show the ban report
	@tests/demo/demo.sh

.PHONY: demo-down
demo-down: venv ## Remove the hosts of demo and tests
	@$(FLEET) down

.PHONY: test
test: fleet-packages venv venv-more ## Lint, sanity, molecule, unit tests, jobs, pages: what .ci/run does
	@$(TOOLS)/stages.sh lint molecule // sanity unit jobs pages

.PHONY: test-slow
test-slow: fleet-packages venv ## Every molecule scenario and the slow unit tests: long campaigns
	@$(TOOLS)/stages.sh molecule-all unit-slow jobs-more

.PHONY: lint
lint: venv ## ansible-lint, yamllint, ruff, mypy, antsibull-docs, antsibull-changelog, house rules
	@$(TOOLS)/lint.sh

.PHONY: format
format: venv ## Let ruff put right what it can
	@ruff check --fix --quiet . || true
	@ruff format .

.PHONY: sanity
sanity: venv venv-more ## ansible-test sanity, no ignore entries
	@$(TOOLS)/sanity.sh $(CORES)

.PHONY: unit
unit: venv venv-more ## Unit tests of the plugins and of the agent
	@$(TOOLS)/unit.sh $(CORES_MORE) -- -m "not slow and not fleet" tests/unit
	@$(TOOLS)/unit.sh $(CORE_MAIN) -- -m "not slow and not fleet" tests/unit tests/agent

.PHONY: unit-slow
unit-slow: venv venv-more
	@$(TOOLS)/unit.sh $(CORE_MAIN) -- -m "slow and not fleet" tests/unit tests/agent
	@$(TOOLS)/unit.sh $(CORES_MORE) -- -m "not slow and not fleet" tests/agent # it knows nothing of Ansible: another Python

.PHONY: jobs
jobs: venv ## The playbooks as AWX runs them, with ansible-runner
	@$(PYTHON) -m pytest --no-header tests/awx

.PHONY: jobs-more
jobs-more: venv
	@$(TOOLS)/venv.sh 2.18
	@$(PYTHON) -m pytest --no-header tests/awx

.PHONY: pages
pages: venv ## The report in a browser; screenshots in build/report
	@$(TOOLS)/packages.sh requirements/browser.txt
	@$(PYTHON) -m pytest --no-header tests/browser

.PHONY: molecule
molecule: fleet ## The molecule scenarios on the test fleet, or one [SCENARIO=name]
	@for scenario in $(or $(SCENARIO),$(SCENARIOS)); do $(TOOLS)/molecule.sh "$$scenario"; done

.PHONY: molecule-all
molecule-all: fleet
	@export STOCKADE_CAMPAIGN=full; for scenario in molecule/*/molecule.yml; do \
	    $(MAKE) molecule SCENARIO="$$(basename "$$(dirname "$$scenario")")"; done

.PHONY: bench
bench: fleet ## The benches [BENCH=name], figures into build/bench
	@mkdir -p build/bench
	@[ -n "$(BENCH)$(wildcard tests/bench/[a-z]*.py)" ] || echo "==> bench: none yet in tests/bench"
	@for bench in $(if $(BENCH),$(BENCH:%=tests/bench/%.py),$(sort $(wildcard tests/bench/[a-z]*.py))); do \
	    echo "==> bench: $$(basename "$$bench" .py)"; $(PYTHON) "$$bench"; done

.PHONY: docs
docs: venv ## The documentation site of modules and roles, in build/docs
	@$(TOOLS)/docs.sh

.PHONY: build
build: venv ## The collection's tarball, in build/
	@$(PYTHON) $(TOOLS)/export_tree.py build/tree
	@ansible-galaxy collection build build/tree --output-path build --force >build/galaxy-build.log 2>&1 || \
	    { cat build/galaxy-build.log >&2; exit 1; }
	@echo "==> $(TARBALL)"

.PHONY: clean
clean: ## Remove everything made here: hosts, environments, build/
	@if [ -d build/fleet ] && [ -x $(PYTHON) ]; then $(FLEET) down; fi
	@rm -rf build .collections .ansible .venv .venv-* .mypy_cache .ruff_cache .pytest_cache tests/output
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the targets above stand on.

.PHONY: fleet
fleet: fleet-packages venv
	@$(FLEET) up

.PHONY: packages
packages:
	@$(TOOLS)/packages.sh requirements/system.txt

.PHONY: fleet-packages
fleet-packages:
	@$(TOOLS)/packages.sh requirements/system.txt tests/fleet/packages.txt

.PHONY: venv
venv: packages .collections/ansible_collections/stockade/fleet
	@$(TOOLS)/venv.sh $(CORE_MAIN)

.PHONY: venv-more
venv-more: packages
	@for core in $(CORES_MORE); do $(TOOLS)/venv.sh "$$core" optional; done

.collections/ansible_collections/stockade/fleet:
	@mkdir -p $(@D)
	@ln -sfn ../../.. $@

.PHONY: lock
lock:
	@$(TOOLS)/lock.sh 2.18 $(LOCKED_2.18) test
	@$(TOOLS)/lock.sh 2.19 $(LOCKED_2.19) dev
	@$(TOOLS)/lock.sh 2.21 $(LOCKED_2.21) test
