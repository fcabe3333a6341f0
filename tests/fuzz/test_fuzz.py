# SPDX-License-Identifier: MIT
"""Each fuzz target runs for FUZZ_SECONDS, as many at a time as there are cores, and nothing that
it tries crashes, leaks, hangs, or breaks a promise that the target checks. The seed is fixed:
`make fuzz` is for finding what is new."""
import concurrent.futures
import os

import pytest

import libfuzzer

SECONDS = int(os.environ.get("FUZZ_SECONDS", "20"))

# A busy host may be slow: then a target runs until it has tried so many.
EXECUTIONS_MIN = 1000


def fuzz_enough(target):
    result = libfuzzer.fuzz(target, ["-seed=1", f"-max_total_time={SECONDS}"])
    if result.executions < EXECUTIONS_MIN and not result.has_failed:
        result = libfuzzer.fuzz(target, ["-seed=1", f"-runs={EXECUTIONS_MIN}"])
    return result


@pytest.fixture(scope="module", name="runs")
def all_runs():
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {target: pool.submit(fuzz_enough, target) for target in libfuzzer.targets()}


@pytest.mark.parametrize("target", libfuzzer.targets())
def test_no_input_does_harm(runs, target, capsys):
    result = runs[target].result()
    with capsys.disabled():
        print(f"\n{result.summary(target)}", flush=True)
    assert not result.has_failed, result.text[-20000:]
    assert result.executions >= EXECUTIONS_MIN
    assert result.edges > 0


@pytest.mark.parametrize("target", libfuzzer.targets())
def test_the_tree_has_inputs_to_begin_with(target):
    names = os.listdir(libfuzzer.seeds(target))
    assert 1 <= len(names) <= libfuzzer.SEEDS_MAX
    sizes = [os.path.getsize(os.path.join(libfuzzer.seeds(target), name)) for name in names]
    assert sum(sizes) <= libfuzzer.SEEDS_MAX_BYTES
