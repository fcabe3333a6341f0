# SPDX-License-Identifier: MIT
"""What a PCI function reaches, as a VT-d unit walks its tables (VT-d specification 9), and registers of
the card written from outside, by its I/O ports (82599 datasheet 8.1.2.2)."""

import re
import struct

from .page_tables import ADDRESS, ENTRY_COUNT, LARGE, PAGE_BYTES
from .rings import INTEL

QEMU_ARGS = "-device intel-iommu"
REGISTERS = 0xFED9_0000
GLOBAL_STATUS, ROOT_TABLE = 0x1C, 0x20
TRANSLATES = 1 << 31
READ, WRITE = 1 << 0, 1 << 1


class IommuTables:
    """Of a machine of `memory` (GuestMemory); `read` and `write` are pages, as sets of addresses."""

    def __init__(self, qmp, memory, bus, slot, function=0):
        self.read, self.write = set(), set()
        self._memory = memory
        assert self._register(qmp, GLOBAL_STATUS) & TRANSLATES
        entry = self._words(self._register(qmp, ROOT_TABLE))[2 * bus]
        context = self._words(entry & ADDRESS)[2 * (8 * slot + function):][:2] if entry & 1 else (0, 0)
        if context[0] & 1:
            self._walk(context[0] & ADDRESS, (context[1] & 7) + 1, 0, READ | WRITE)

    @staticmethod
    def _register(qmp, offset):
        text = qmp.ask_monitor(f"xp /1xw {REGISTERS + offset:#x}")
        return int(re.search(r": 0x([0-9a-f]{8})", text)[1], 16)

    def _words(self, table):
        return struct.unpack("<512Q", self._memory.read(table, PAGE_BYTES))

    def _walk(self, table, level, base, rights):
        for index, entry in enumerate(self._words(table)):
            page_count = ENTRY_COUNT ** level
            address = base + index * page_count * PAGE_BYTES
            if not entry & rights:
                continue
            if level > 0 and not entry & LARGE:
                self._walk(entry & ADDRESS, level - 1, address, rights & entry)
                continue
            assert entry & ADDRESS & ~(page_count * PAGE_BYTES - 1) == address, "nothing is moved"
            pages = range(address, address + page_count * PAGE_BYTES, PAGE_BYTES)
            self.read.update(pages if entry & rights & READ else ())
            self.write.update(pages if entry & rights & WRITE else ())


class CardPorts:
    """The card's registers by its I/O ports, which no node uses."""

    def __init__(self, qmp):
        self._qmp = qmp
        device = next(device for bus in qmp.run("query-pci") for device in bus["devices"]
                      if (device["id"]["vendor"], device["id"]["device"]) == INTEL)
        self.place = device["bus"], device["slot"]
        self._port = next(region["address"] for region in device["regions"] if region["type"] == "io")

    def write(self, offset, value):
        self._qmp.ask_monitor(f"o /w {self._port:#x} {offset:#x}")
        self._qmp.ask_monitor(f"o /w {self._port + 4:#x} {value:#x}")
