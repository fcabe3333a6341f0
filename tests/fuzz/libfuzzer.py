# SPDX-License-Identifier: MIT
"""Runs fuzz targets: programs of libFuzzer, which `make fuzz-programs` builds."""
import os
import re
import subprocess
import tempfile

FOLDER = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(FOLDER))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"), "fuzz")

# Inputs of a target in the tree.
SEEDS_MAX = 80
SEEDS_MAX_BYTES = 100 * 1024

# One input takes milliseconds; what takes longer than this, on any host, does not end.
INPUT_TIMEOUT_S = 120

# Longer inputs cost time and say nothing new; an archive is made of blocks of 512 bytes.
INPUT_MAX_BYTES = {"tar": 8192}
INPUT_MAX_BYTES_OF_OTHERS = 2000


def targets():
    names = [re.fullmatch(r"fuzz_(\w+)\.c", name) for name in sorted(os.listdir(FOLDER))]
    return [name.group(1) for name in names if name]


def program(target):
    return os.path.join(BUILD, target)


def seeds(target):
    """The inputs in the tree."""
    return os.path.join(FOLDER, "corpus", target)


class Result:
    """What a run said: how many inputs, how much of the code they reach, and what went wrong."""

    def __init__(self, run):
        self.text = run.stdout.decode(errors="replace")
        counts = re.findall(r"^stat::number_of_executed_units: (\d+)", self.text, re.M)
        edges = re.findall(r" cov: (\d+) ", self.text)
        all_edges = re.search(r"Loaded 1 modules +\((\d+) inline", self.text)
        self.executions = int(counts[-1]) if counts else 0
        self.edges = int(edges[-1]) if edges else 0
        self.all_edges = int(all_edges.group(1)) if all_edges else 0
        self.has_failed = run.returncode != 0

    def summary(self, target):
        return (f"fuzz {target}: {self.executions} executions, {self.edges} of {self.all_edges} "
                f"edges of its sources")


def arguments(target, folders):
    dictionary = os.path.join(FOLDER, f"{target}.dict")
    failures = os.path.join(BUILD, "failures")
    os.makedirs(failures, exist_ok=True)
    return ([program(target), "-print_final_stats=1", f"-timeout={INPUT_TIMEOUT_S}",
             f"-max_len={INPUT_MAX_BYTES.get(target, INPUT_MAX_BYTES_OF_OTHERS)}",
             f"-artifact_prefix={failures}/{target}-"]
            + ([f"-dict={dictionary}"] if os.path.exists(dictionary) else [])
            + [folder for folder in folders if os.path.isdir(folder)])


def fuzz(target, options):
    """Fuzz from the tree's inputs on; what is found beside a failure is thrown away."""
    with tempfile.TemporaryDirectory() as found:
        run = subprocess.run(arguments(target, [found, seeds(target)]) + options,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             stdin=subprocess.DEVNULL, check=False)
    return Result(run)
