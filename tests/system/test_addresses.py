# SPDX-License-Identifier: MIT
"""Where each node finds its image, its stacks and its memory: elsewhere on each node and at each start,
so that an address of one is of no use on another. Seen from outside, in registers and page tables."""

import re

from harness import GuestMemory, Qmp, Reach, Talus, ab, curl, wait_until

NODE_COUNT = 4
PAGE_BYTES = 4096
IMAGES_START = 0xFFFFFFFF80000000
# What all nodes have in common: the gate's code and its stack (boot/gate.S), as linked.
GATE_END = 0xFFFFFFFFC0000000


def ranges_of(tables):
    """[start, end) of all that a node has mapped but the gate, in order."""
    return sorted((m.vaddr, m.vaddr + m.page_count * PAGE_BYTES) for m in tables.mappings
                  if not IMAGES_START <= m.vaddr < GATE_END)


def common(left, right):
    """An address that both have mapped, or None."""
    both = sorted(ranges_of(left) + ranges_of(right))
    return next((f"{start:#x}" for (_, end), (start, _) in zip(both, both[1:]) if start < end), None)


def holds(tables, vaddr):
    return any(m.vaddr <= vaddr < m.vaddr + m.page_count * PAGE_BYTES for m in tables.mappings)


class Places:
    """Of a machine that stands still: by node, where its parts lie."""

    def __init__(self, qmp, memory):
        qmp.run("stop")
        text = qmp.ask_monitor("info registers -a")
        self.tables = Reach(qmp, memory).nodes
        self.pointers = list(zip(*([int(value, 16) for value in re.findall(rf"\b{name}=([0-9a-f]+)", text)]
                                   for name in ("RIP", "RSP"))))
        qmp.run("cont")
        assert len(self.tables) == len(self.pointers) == NODE_COUNT
        self.parts = [self._parts_of(tables) for tables in self.tables]

    @staticmethod
    def _parts_of(tables):
        mappings = [m for m in tables.mappings if not IMAGES_START <= m.vaddr < GATE_END]
        largest = max((m for m in mappings if m.is_writable), key=lambda m: m.page_count)
        return {"image": min(m.vaddr for m in mappings if m.is_executable),
                "direct map": largest.vaddr - largest.paddr}

    def of(self, part):
        if part == "stack":
            return [rsp >> 12 for _, rsp in self.pointers]
        return [parts[part] for parts in self.parts]


def assert_apart(places):
    for node, (tables, (rip, rsp)) in enumerate(zip(places.tables, places.pointers)):
        parts = places.parts[node]
        assert rip >= parts["image"] and holds(tables, rip) and holds(tables, rsp)
        assert len([m for m in tables.mappings if IMAGES_START <= m.vaddr < GATE_END]) == 2
        for other, others in enumerate(places.tables):
            if other != node:
                assert common(tables, others) is None, (node, other)
                assert not holds(others, rip) and not holds(others, rsp)


def test_no_two_nodes_and_no_two_starts_have_addresses_in_common(network, tmp_path):
    memory = GuestMemory(tmp_path, 1 << 30)
    arguments = (f"{Qmp.qemu_args(tmp_path / 'qmp')} {memory.qemu_args()} "
                 "-machine memory-backend=memory0")
    starts = []
    for start in range(2):
        with Talus("--qemu-args", arguments, network=network, mem="1G", smp=NODE_COUNT) as talus, \
                Qmp(tmp_path / "qmp") as qmp:
            assert ab(talus, "/4b", 200, concurrency=8).failed == 0
            starts.append(Places(qmp, memory))
            assert_apart(starts[-1])
            # Nor does anybody tell: in words of 64 bits.
            for text in (curl(talus, "/stats").decode(), curl(talus, "/metrics").decode(), talus.console):
                assert not re.search(r"ffff[89a-f][0-9a-f]{11}", text)
            if start == 0:
                continue
            # Who comes back has other addresses, too; text would cost an emulator much.
            talus.type("crash 2\n")
            talus.wait_for(r"node2 boot: came back as incarnation 2 ")
            wait_until(lambda: ab(talus, "/4b", 100, concurrency=8).failed == 0, "all to serve")
            again = Places(qmp, memory)
            assert_apart(again)
            for part, stays in (("image", True), ("stack", False), ("direct map", False)):
                before, after = starts[1].of(part), again.of(part)
                assert (before[2] == after[2]) == stays, part
    for part in ("image", "stack", "direct map"):
        every = starts[0].of(part) + starts[1].of(part)
        assert len(set(every)) == 2 * NODE_COUNT, (part, every)


def test_without_randomisation_all_nodes_have_the_addresses_that_were_linked(network, tmp_path):
    memory = GuestMemory(tmp_path, 256 << 20)
    arguments = (f"{Qmp.qemu_args(tmp_path / 'qmp')} {memory.qemu_args()} "
                 "-machine memory-backend=memory0")
    with Talus("--qemu-args", arguments, network=network, mem="256M", smp=2, words="randomise=no") as talus, \
            Qmp(tmp_path / "qmp") as qmp:
        assert len(curl(talus, "/4b")) == 4
        qmp.run("stop")
        for tables in Reach(qmp, memory).nodes:
            assert [m.vaddr for m in tables.mappings if m.is_executable][0] == 0xFFFFFFFF80200000
            assert holds(tables, 0xFFFF900000000000) and holds(tables, 0xFFFFB00000001000)
        qmp.run("cont")
