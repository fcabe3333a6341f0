# SPDX-License-Identifier: MIT
"""Guest instructions, by the benchmark (tests/bench/bench), which starts and loads the machines."""

import json
import os
import tempfile
from pathlib import Path

from piece import Missing, run

# Whose code it is, as the benchmark tells it apart.
PARTS = ("LS", "TS", "CM", "message", "kernel", "libc", "app")
SHORT, KEPT = "/4b short", "/4b keep-alive"


def bench(settings, nodes, *options, loads=(SHORT,), requests=1.0):
    """The benchmark's rows for machines of these sizes. Requests that failed are counted in them."""
    load_options = [word for load in loads for word in ("--load", load)]
    with tempfile.TemporaryDirectory(prefix="talus-paper-") as folder:
        result = Path(folder, "bench.json")
        try:
            run([settings.sources / "tests" / "bench" / "bench", "--nodes", " ".join(map(str, nodes)),
                 "--requests", requests, "--json", result, *load_options, *options],
                cwd=settings.sources, env={**os.environ, "BUILD": str(settings.build)})
        except Missing:
            # It wrote its figures before it complained of failed requests, or it has none.
            if not result.exists():
                raise
        rows = json.loads(result.read_text(encoding="ascii"))["rows"]
    if not rows or any(row["requests"] == 0 for row in rows):
        raise Missing("The benchmark counted no request.")
    return rows


def node_roles(row):
    """The roles by node as one list; the benchmark's file has the numbers as texts."""
    return [row["roles"].get(str(node), "?") for node in range(len(row["by_node"]))]


def parts_of(row):
    return {part: round(row["by_part"].get(part, 0), 1) for part in PARTS}


def busiest(row, role=""):
    """(instructions per request of the node that has most to do, its roles), of all or those with a role."""
    return max((round(count, 1), roles) for count, roles in zip(row["by_node"], node_roles(row)) if role in roles)
