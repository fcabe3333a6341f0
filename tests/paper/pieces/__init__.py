# SPDX-License-Identifier: MIT
"""All pieces, in the paper's order."""

from importlib import import_module

NAMES = ("table1", "table2", "figure4", "table3", "figure5", "figure6", "figure7", "figure8", "figure9",
         "figure10", "figure11", "table4", "table5", "figure12")
PIECES = [import_module(f"pieces.{name}").PIECE for name in NAMES]
