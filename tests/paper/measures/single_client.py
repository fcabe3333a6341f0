# SPDX-License-Identifier: MIT
"""Instructions per short connection with one client that has one connection at a time, as table 4 has
them."""

from measures.bench import PARTS, bench, parts_of
from measures.configurations import check_roles, server_nodes
from piece import Measurement
from store import Data

NOTATIONS = ("TS1LS1CM1", "TS1LS1+CM1")


def take(settings):
    rows = []
    for notation in NOTATIONS:
        row, = bench(settings, [server_nodes(notation) + 1], "--append", f"pika={notation} app=httpd:1",
                     "--concurrency", "1", "--no-rates", requests=settings.pick(1.0, 0.1))
        check_roles(row, notation)
        rows.append({"configuration": notation, "instructions": round(row["instructions"], 1),
                     **parts_of(row), "messages": round(row["messages"], 2), "failed": row["failed"]})
    return Data(["configuration", "instructions", *PARTS, "messages", "failed"], rows,
                {"load": "/4b, a connection each, one at a time, from ab"})


SINGLE_CLIENT = Measurement("single-client", take)
