# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program `stockade`, started as `python3 -I <this directory>`.

The directory is usually reached through the link `current`; resolving it first keeps one process at one version.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.realpath(sys.path.pop(0)))

from stockade.cli import main

sys.exit(main(sys.argv[1:]))
