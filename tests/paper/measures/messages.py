# SPDX-License-Identifier: MIT
"""Cycles per message and thread on two cores of this machine, by tests/bench/messages.c."""

import re

from measures.native import processor
from piece import Measurement, Missing, run
from store import Data

LINE = re.compile(r"^(\S.*?) {2,}(\d+) +(\d+) +(\d+)( +\d+\.\d+)?( .*)?$")
COLUMNS = ("measure", "least", "tenth", "median", "disturbed")


def parse(output):
    """The program's lines as rows."""
    rows = []
    for line in output.splitlines():
        match = LINE.match(line)
        if match:
            rows.append(dict(zip(COLUMNS, (match[1], *map(int, match.groups()[1:4]),
                                           "yes" if "(disturbed)" in line else "no"))))
    if not rows:
        raise Missing("The message benchmark printed no cycles.")
    return rows


def take(settings):
    """Of three runs the one whose round trip is cheapest: what else the machine does only adds."""
    runs = [parse(run([settings.build / "bench" / "messages"])) for _ in range(settings.pick(3, 1))]
    best = min(runs, key=lambda rows: next(row["tenth"] for row in rows if row["measure"] == "round trip"))
    return Data(list(COLUMNS), best, {"processor": processor()[0]})


MESSAGES = Measurement("messages", take)
