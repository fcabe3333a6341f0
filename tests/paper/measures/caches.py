# SPDX-License-Identifier: MIT
"""Cache misses per request of the servers' processes, for private caches of several sizes: the hosted
build with the card in memory under valgrind's cachegrind, as the paper did."""

import sys
import tempfile
from pathlib import Path

from piece import Measurement, Missing, run
from store import BadData, Data

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from parts import part_of  # noqa: E402

SIZES_KIB = (4, 8, 16, 32, 64, 128, 256)
WAYS, LINE_BYTES = 8, 64
WORDS = ("net=192.0.2.10/24,gw=192.0.2.1",)
# The web server has a node of its own, which is not counted.
CONFIGURATIONS = (("TS1LS1CM1", 2), ("TS1+LS1+CM1", 4))
SERVER_PARTS = ("LS", "TS", "CM")
COLUMNS = ("configuration", "kib", "instructions", "instruction_misses", "data_misses",
           "ll_misses")


def parse(text):
    """Sums by part of one process' file: {part: [instructions, their misses, data misses]}."""
    sums, part, columns = {}, None, None
    for line in text.splitlines():
        if line.startswith("events:"):
            names = line.split()[1:]
            columns = [[names.index(name) + 1 for name in group]
                       for group in (("Ir",), ("I1mr",), ("D1mr", "D1mw"), ("ILmr", "DLmr", "DLmw"))]
        elif line.startswith("fl="):
            part = part_of(line[3:])
        elif line[:1].isdigit():
            if columns is None or part is None:
                raise BadData("a file that cachegrind did not write")
            values = line.split()
            total = sums.setdefault(part, [0] * len(columns))
            for index, group in enumerate(columns):
                total[index] += sum(int(values[column]) for column in group)
    return sums


def is_server(sums):
    """Whether a process is a node with servers: its application's part is the smaller one."""
    servers = sum(sums.get(part, [0])[0] for part in SERVER_PARTS)
    return servers > sums.get("app", [0])[0]


def add_servers(texts):
    """Over all servers' processes and all of their code but the card's, whose hardware it stands for."""
    total = [0, 0, 0, 0]
    for sums in map(parse, texts):
        if is_server(sums):
            for part, values in sums.items():
                if part != "card":
                    total = [a + b for a, b in zip(total, values)]
    return total


def run_once(settings, notation, nodes, kib, count):
    cache = f"{kib * 1024},{WAYS},{LINE_BYTES}"
    with tempfile.TemporaryDirectory(prefix="talus-paper-") as folder:
        run(["valgrind", "--tool=cachegrind", "--cache-sim=yes", "--trace-children=yes", f"--I1={cache}",
             f"--D1={cache}", f"--LL={8 << 20},16,{LINE_BYTES}", f"--cachegrind-out-file={folder}/%p",
             settings.build / "hosted" / "talus", "--nodes", nodes, "--card",
             f"memory:count={count},parallel=16,unchecked", *WORDS, f"pika={notation}", "app=httpd:1"])
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in Path(folder).iterdir()]
    if not texts:
        raise Missing("cachegrind left no files.")
    return add_servers(texts)


def take(settings):
    """What `counted` requests more cost: start-up and the first requests fall out."""
    first, counted = settings.pick((1000, 10000), (100, 300))
    rows = []
    for notation, nodes in CONFIGURATIONS:
        for kib in settings.pick(SIZES_KIB, (8, 64)):
            few = run_once(settings, notation, nodes, kib, first)
            many = run_once(settings, notation, nodes, kib, first + counted)
            rows.append(dict(zip(COLUMNS, (notation, kib, *(
                round((b - a) / counted, 3) for a, b in zip(few, many))))))
    return Data(list(COLUMNS), rows, {"requests": counted, "cache": "I1 and D1 of this size each, "
                                      f"{WAYS} ways, lines of {LINE_BYTES} bytes"})


CACHES = Measurement("caches", take)
