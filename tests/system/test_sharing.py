# SPDX-License-Identifier: MIT
"""No shared kernel data, checked from outside in two ways.

qemu/plugins/sharing.c watches which node touches which page of memory, from the end of each node's
boot. It sees neither what nodes could reach but do not, nor page tables, nor what the card does: for
those the machine is stopped under load, and its page tables and the card's rings are read.
"""

import struct

import pytest

from harness import BUILD, GuestMemory, KERNEL, PLUGINS, Qmp, Reach, Talus, ab, card, curl

# Where each node finds status pages and stacks with randomise=no (boot/addresses.c).
STATUS_BASE = 0xFFFF900000000000
STACKS_BASE = 0xFFFFB00000000000
READ_ONLY, READ_WRITE, EXECUTABLE = 0x8000000000000001, 0x8000000000000003, 0x0000000000000001

SHARED_KERNEL = BUILD / "talus-shared.elf"
@pytest.fixture
def report(tmp_path):
    return tmp_path / "sharing.txt"


class Watched:
    """A machine whose memory and monitor this host can see. Use with `with`."""

    def __init__(self, network, folder, **others):
        self.memory = GuestMemory(folder, 1 << 30)
        self._qmp_path = folder / "qmp"
        arguments = (f"{Qmp.qemu_args(self._qmp_path)} {self.memory.qemu_args()} "
                     "-machine memory-backend=memory0")
        self.talus = Talus("--qemu-args", arguments, network=network, mem="1G", **others)
        self.qmp = None

    def __enter__(self):
        self.talus.start()
        self.qmp = Qmp(self._qmp_path)
        return self

    def __exit__(self, *_):
        self.qmp.close()
        self.talus.stop()

    def reach(self):
        return Reach(self.qmp, self.memory)


def run_watched(network, report, kernel, requests, smp=4, words=""):
    """Boot, serve, power off; what the plugin wrote, and what the page tables say."""
    plugin = f"{PLUGINS / 'sharing.so'},report={report}"
    with Watched(network, report.parent, kernel=kernel, words=f"check=sharing {words}",
                 plugins=[plugin], smp=smp) as watched:
        talus = watched.talus
        load = ab(talus, "/4b", requests, concurrency=8)
        assert load.failed == 0, load.output
        for path in ("/", "/1k", "/100k", "/stats", "/metrics"):
            assert curl(talus, path)
        if "capture=" in words:
            assert len(curl(talus, "/capture")) > 100000
        watched.qmp.run("stop")
        reach = watched.reach()
        assert len(reach.nodes) == smp
        servers = {reach.owner_of(ring) for ring in reach.rings if ring.buffers}
        assert servers == card.with_queues(node for node, role in talus.roles().items() if "LS" in role)
        faults = reach.faults()
        watched.qmp.run("cont")
        talus.type("poweroff\n")
        assert talus.wait() == 0
    return report.read_text(), faults


@pytest.mark.parametrize("smp, words", [(2, ""), (8, ""), (32, ""), (4, "pika=TS1+LS1+CM1 app=httpd:1"),
                                        (4, "app=httpd:4@ts"), (4, "capture=on syslog=192.0.2.1")])
def test_nodes_share_nothing_but_mailbox_and_status_pages(network, report, smp, words):
    text, faults = run_watched(network, report, KERNEL, requests=1000, smp=smp, words=words)
    assert text.splitlines()[-1] == "sharing: passed", text
    assert faults == []


def test_a_page_that_is_shared_on_purpose_is_reported(network, report):
    text, faults = run_watched(network, report, SHARED_KERNEL, requests=20)
    assert text.splitlines()[-1].startswith("sharing: FAILED"), text
    assert len(faults) == 1 and "writable for nodes [0, 1]" in faults[0], faults


def guard_page_entry(reach, node):
    """Where the entry for the page below the node's first stack lies in its tables: it maps nothing."""
    table = reach.nodes[node].root
    for level in (3, 2, 1):
        index = STACKS_BASE >> (12 + 9 * level) & 511
        table = struct.unpack("<Q", reach.memory.read(table + index * 8, 8))[0] & 0x000FFFFFFFFFF000
    assert reach.memory.read(table, 8) == bytes(8)
    return table


def test_what_only_page_tables_and_the_card_show_is_reported(network, tmp_path):
    """Each is planted in a machine that does not go on, so no node ever touches it."""
    with Watched(network, tmp_path, words="randomise=no") as watched:
        assert len(curl(watched.talus, "/4b")) == 4
        watched.qmp.run("stop")
        reach = watched.reach()
        assert reach.faults() == []
        entry = guard_page_entry(reach, 1)
        status = next(mapping.paddr for mapping in reach.nodes[1].mappings
                      if mapping.vaddr == STATUS_BASE)
        ring = next(ring for ring in reach.rings if ring.buffers)
        other = reach.nodes[3].root
        for place, content, expected in (
                (entry, reach.nodes[0].root | READ_ONLY, "a page table of node 0, mapped by [0, 1]"),
                (entry, status | READ_WRITE, "writable for nodes [0, 1]"),
                (entry, status | EXECUTABLE, "executed by [1], mapped by [0, 1, 2, 3]"),
                (entry, ring.pages[0] | READ_ONLY, f"{ring.name}: its descriptors are not one node's"),
                (next(iter(ring.buffers)), other,
                 f"{ring.name} of node {reach.owner_of(ring)}: the buffer at {other:#x} is mapped by [3]")):
            old = watched.memory.read(place, 8)
            watched.memory.write(place, struct.pack("<Q", content))
            assert any(expected in fault for fault in watched.reach().faults()), expected
            watched.memory.write(place, old)
        assert watched.reach().faults() == []
