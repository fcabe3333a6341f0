# SPDX-License-Identifier: MIT
"""What make builds again: what has changed, flags included, and nothing else."""

import pytest

from harness import make, paths

pytestmark = pytest.mark.same_on_any_card("no machine")

# One of each kind of thing that is compiled.
KINDS = ["obj/libc/core/format.c.o", "obj/kernel/thread/switch.S.o", "obj/libc/core/version.c.o",
         "obj/net/transport/hash.c.o", "obj/lwip/core/def.c.o", "obj/llhttp/api.c.o",
         "obj-shared/boot/mark_shared.c.o", "obj-efi/boot/uefi/elf.c.o", "plugins/instructions.so",
         "unit/lwip/core/def.c.o", "unit/llhttp/api.c.o", "unit/objects/plain/libc/core/heap.c.o",
         "unit/test_format", "linux/httpd", "bench/messages",
         "hosted/obj/net/transport/hash.c.o", "hosted/obj/kernel/hosted/linux/node.c.o"]


class Tree:
    """A build folder of this test's own; QEMU with its headers is taken as it is."""

    def __init__(self, folder):
        self._folder = folder
        self._words = [f"BUILD={folder}", f"QEMU_BIN={paths.QEMU}",
                       f"QEMU_PLUGIN_INCLUDE={paths.BUILD}/qemu/include"]

    def _moments(self):
        return {kind: (self._folder / kind).stat().st_mtime_ns
                for kind in KINDS if (self._folder / kind).exists()}

    def try_to_make(self, kind, *words):
        return make(*self._words, *words, self._folder / kind)

    def make(self, *words):
        """Those of KINDS that were built."""
        before = self._moments()
        done = make(*self._words, *words, *(self._folder / kind for kind in KINDS))
        assert done.returncode == 0, done.stderr
        return [kind for kind, moment in self._moments().items() if moment != before.get(kind)]

    def is_up_to_date(self, kind, *words):
        done = self.try_to_make(kind, "-q", *words)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    made = Tree(tmp_path_factory.mktemp("rebuild"))
    assert made.make() == KINDS
    return made


def test_a_second_make_builds_nothing(tree):
    assert tree.make() == []


def test_another_command_builds_everything_that_it_makes_again(tree):
    """Half an image of old flags and half of new ones has been measured for the real thing."""
    others = ["CC=gcc -DTALUS_OTHER", "HOST_CC=gcc -DTALUS_OTHER"]
    assert tree.make(*others) == KINDS
    assert tree.make(*others) == []
    assert tree.make() == KINDS


def test_another_flag_builds_only_what_it_concerns_again(tree):
    assert tree.make("VERSION=another") == ["obj/libc/core/version.c.o"]
    assert tree.make("VERSION=two words") == ["obj/libc/core/version.c.o"]
    tree.make()


def test_looking_at_what_make_would_do_does_nothing(tree):
    assert tree.make("-n", "CC=gcc -DTALUS_OTHER") == []
    assert tree.make("CC=gcc -DTALUS_OTHER") != []
    tree.make()


def test_a_failed_command_is_tried_again(tree):
    """Also by a make that is back to the flags with which the object was built before."""
    assert tree.try_to_make("obj/libc/core/format.c.o", "CC=false").returncode != 0
    assert not tree.is_up_to_date("obj/libc/core/format.c.o", "CC=false")
    assert tree.make() == ["obj/libc/core/format.c.o"]


@pytest.mark.parametrize("kind, header", [
    ("obj/libc/core/format.c.o", "libc/core/format.h"),
    ("unit/test_format", "libc/core/format.h"),
    ("unit/test_format", "libc/core/base.h"),
    ("obj/lwip/core/def.c.o", "net/transport/lwip/lwipopts.h"),
    ("unit/lwip/core/def.c.o", "net/transport/lwip/lwipopts.h"),
])
def test_a_changed_header_builds_what_includes_it_again(tree, kind, header):
    assert tree.is_up_to_date(kind)
    assert not tree.is_up_to_date(kind, "-W", header)
