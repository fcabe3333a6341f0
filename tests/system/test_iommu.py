# SPDX-License-Identifier: MIT
"""With an IOMMU the network card reaches what its link servers' queues need, and nothing else."""

import socket
import struct

import pytest

from harness import Network, Qmp, Talus, curl, wait_until
from harness.iommu_tables import QEMU_ARGS, CardPorts, IommuTables
from harness.page_tables import PAGE_BYTES, GuestMemory, Reach
from test_rejoin_net import crash_and_return, is_served

pytestmark = pytest.mark.only_82599("QEMU's virtio cards reach memory past the IOMMU; descriptors are planted")

MEBIBYTE = 1 << 20
NEW_CONNECTIONS = 16
LINK_SERVERS, OTHERS = (0, 1), (2, 3)

# A transmit queue that nobody uses, and of a legacy descriptor its length and its commands: end of
# packet, checksum, report (82599 datasheet 7.2.3.2.2).
FREE_QUEUE = 40
ADDRESS_LOW, ADDRESS_HIGH, LENGTH, TAIL, CONTROL = (
    0x6000 + 0x40 * FREE_QUEUE + offset for offset in (0x00, 0x04, 0x08, 0x18, 0x28))
COMMAND = 60 | 1 << 24 | 1 << 25 | 1 << 27


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A machine, its memory, and QEMU's word on it."""
    folder = tmp_path_factory.mktemp("iommu")
    memory = GuestMemory(folder, 512 * MEBIBYTE)
    options = f"{QEMU_ARGS} {Qmp.qemu_args(folder / 'qmp')} {memory.qemu_args()}"
    with Network() as network, \
            Talus("--machine", "q35,memory-backend=memory0", "--qemu-args", options, network=network,
                  words="restart=always") as machine, Qmp(folder / "qmp") as qmp:
        machine.wait_for("the NIC steers to 2 queues")  # both have their rings then
        yield machine, memory, qmp


def stand_still(qmp, look):
    qmp.run("stop")
    try:
        return look()
    finally:
        qmp.run("cont")


def refused(machine, access):
    return sum(machine.counter("dma_refused_total", access=access).values())


def call(address):
    """Connections that are on their way, from ports of all queues."""
    clients = [socket.socket() for _ in range(8)]
    for client in clients:
        client.setblocking(False)
        client.connect_ex((address, 80))
    return clients


def own_pages(reach, node):
    """Those that this node alone can reach."""
    return {page for mapping in reach.nodes[node].mappings if mapping.paddr < reach.memory.bytes
            for page in range(mapping.paddr, mapping.paddr + mapping.page_count * PAGE_BYTES, PAGE_BYTES)
            if reach.users_of(page).readers == {node}}


def test_the_card_reaches_its_link_servers_memory_and_writes_to_little_of_it(watched):
    machine, memory, qmp = watched
    reach, card, others = stand_still(qmp, lambda: (
        Reach(qmp, memory), IommuTables(qmp, memory, *CardPorts(qmp).place),
        [IommuTables(qmp, memory, 0, slot) for slot in (0, 31)]))
    own = [own_pages(reach, node) for node in range(4)]
    assert reach.faults() == []
    assert card.write <= card.read
    assert not any(other.read or other.write for other in others)

    # Writes: what two nodes alone can reach, and no tables of theirs; that is where the rings are.
    assert card.write <= own[0] | own[1]
    assert all(MEBIBYTE < PAGE_BYTES * len(card.write & own[node]) < 12 * MEBIBYTE
               for node in LINK_SERVERS)
    assert not any(card.write & tables.tables for tables in reach.nodes)
    needed = {page for ring in reach.rings for page in (*ring.pages, *ring.buffers.values())}
    assert len(needed) > 500 and needed <= card.write

    # Reads: nothing that other nodes alone can reach, and all of the archive, which all can.
    assert not any(card.read & own[node] for node in OTHERS)
    shared = {page for page in card.read if len(reach.users_of(page).readers) == 4
              and not reach.users_of(page).writers}
    assert PAGE_BYTES * len(shared) > 100_000


def test_a_descriptor_gone_wild_reaches_nothing_and_is_counted(watched):
    machine, memory, qmp = watched
    before = refused(machine, "write")

    def plant():
        """Of each queue the next buffer is one of a web server's pages."""
        reach = Reach(qmp, memory)
        page = min(own_pages(reach, OTHERS[0]))
        descriptors = {next(iter(ring.buffers)) for ring in reach.rings if ring.buffers}
        planted = {descriptor: memory.read(descriptor, 8) for descriptor in descriptors}
        for descriptor in planted:
            memory.write(descriptor, struct.pack("<Q", page))
        return page, memory.read(page, PAGE_BYTES), planted

    page, content, planted = stand_still(qmp, plant)
    clients = machine.network.inside(call, machine.address)
    machine.wait_for(rf"iommu: [0-9a-f:.]+ may not write to {page:#x}: refused")
    assert memory.read(page, PAGE_BYTES) == content
    for descriptor, buffer in planted.items():
        memory.write(descriptor, buffer)
    for client in clients:
        client.close()
    wait_until(lambda: is_served(machine), "an answer", machine.last_lines)
    assert refused(machine, "write") > before


def test_what_the_card_may_not_read_it_does_not_send(watched):
    machine, memory, qmp = watched
    before = refused(machine, "read")

    def plant():
        card = CardPorts(qmp)
        page = min(own_pages(Reach(qmp, memory), OTHERS[1]))
        ring = min(IommuTables(qmp, memory, *card.place).write)  # buffers are taken from the other end
        memory.write(ring, struct.pack("<QII", page, COMMAND, 0).ljust(128, b"\0"))
        for register, value in ((ADDRESS_LOW, ring), (ADDRESS_HIGH, 0), (LENGTH, 128),
                                (CONTROL, 1 << 25), (TAIL, 1)):
            card.write(register, value)
        return page

    page = stand_still(qmp, plant)
    machine.wait_for(rf"iommu: [0-9a-f:.]+ may not read {page:#x}: refused")
    assert refused(machine, "read") > before


def test_link_servers_that_die_and_come_back_go_on_with_the_memory_that_the_card_reaches(watched):
    machine, _, _ = watched
    before = refused(machine, "read"), refused(machine, "write")
    for node in LINK_SERVERS:
        crash_and_return(machine, node)
        wait_until(lambda: is_served(machine), "an answer", machine.last_lines)
        for _ in range(NEW_CONNECTIONS):
            assert len(curl(machine, "/4b")) == 4
    # Those who counted have forgotten it.
    assert refused(machine, "read") <= before[0] and refused(machine, "write") <= before[1]
