# SPDX-License-Identifier: MIT
"""The campaign's parts use the system tests' harness."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
