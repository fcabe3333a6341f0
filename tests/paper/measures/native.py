# SPDX-License-Identifier: MIT
"""Cycles per short connection on this machine's own cores, by whose code takes them: Talus as Linux
processes with the card in memory, sampled by perf."""

import re
import sys
import tempfile
from pathlib import Path

from piece import Measurement, Missing, run
from store import Data

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(REPOSITORY / "tests" / folder) for folder in ("system", "bench")]

from harness.symbols import Symbols  # noqa: E402
from parts import NAMES, part_of  # noqa: E402

WORDS = ("net=192.0.2.10/24,gw=192.0.2.1",)
NODE = re.compile(r"node(\d+) +(\d+)")
SUMS = re.compile(r"card +(\d+)  Talus +(\d+) cycles.*\((\d+) requests, (\d+)/s\)")
SAMPLES_PER_S = 10000
# The upper half of the addresses is Linux's own.
KERNEL_HALF = 1 << 63
SYSTEM = "system calls"
PARTS = (*NAMES, SYSTEM)
COLUMNS = ("configuration", "nodes", "parallel", "cycles", "requests_per_s", *PARTS)


def parse_costs(output):
    """(cycles of all nodes with the card, the card's, requests a second) of a program's output."""
    line = next((line for line in output.splitlines() if SUMS.search(line)), None)
    if line is None:
        raise Missing("The hosted build printed no cycles per request.")
    sums = SUMS.search(line)
    return sum(int(cycles) for _, cycles in NODE.findall(line)), int(sums[1]), int(sums[4])


def parse_samples(output, find):
    """How many of perf's samples each part has; `find` gives a function's name and file of an address."""
    counts = dict.fromkeys(PARTS, 0)
    for word in output.split():
        address = int(word, 16)
        counts[SYSTEM if address >= KERNEL_HALF else part_of(find(address)[1])] += 1
    if not any(counts.values()):
        raise Missing("perf took no samples.")
    return counts


def program(settings, nodes, parallel, count, words):
    return [settings.build / "hosted" / "talus", "--nodes", nodes, "--card",
            f"memory:count={count},parallel={parallel},unchecked", *WORDS, *words]


def measure(settings, notation, application, nodes, parallel):
    """The least cycles and the best rate of some runs, and how cycles are shared out by the samples of one more."""
    words = (f"pika={notation}", f"app={application}")
    command = program(settings, nodes, parallel, settings.pick(200000, 2000), words)
    costs = [parse_costs(run(command)) for _ in range(settings.pick(7, 1))]
    cycles, rate = min(cost[0] for cost in costs), max(cost[2] for cost in costs)
    with tempfile.TemporaryDirectory(prefix="talus-paper-") as folder:
        samples = Path(folder, "perf.data")
        longer = program(settings, nodes, parallel, settings.pick(400000, 20000), words)
        run(["perf", "record", "-q", "-e", "cpu-clock", "-F", SAMPLES_PER_S, "-o", samples, "--", *longer])
        # The launcher sleeps: nearly all samples are the nodes'.
        output = run(["perf", "script", "-F", "ip", "-i", samples])
    counts = parse_samples(output, Symbols(settings.build / "hosted" / "talus").find)
    total = sum(counts.values())
    return {"configuration": f"{notation} {application}", "nodes": nodes, "parallel": parallel,
            "cycles": cycles, "requests_per_s": rate,
            **{part: round(cycles * count / total, 1) for part, count in counts.items()}}


def clock_hz(text):
    """Of /proc/cpuinfo: what the time-stamp counter counts at, as its model's name says, else as it is now."""
    match = re.search(r"@ ([0-9.]+)GHz", text)
    if match:
        return float(match[1]) * 1e9
    match = re.search(r"cpu MHz\s*:\s*([0-9.]+)", text)
    if not match:
        raise Missing("/proc/cpuinfo does not tell the processor's clock.")
    return float(match[1]) * 1e6


def processor():
    """(model, Hz) of this machine."""
    text = Path("/proc/cpuinfo").read_text(encoding="ascii")
    model = re.search(r"model name\s*:\s*(.*)", text)
    return (model[1] if model else "unknown"), clock_hz(text)


# The application stands with the TS, so that two cores are enough for both.
CONFIGURATIONS = (("TS1LS1CM1", "httpd:1@ts", 1), ("TS1LS1+CM1", "httpd:1@ts", 2))


def take_single_client(settings):
    rows = [measure(settings, notation, application, nodes, 1)
            for notation, application, nodes in CONFIGURATIONS]
    model, hz = processor()
    return Data(list(COLUMNS), rows, {"processor": model, "hz": f"{hz:.0f}"})


SINGLE_CLIENT = Measurement("single-client-native", take_single_client)
