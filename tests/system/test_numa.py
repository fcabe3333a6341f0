# SPDX-License-Identifier: MIT
"""Machines with memory in several places (QEMU's -numa): what a node uses first lies in its own domain.

The judge is not the log but the page tables and the card's registers, with the domains as QEMU has
laid them out. The log is held to them.
"""

import re

import pytest

from harness import GuestMemory, Qmp, Reach, Talus, ab, card, curl

MIB = 1 << 20
PAGE_BYTES = 4096
NODE_COUNT = 4

# Parts of each node's address space (kernel/x86/layout.h).
DIRECT_MAP_BASE = 0xFFFF800000000000
STATUS_BASE = 0xFFFF900000000000
CHANNELS_BASE = 0xFFFF980000000000
CHANNELS_END = 0xFFFF9C0000000000
CHANNEL_BYTES = 256 << 10


def start(network, folder, domain_mib):
    """Nodes 0 and 1 in the first domain, the others in the last, as firmware's tables say."""
    memory = GuestMemory(folder, *(mib * MIB for mib in domain_mib if mib))
    arguments = [Qmp.qemu_args(folder / "qmp"), memory.qemu_args()]
    for domain, mib in enumerate(domain_mib):
        cores = f"cpus={2 * domain}-{2 * domain + 1}"
        arguments.append(f"-numa node,nodeid={domain},{cores}"
                         + (f",memdev=memory{domain}" if mib else ""))
    return memory, Talus("--qemu-args", " ".join(arguments), network=network,
                         mem=f"{sum(domain_mib)}M", smp=NODE_COUNT, words="randomise=no")


def logged(talus):
    """By domain: (nodes, MiB of its own, MiB of others)."""
    lines = re.findall(r"boot: domain (\d+): (\d+) nodes, (\d+) MiB of its own memory and (\d+) of others'",
                       talus.console)
    return {int(domain): tuple(map(int, rest)) for domain, *rest in lines}


def stray_pages(memory, reach, domain_of_node):
    """What lies in another domain than that of the node whose memory it is, a line each; and by domain
    how many bytes of ordinary memory its nodes have there and elsewhere."""
    stray = []
    ordinary = {}
    for node, tables in enumerate(reach.nodes):
        domain = domain_of_node(node)
        stray += [f"node {node}: page table {table:#x}" for table in tables.tables
                  if memory.domain_of(table) != domain]
        for mapping in tables.mappings:
            if mapping.paddr >= memory.bytes or not (mapping.is_writable or mapping.is_executable):
                continue
            if DIRECT_MAP_BASE <= mapping.vaddr < STATUS_BASE:
                sums = ordinary.setdefault(domain, [0, 0])
                sums[memory.domain_of(mapping.paddr) != domain] += mapping.page_count * PAGE_BYTES
                continue
            # A channel lies in its receiver's memory.
            owner = ((mapping.vaddr - CHANNELS_BASE) // CHANNEL_BYTES
                     if CHANNELS_BASE <= mapping.vaddr < CHANNELS_END else node)
            if memory.domain_of(mapping.paddr) != domain_of_node(owner):
                stray.append(f"node {node}: {mapping.vaddr:#x} at {mapping.paddr:#x}")
    for ring in reach.rings:
        domain = domain_of_node(reach.owner_of(ring))
        stray += [f"{ring.name}: {page:#x}" for page in {*ring.pages, *ring.buffers.values()}
                  if memory.domain_of(page) != domain]
    return stray, ordinary


def is_channel(mapping):
    return CHANNELS_BASE <= mapping.vaddr < CHANNELS_END


@pytest.mark.parametrize("domain_mib", [(256, 256), (384, 128)])
def test_what_a_node_has_lies_in_its_domain(network, tmp_path, domain_mib):
    memory, machine = start(network, tmp_path, domain_mib)
    # Nodes of each domain are link servers, and web servers to which the others open channels.
    machine.append += " pika=TS4LS4CM4 app=httpd:4@ts"
    with machine as talus, Qmp(tmp_path / "qmp") as qmp:
        assert ab(talus, "/4b", 500, concurrency=16).failed == 0
        assert len(curl(talus, "/100k")) == 102400
        qmp.run("stop")
        reach = Reach(qmp, memory)
        stray, ordinary = stray_pages(memory, reach, lambda node: node // 2)
        assert stray == []
        assert {reach.owner_of(ring) for ring in reach.rings if ring.buffers} == card.with_queues({0, 1, 2, 3})
        assert any(is_channel(mapping) for tables in reach.nodes for mapping in tables.mappings)
        for domain, (node_count, local_mib, other_mib) in logged(talus).items():
            local_bytes, other_bytes = ordinary[domain]
            assert node_count == 2
            # The log counts images, stacks and status pages, too: some 4 MiB a node, of which what is
            # only read may lie elsewhere.
            assert local_bytes <= (local_mib + 1) * MIB <= local_bytes + 10 * MIB
            assert abs(other_bytes - other_mib * MIB) <= 2 * MIB
        assert len(logged(talus)) == 2
        if domain_mib[0] == domain_mib[1]:
            assert all(other <= 4 * MIB for _, other in ordinary.values())


def test_nodes_of_a_domain_without_memory_use_the_others(network, tmp_path):
    _, machine = start(network, tmp_path, (512, 0))
    with machine as talus:
        assert len(curl(talus, "/100k")) == 102400
        assert talus.counter("node_up") == {node: 1 for node in range(NODE_COUNT)}
        (two, own, others), (also_two, none, borrowed) = (logged(talus)[domain] for domain in (0, 1))
        assert (two, also_two, others, none) == (2, 2, 0, 0)
        assert abs(own - borrowed) <= 4 and own > 200


def test_a_machine_with_one_domain_says_nothing_of_it(talus):
    assert logged(talus) == {}
