# SPDX-License-Identifier: MIT
"""Where the network card's descriptors and receive buffers are, and its registers, while the machine
stands still: of a 82599 by its registers (datasheet 8.2.3.8, 8.2.3.9), of a virtio card by QEMU's word and
the rings themselves (VIRTIO 1.2, 2.7)."""

import re
import struct
from collections import namedtuple

PAGE_BYTES = 4096

# A queue's descriptors: the pages in which they lie, and of those that the card has to receive into,
# by their address, the page of the buffer.
Ring = namedtuple("Ring", "name pages buffers")
# Where registers lie, and the pages of them that a link server needs which has not started the card.
Registers = namedtuple("Registers", "place bytes of_queues")

INTEL = (0x8086, 0x10F7)
INTEL_REGISTERS_BYTES = 0x20000
INTEL_QUEUE_PAGES = {0x0000, 0x1000, 0x6000}  # drivers/ixgbe/README.md
# Of its queues 0 to 63; each bank of registers takes a page.
RX_QUEUE, TX_QUEUE, QUEUE_STRIDE = 0x1000, 0x6000, 0x40
ADDRESS_LOW, ADDRESS_HIGH, LENGTH, HEAD, TAIL, CONTROL = 0x00, 0x04, 0x08, 0x10, 0x18, 0x28
ENABLE = 1 << 25

# On a root bus QEMU's has the older id, with the registers of both.
VIRTIO = {(0x1AF4, 0x1000), (0x1AF4, 0x1041)}
VIRTIO_BAR = 4
VIRTIO_NOTIFY_PAGE = 0x3000

DESCRIPTOR_BYTES = 16  # of either


def page_of(address):
    return address & ~(PAGE_BYTES - 1)


def pages_of(address, size):
    return range(page_of(address), address + size, PAGE_BYTES)


def _bars(qmp):
    """(vendor, device), BAR, address and size of all memory BARs."""
    return [((device["id"]["vendor"], device["id"]["device"]), region["bar"], region["address"], region["size"])
            for bus in qmp.run("query-pci") for device in bus["devices"]
            for region in device["regions"] if region["type"] == "memory"]


def card_registers(qmp):
    """Of all cards that a driver here knows."""
    found = []
    for device, bar, address, size in _bars(qmp):
        if device == INTEL and bar == 0:
            found.append(Registers(address, INTEL_REGISTERS_BYTES, INTEL_QUEUE_PAGES))
        elif device in VIRTIO and bar == VIRTIO_BAR:
            found.append(Registers(address, size, {VIRTIO_NOTIFY_PAGE}))
    return found


def find_rings(qmp, memory):
    """Of the queues that run, with the buffers that the card has; memory is a GuestMemory."""
    rings = [ring for device, bar, address, _ in _bars(qmp) if device == INTEL and bar == 0
             for ring in _intel_rings(qmp, memory, address)]
    # Our QEMU has no virtio, and no such commands.
    if any(device in VIRTIO for device, *_ in _bars(qmp)):
        rings += _virtio_rings(qmp, memory)
    return rings


def _intel_rings(qmp, memory, registers):
    for kind, first in (("receive", RX_QUEUE), ("transmit", TX_QUEUE)):
        text = qmp.ask_monitor(f"xp /{PAGE_BYTES // 4}xw {registers + first:#x}")
        bank = [int(word, 16) for word in re.findall(r" 0x([0-9a-f]{8})", text)]
        for queue in range(PAGE_BYTES // QUEUE_STRIDE):
            words = bank[queue * QUEUE_STRIDE // 4:][:QUEUE_STRIDE // 4]
            low, high, length, head, tail, control = (
                words[at // 4] for at in (ADDRESS_LOW, ADDRESS_HIGH, LENGTH, HEAD, TAIL, CONTROL))
            if control & ENABLE:
                address = high << 32 | low
                yield Ring(f"{kind} queue {queue}", pages_of(address, length),
                           _intel_buffers(memory, address, length, head, tail) if kind == "receive" else {})


def _intel_buffers(memory, address, length, head, tail):
    buffers = {}
    while head != tail:
        descriptor = address + head * DESCRIPTOR_BYTES
        buffers[descriptor] = page_of(struct.unpack("<Q", memory.read(descriptor, 8))[0])
        head = (head + 1) % (length // DESCRIPTOR_BYTES)
    return buffers


def _virtio_rings(qmp, memory):
    for device in qmp.run("x-query-virtio"):
        if device["name"] != "virtio-net":
            continue
        count = qmp.run("x-query-virtio-status", path=device["path"])["num-vqs"]
        for index in range(count):
            queue = qmp.run("x-query-virtio-queue-status", path=device["path"], queue=index)
            if queue["vring-desc"] == 0:
                continue
            size = queue["vring-num"]
            kind = "control" if index == count - 1 and count % 2 else ("receive", "transmit")[index % 2]
            pages = sorted({*pages_of(queue["vring-desc"], size * DESCRIPTOR_BYTES),
                            *pages_of(queue["vring-avail"], 6 + 2 * size),
                            *pages_of(queue["vring-used"], 6 + 8 * size)})
            yield Ring(f"{kind} queue {index // 2}", pages,
                       _virtio_buffers(memory, queue) if kind == "receive" else {})


def _virtio_buffers(memory, queue):
    """What is available and not yet taken. A buffer is one descriptor."""
    size, first = queue["vring-num"], queue["last-avail-idx"]
    end = struct.unpack("<H", memory.read(queue["vring-avail"] + 2, 2))[0]
    buffers = {}
    for index in range(first, first + ((end - first) & 0xFFFF)):
        head = struct.unpack("<H", memory.read(queue["vring-avail"] + 4 + 2 * (index % size), 2))[0]
        descriptor = queue["vring-desc"] + head * DESCRIPTOR_BYTES
        buffers[descriptor] = page_of(struct.unpack("<Q", memory.read(descriptor, 8))[0])
    return buffers
