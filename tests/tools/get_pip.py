# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A get-pip.py that downloads no bootstrap script: ensurepip gives pip, pip then installs what ansible-test asks for.

ansible-test runs it in place of the script it would fetch, with the arguments of get-pip.py.
"""

from __future__ import annotations

import os
import subprocess
import sys

NOT_OF_PIP = ("--no-setuptools", "--no-wheel")


def main() -> int:
    """Bootstrap pip into the running environment, then hand the arguments on to it; return pip's exit status."""
    # In processes of their own with this environment: ensurepip would point PIP_CONFIG_FILE of its process at nothing.
    environment = dict(os.environ)
    subprocess.check_call([sys.executable, "-m", "ensurepip"], env=environment)
    arguments = [argument for argument in sys.argv[1:] if argument not in NOT_OF_PIP]
    return subprocess.call([sys.executable, "-m", "pip", "install", *arguments], env=environment)


if __name__ == "__main__":
    sys.exit(main())
