# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages in a real browser. Without Chromium, its driver or selenium every test is skipped, and says why."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests/bench")]
runpy.run_path(str(ROOT / "tests/unit/conftest.py"))  # makes the collection importable

from chromium import Browser, missing  # noqa: E402  # the path comes first

PICTURES = ROOT / "build/report"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip where there is nothing to test with."""
    reason = missing()
    for item in items if reason else ():
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; each opens its page anew."""
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    """A desktop's screen, light."""
    chromium.look()
    return chromium


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Callable[..., Browser]:
    """Open the page of a report."""
    from ansible_collections.stockade.fleet.plugins.plugin_utils._report_page import page

    def opened(report: Any, audit: Any = None) -> Browser:
        path = tmp_path / "index.html"
        path.write_text(page(report, audit), encoding="utf-8")
        browser.open(path)
        return browser

    return opened


@pytest.fixture
def keep(browser: Browser) -> Callable[[str], None]:
    """Keep a picture of what is seen, build/report/NAME.png."""
    return lambda name: browser.keep(PICTURES / f"{name}.png")
