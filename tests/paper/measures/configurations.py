# SPDX-License-Identifier: MIT
"""Instructions per short connection of each configuration of section 5.4: eight transport servers, eight
web servers, and the other servers with them or on nodes of their own."""

import re

from measures.bench import PARTS, bench, busiest, node_roles, parts_of
from piece import Measurement, Missing
from store import Data

# The paper's groups, each from few to many; `TS8LS8CM8` is what all are held against.
GROUPS = (
    ("separate LSs", ("TS8CM8+LS1", "TS8CM8+LS2", "TS8CM8+LS4", "TS8CM8+LS8")),
    ("separate CMs", ("TS8LS8+CM1", "TS8LS8+CM2", "TS8LS8+CM4", "TS8LS8+CM8")),
    ("both separate", ("TS8+LS1+CM1", "TS8+LS2+CM2", "TS8+LS4+CM4", "TS8+LS8+CM8")),
    ("CMs in a subset", ("TS8LS8CM1", "TS8LS8CM2", "TS8LS8CM4")),
    ("combined", ("TS8LS8CM8",)),
)
QUICK_SERVERS = 2
COLUMNS = ("group", "configuration", "nodes", "server_nodes", "instructions", *PARTS, "messages",
           "busiest_node", "busiest_roles", "busiest_cm", "failed")


def server_nodes(notation):
    """How many nodes a notation's servers take: each part between `+` has as many as its largest count."""
    return sum(max(int(count) for _, count in re.findall(r"(TS|LS|CM)(\d+)", part))
               for part in notation.split("+"))


def check_roles(row, notation):
    """A configuration that Talus refuses is replaced by its default, which must not be measured."""
    roles = [word for words in node_roles(row) for word in words.split()]
    for component, count in re.findall(r"(TS|LS|CM)(\d+)", notation):
        if roles.count(component) != int(count):
            raise Missing(f"Talus does not run pika={notation}: its nodes are {node_roles(row)}.")


def measure_one(settings, notation, servers, requests):
    nodes = server_nodes(notation) + servers
    row, = bench(settings, [nodes], "--append", f"pika={notation} "
                                                f"app=httpd:{servers}", "--mem", "2G",
                 "--no-rates", requests=requests)
    check_roles(row, notation)
    count, roles = busiest(row)
    return {"configuration": notation, "nodes": nodes, "server_nodes": server_nodes(notation),
            "instructions": round(row["instructions"], 1), **parts_of(row),
            "messages": round(row["messages"], 2), "busiest_node": count, "busiest_roles": roles,
            "busiest_cm": busiest(row, "CM")[0],
            "failed": row["failed"]}


def smaller(notation):
    return re.sub(r"\d+", lambda match: str(min(int(match[0]), QUICK_SERVERS)), notation)


def take(settings):
    rows = []
    for group, notations in GROUPS:
        for notation in notations:
            if settings.is_quick:
                # The same shapes, small; the data keep the names of what they stand for.
                row = measure_one(settings, smaller(notation), QUICK_SERVERS, 0.05)
                row["configuration"] = notation
            else:
                row = measure_one(settings, notation, 8, 0.25)
            rows.append({"group": group, **row})
    return Data(list(COLUMNS), rows, {"load": "/4b, a connection each, 16 at a time for each TS"})


CONFIGURATIONS = Measurement("configurations", take)
