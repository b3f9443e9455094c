# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium that looks at one page of ours, and tells what the page did."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

# What a page of ours must never do; recorded from before its first line.
_RECORDER = """
window.violations = [];
document.addEventListener("securitypolicyviolation", function (event) {
  window.violations.push(event.violatedDirective + " " + event.blockedURI + " " + event.sample);
}, true);
"""
_OWN = ("file:", "about:", "chrome:", "devtools:")


def missing() -> str:
    """Why there is no browser to test with; empty if there is one."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "the Python library selenium is not installed"
    for name in ("chromium", "chromedriver"):
        if not shutil.which(name):
            return f"there is no {name} on this machine"
    return ""


class Browser:
    """One Chromium with a profile of its own, which is gone after `close`."""

    def __init__(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        self._profile = tempfile.mkdtemp(prefix="stockade-browser-")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or "chromium"
        for argument in (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", f"--user-data-dir={self._profile}",
        ):  # fmt: skip
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.driver: Any = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.cdp("Page.enable")
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source=_RECORDER)
        self.look(width=width, height=height, dark=dark)

    def close(self) -> None:
        """End it."""
        self.driver.quit()
        shutil.rmtree(self._profile, ignore_errors=True)

    def cdp(self, method: str, **parameters: Any) -> Any:
        """One call of Chromium's own protocol."""
        return self.driver.execute_cdp_cmd(method, parameters)

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False, media: str = "") -> None:
        """The screen it pretends to have; `media` may be print."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def open(self, path: Path) -> None:
        """Load a file, with empty logs."""
        self.driver.get_log("performance")
        self.driver.get_log("browser")
        self.driver.get(path.resolve().as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns, run in the page."""
        return self.driver.execute_script(script, *arguments)

    def interactive_s(self) -> float:
        """Seconds from the start of the load until everything was parsed and the page's script had run."""
        return float(self.run("return performance.getEntriesByType('navigation')[0].loadEventEnd")) / 1000

    def requests(self) -> list[str]:
        """Addresses of everything that was asked for since the page was opened, files of the machine left out."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
        addresses = [params["request"]["url"] for params in asked]
        files = [address for address in addresses if address.startswith("file:")]
        return [address for address in addresses if not address.startswith(_OWN)] + files[1:]

    def complaints(self) -> list[str]:
        """What the page's policy refused, and errors on the console."""
        errors = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        return [*self.run("return window.violations"), *errors]

    def keep(self, path: Path) -> None:
        """A picture of the whole page."""
        size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 12_000), "scale": 1}
        shot = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))
