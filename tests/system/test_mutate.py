# SPDX-License-Identifier: MIT
"""make mutate finds what a test does not look at, and nothing else: it is shown a tree of two
functions, one with a test of every case and one whose test looks at one."""
import re
import subprocess

import pytest

from harness.paths import REPOSITORY

pytestmark = pytest.mark.same_on_any_card("no machine")

MUTATE = REPOSITORY / "tests" / "check" / "mutate" / "run"

MAKEFILE = """
build/mutate/unit/test_%: build/mutate/tests/unit/test_%.c.o build/mutate/src/%.c.o
\tgcc -fsanitize=address $^ -o $@
build/mutate/%.c.o: %.c
\tgcc -O1 -fsanitize=address -I. -c $< -o $@
"""
# Each says whether a number is below a limit, and counts the refusals.
SOURCE = """
unsigned NAME_refused;

/* Not `limit < 1`: nothing here is mutated. */
int NAME_is_below(unsigned number, unsigned limit);

int NAME_is_below(unsigned number, unsigned limit)
{
    if (number < limit) {
        return 1;
    }
    NAME_refused++;
    return 0;
}
"""
HEAD = "extern unsigned NAME_refused;\nint NAME_is_below(unsigned number, unsigned limit);\n"
STRONG = """int main(void)
{
    return !(strong_is_below(6, 7) == 1 && strong_refused == 0 && strong_is_below(7, 7) == 0 &&
             strong_is_below(8, 7) == 0 && strong_refused == 2);
}
"""
# The number that equals the limit is not tried, and nobody looks at the counter.
WEAK = "int main(void)\n{\n    return !(weak_is_below(6, 7) == 1 && weak_is_below(8, 7) == 0);\n}\n"

WEAK_SURVIVORS = {"if (number <= limit) {", ";", "weak_refused--;"}


@pytest.fixture(name="tree")
def fixture_tree(tmp_path):
    for name, test in (("strong", STRONG), ("weak", WEAK)):
        for folder, text in (("src", SOURCE), ("tests/unit", HEAD + test)):
            path = tmp_path / folder / (f"{name}.c" if folder == "src" else f"test_{name}.c")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("NAME", name))
    (tmp_path / "Makefile").write_text(MAKEFILE)
    return tmp_path


def mutate(tree, *words):
    run = subprocess.run([MUTATE, "--tree", tree, "--equivalents", tree / "equivalents.txt",
                          "--sample", "0", *words], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def survivors(said, path):
    return set(re.findall(rf"  {path}:\d+: survives in .*\n    - .*\n    \+ (.*)", said))


def test_survivors_are_those_that_the_test_does_not_look_at(tree):
    before = {path: path.read_text() for path in tree.glob("*/*.c")}
    said = mutate(tree, "src")
    assert survivors(said, "src/strong.c") == set()
    assert survivors(said, "src/weak.c") == WEAK_SURVIVORS
    assert "src/weak.c:9: survives in weak_is_below()" in said
    assert re.search(r"src/strong\.c: \d+ mutants, (\d+) valid ones tried, \1 killed \(100 %\)",
                     said)
    assert "below 85 %: src/weak.c" in said
    assert {path: path.read_text() for path in tree.glob("*/*.c")} == before


def test_second_run_tries_what_has_changed(tree):
    mutate(tree, "src")
    results = tree / "build" / "mutate" / "objects" / "results"
    known = results.read_text()
    assert survivors(mutate(tree, "src"), "src/weak.c") == WEAK_SURVIVORS
    assert results.read_text() == known, "the second run tried what the first had found"
    test = tree / "tests" / "unit" / "test_weak.c"
    test.write_text(test.read_text().replace("weak_is_below(8, 7) == 0",
                                             "weak_is_below(7, 7) == 0 && weak_refused == 1"))
    assert survivors(mutate(tree, "src"), "src/weak.c") == set()


def test_listed_equivalent_does_not_count_until_it_is_no_mutant_any_more(tree):
    listed = tree / "equivalents.txt"
    listed.write_text("src/weak.c: weak_is_below\n    - weak_refused++;\n    + ;\n"
                      "    Nobody asks.\n")
    said = mutate(tree, "src/weak.c")
    assert survivors(said, "src/weak.c") == WEAK_SURVIVORS - {";"}
    assert "no mutant any more" not in said
    listed.write_text(listed.read_text().replace("weak_refused++;", "refused++;"))
    said = mutate(tree, "src/weak.c")
    assert survivors(said, "src/weak.c") == WEAK_SURVIVORS
    assert "listed as equivalent, but no mutant any more: src/weak.c" in said
