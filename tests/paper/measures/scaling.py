# SPDX-License-Identifier: MIT
"""Instructions per request from 1 to 32 nodes, and the Linux guest beside them: the benchmark's own table."""

import os

from measures.bench import KEPT, PARTS, SHORT, bench, busiest, parts_of
from piece import Measurement
from store import Data

NODES = (1, 2, 4, 8, 16, 32)
LOADS = (SHORT, KEPT)
# Linux' rows cost more than ten times Talus', and its figures at 8 say what comes.
LINUX_NODES = (1, 2, 4, 8)
COLUMNS = ("peer", "nodes", "load", "instructions", "busiest_node", "requests_per_s", "messages", *PARTS,
           "failed")


def as_row(row):
    has_parts = bool(row["by_part"])
    return {**{name: row[name] for name in ("peer", "nodes", "load", "failed")},
            "instructions": round(row["instructions"], 1), "busiest_node": busiest(row)[0],
            "requests_per_s": round(row["requests_per_s"]), "messages": round(row["messages"], 2),
            **(parts_of(row) if has_parts else dict.fromkeys(PARTS, ""))}


def take_talus(settings):
    rows = bench(settings, settings.pick(NODES, (1, 2)), "--mem", "2G", loads=LOADS,
                 requests=settings.pick(0.5, 0.1))
    return Data(list(COLUMNS), [as_row(row) for row in rows],
                {"load": "16 connections for each server node, from "
                         "ab", "host cores": os.cpu_count()})


def take_linux(settings):
    rows = bench(settings, settings.pick(LINUX_NODES, (1,)), "--peer", "linux", "--only", loads=LOADS,
                 requests=settings.pick(0.25, 0.05))
    return Data(list(COLUMNS), [as_row(row) for row in rows], {"load": "as Talus'", "host cores": os.cpu_count()})


TALUS = Measurement("scaling", take_talus)
LINUX = Measurement("scaling-linux", take_linux)
