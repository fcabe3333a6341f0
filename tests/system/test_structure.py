# SPDX-License-Identifier: MIT
"""The checks of the structure fail when what they promise is not so: each is shown a tree that is
wrong in one place."""
import os
import shutil
import subprocess

import pytest

from harness.paths import BUILD, REPOSITORY

pytestmark = pytest.mark.same_on_any_card("no machine")


@pytest.fixture(name="tree")
def fixture_tree(tmp_path):
    """A copy of the sources as git lists them, with what was built."""
    tree = tmp_path / "tree"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, check=True,
                            capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, listed):
        if (REPOSITORY / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, tree / name)
    (tree / "build").mkdir()
    for objects in ("obj", "hosted/obj"):
        shutil.copytree(BUILD / objects, tree / "build" / objects, copy_function=os.symlink)
    for name in ("kernel.ld", "no-symbols.S"):
        shutil.copy(BUILD / name, tree / "build" / name)
    (tree / "build" / "lwip").symlink_to(BUILD / "lwip")
    subprocess.run(["git", "init", "-q", "."], cwd=tree, check=True)
    return tree


def check(tree, name):
    """(Whether it passed, what it said.)"""
    subprocess.run(["git", "add", "-A"], cwd=tree, check=True)
    run = subprocess.run([tree / "tests" / "check" / name], cwd=tree, capture_output=True, text=True,
                         env=dict(os.environ, BUILD="build"), check=False)
    return run.returncode == 0, run.stdout + run.stderr


def append(path, text):
    with open(path, "a", encoding="ascii") as file:
        file.write(text)


def test_all_pass_as_the_tree_is(tree):
    for name in ("architecture", "layers", "ablation"):
        passed, said = check(tree, name)
        assert passed, said


@pytest.mark.parametrize("path, text, word", [
    ("kernel/log.c", '#include "net/messages.h"\n', "kernel must not include net/messages.h"),
    ("net/steering.c", "#include <sys/socket.h>\n", "net must not include <sys/socket.h>"),
    ("net/transport/timer.c", '#include "drivers/nic/nic.h"\n', "only the link server asks cards"),
    ("kernel/log.c", "/* As TCP does. */\n", "`TCP` is a word of the layers above"),
    ("kernel/log.c", "\n" * 5000, "not at most 5000"),
    ("net/steering.c", "static volatile int word;\n", "volatile stands only in"),
    ("kernel/log.c", '#include "kernel/hosted/linux.h"\n', "kernel must not include kernel/hosted/"),
    ("drivers/hosted/memory.c", '#include "net/headers.h"\n', "drivers/hosted must not include net/"),
    ("kernel/hosted/platform.c", "#include <unistd.h>\n", "kernel/hosted must not include <unistd.h>"),
    ("net/steering.c", "enum { TWICE = COUNTER_BLOCK(1) };\n", "counter block 1 is that of drivers/console/"),
    ("net/steering.c", "enum { TWICE = COUNTER_BLOCK(15) };\n", "counter block 15 is that of apps/httpd/"),
], ids=["include", "standard header", "card", "word", "size", "volatile", "a platform", "hosted driver",
        "hosted libc", "counter block", "one of several blocks"])
def test_architecture_fails_for(tree, path, text, word):
    append(tree / path, text)
    passed, said = check(tree, "architecture")
    assert not passed
    assert word in said


@pytest.mark.parametrize("path, text, word", [
    ("net/steering.c", "bool x(void);\nbool x(void)\n{\n    return WITHOUT(STEERING);\n}\n",
     "net/steering.c: STEERING is not in libc/core/ablation.h"),
    ("tests/bench/specialisations.py", 'SPECIALISATIONS += (Specialisation("", "", without=("A",)),)\n',
     "A: is in libc/core/ablation.h or tests/bench/specialisations.py alone"),
    ("net/transport/card.c", "#ifdef TALUS_ABLATION\n#error no\n#endif\n", "#error no"),
    ("build/obj/net/steering.c.o.command", " -DTALUS_ABLATION\n",
     "build/obj/net/steering.c.o.command: can leave something out"),
], ids=["unknown", "unused", "does not compile", "a switch in a usual build"])
def test_ablation_fails_for(tree, path, text, word):
    if path.endswith(".command"):  # a link to what was built
        path_of_command = tree / path
        command = path_of_command.read_text(encoding="ascii")
        path_of_command.unlink()
        path_of_command.write_text(command, encoding="ascii")
    append(tree / path, text)
    passed, said = check(tree, "ablation")
    assert not passed
    assert word in said


def test_layers_fail_for_a_call_of_a_higher_one(tree):
    """No include gives it away: the kernel declares the function by itself."""
    source = tree / "kernel" / "upward.c"
    source.write_text("void link_server_start(const void *);\nvoid upward(void);\n"
                      "void upward(void)\n{\n    link_server_start(0);\n}\n")
    subprocess.run(["gcc", "-O2", "-flto", "-ffreestanding", "-c", source, "-o",
                    tree / "build" / "obj" / "kernel" / "upward.c.o"], check=True)
    passed, said = check(tree, "layers")
    assert not passed
    assert "kernel needs link_server_start, which is in net" in said
