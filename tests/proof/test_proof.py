# SPDX-License-Identifier: MIT
"""All that can happen in the handshake, for small counts (README.md), and that the explorer would
see a fault: with one guard taken out of the sources it must find one; and traces of both, replayed."""
import glob
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

import mutants

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
PROOF = os.path.join(BUILD, "proof", "proof")


def run(program, *words):
    return subprocess.run([program, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, text=True)


def scenarios():
    return run(PROOF, "--list").stdout.split() if os.path.exists(PROOF) else []


def run_ahead(request, fixture, parameter, function):
    """What `function` makes of each value of this parameter in the tests that were asked for and use
    this fixture: as many at a time as there are cores, each a future. The last first, since the longest
    stand at the end, and one that begins late would run alone."""
    values = [item.callspec.params[parameter] for item in request.session.items
              if fixture in item.fixturenames]
    values.reverse()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {value: pool.submit(function, value) for value in values}
        pool.shutdown(cancel_futures=True)


def explore(name):
    return run(PROOF, *(["--coverage"] if name == COVERAGE else [name]))


# All scenarios once more, each cut short: as long as the longest of them.
COVERAGE = "coverage"


@pytest.fixture(name="explored", scope="module")
def fixture_explored(request):
    yield from run_ahead(request, "explored", "name", explore)


@pytest.mark.parametrize("name", scenarios())
def test_nothing_is_lost_or_forgotten_in_any_order(name, explored, capsys):
    result = explored[name].result()
    with capsys.disabled():
        print(f"\n{result.stdout.rstrip()}", flush=True)
    assert result.returncode == 0, result.stdout[-20000:]
    states, quiet, settled = map(int, re.search(
        r"(\d+) states, .* (\d+) quiet states, (\d+) of them with", result.stdout).groups())
    assert states > 1000 and quiet > 100 and settled > 10


@pytest.fixture(name="compared", scope="module")
def fixture_compared(request):
    yield from run_ahead(request, "compared", "reduced",
                         lambda name: [run(PROOF, *words, name).stdout for words in ([], ["--unreduced"])])


@pytest.mark.parametrize("reduced", ["data", "repeated-syns", "late-offers", "granted-and-closed"])
def test_what_is_left_out_leads_to_the_same_quiet_states(reduced, compared):
    """And to the same images of nodes."""
    found = [re.search(r"(\d+) states, .* (\d+ quiet states, \d+ of them .*; \d+ images)", text)
             for text in compared[reduced].result()]
    assert int(found[0].group(1)) < int(found[1].group(1))
    assert found[0].group(2) == found[1].group(2)


def test_there_are_scenarios():
    assert len(scenarios()) >= 10


@pytest.mark.parametrize("name", [COVERAGE])
def test_between_them_they_do_everything(name, explored):
    """Each message of the handshake is delivered, and each kind of choice made, in some scenario."""
    text = explored[name].result().stdout
    counts = dict(re.findall(r"^([\w-]+): (\d+)$", text, re.M))
    missing = [name for name, count in counts.items() if count == "0"]
    assert counts and not missing


def make_mutant(mutant):
    """The explorer with one source changed."""
    with open(os.path.join(BUILD, "proof", "recipe.json"), encoding="utf-8") as file:
        recipe = json.load(file)
    with open(os.path.join(ROOT, mutant.path), encoding="utf-8") as file:
        source = file.read()
    assert source.count(mutant.old) == 1, f"{mutant.path} has changed: {mutant.old}"
    folder = os.path.join(BUILD, "proof", "mutants", mutant.name)
    os.makedirs(folder, exist_ok=True)
    changed = os.path.join(folder, os.path.basename(mutant.path))
    with open(changed, "w", encoding="utf-8") as file:
        file.write(source.replace(mutant.old, mutant.new))
    node, whole, program = (os.path.join(folder, name) for name in ("one.o", "node.o", "proof"))

    def call(command, *words):
        subprocess.run([*command.split(), *words], cwd=ROOT, check=True)

    call(recipe["compile"] + " -Wno-error -w", "-c", changed, "-o", node)
    objects = [os.path.join(ROOT, name) for name in recipe["node"].split()
               if not name.endswith(f"/{mutant.path}.o")]
    assert len(objects) == len(recipe["node"].split()) - 1
    call("ld -r -T tests/fuzz/node.ld", *objects, node, "-o", whole)
    call(recipe["link"], whole, *recipe["rest"].split(), "-o", program)
    return program


def try_mutant(mutant):
    program = make_mutant(mutant)
    return program, run(program, mutant.scenario)


@pytest.fixture(name="tried", scope="module")
def fixture_tried(request):
    yield from run_ahead(request, "tried", "mutant", try_mutant)


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_without_a_guard_a_fault_is_found(mutant, tried):
    program, result = tried[mutant].result()
    assert result.returncode == 1, result.stdout[-20000:]
    fault = re.search(r"^FAULT: (.*)$", result.stdout, re.M)
    assert fault and re.search(mutant.fault, fault.group(1)), result.stdout[-20000:]
    # The way to the fault can be followed, and leads there.
    trace = os.path.join(os.path.dirname(program), "trace.txt")
    with open(trace, "w", encoding="utf-8") as file:
        file.write(result.stdout[:result.stdout.rindex("\n", 0, -1) + 1])
    assert fault.group(0) in run(program, f"--replay={trace}").stdout
    # And with the guard it leads to none.
    assert "FAULT" not in run(PROOF, f"--replay={trace}").stdout


TRACES = sorted(glob.glob(os.path.join(HERE, "traces", "*.txt")))


def without_comments(text):
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("path", TRACES, ids=os.path.basename)
def test_a_trace_runs_as_it_is_written_down(path):
    """A change of the protocol shows here: look at it, then write it down anew (README.md)."""
    with open(path, encoding="utf-8") as file:
        written = without_comments(file.read())
    assert without_comments(run(PROOF, f"--replay={path}").stdout) == written
