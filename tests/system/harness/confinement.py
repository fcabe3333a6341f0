# SPDX-License-Identifier: MIT
"""What a node that runs wild can reach, from the page tables of a machine that stands still: each
mapping of each node is of a kind that is known here, with no more rights than that kind has."""

import re
import struct

from .gdb import symbol_vaddr
from .page_tables import PAGE_BYTES, Reach
from .rings import card_registers

IMAGE_OFFSET = 0xFFFFFFFF80000000  # of the image as it was loaded (kernel/x86/layout.h)
STACK_BYTES = 32 << 10
CR0_WRITE_PROTECT = 1 << 16
STACKS_BYTES = 16 << 20  # more than there are here

# As QEMU's monitor shows them; of tables the address.
REGISTERS = {"RSP": r"RSP=([0-9a-f]+)", "CR0": r"CR0=([0-9a-f]+)", "GDT": r"GDT= +([0-9a-f]+)",
             "IDT": r"IDT= +([0-9a-f]+)", "TSS": r"TR =[0-9a-f]+ ([0-9a-f]+)"}


class Confinement(Reach):
    def __init__(self, qmp, memory):
        super().__init__(qmp, memory)
        text = qmp.ask_monitor("info registers -a")
        self._registers = [{name: int(re.search(pattern, core)[1], 16)
                            for name, pattern in REGISTERS.items()}
                           for core in text.split("CPU#")[1:]]
        self._cards = card_registers(qmp)

    def guard(self, node):
        """The word that the node's functions put before their return address."""
        image = min((m for m in self.nodes[node].mappings if m.is_executable), key=lambda m: m.vaddr)
        place = image.paddr + symbol_vaddr("__stack_chk_guard") - symbol_vaddr("image_start")
        return struct.unpack("<Q", self.memory.read(place, 8))[0]

    def faults(self, link_servers, starter):
        """A line each; `starter` is the link server that has started the card."""
        found = super().faults()
        for node, tables in enumerate(self.nodes):
            found += [f"node {node}: {fault}" for fault in (
                self._wrong_rights(tables) + self._writable_tables(node)
                + self._wrong_devices(tables, node in link_servers, node == starter)
                + self._stacks_without_guards(node))]
        return found + self._wrongly_shared()

    @staticmethod
    def _wrong_rights(tables):
        text_bytes = symbol_vaddr("text_end") - symbol_vaddr("image_start")
        executable = [m for m in tables.mappings if m.is_executable]
        found = [f"{m.vaddr:#x} is writable and executable" for m in executable if m.is_writable]
        # The first page of the text is there once more, where it was linked: the gate (boot/gate.S).
        gate = [m for m in executable if m.vaddr == symbol_vaddr("gate_start")]
        if (sum(m.page_count for m in executable) != -(-text_bytes // PAGE_BYTES) + 1
                or [m.page_count for m in gate] != [1]):
            found.append("more or less than the text and the gate is executable")
        return found

    def _writable_tables(self, node):
        """What the core itself goes by, and its code, by whatever address."""
        tables, registers = self.nodes[node], self._registers[node]
        pages = {f"the page table {page:#x}": page for page in tables.tables}
        for name in ("GDT", "IDT", "TSS"):
            mapping = next(m for m in tables.mappings
                           if m.vaddr <= registers[name] < m.vaddr + m.page_count * PAGE_BYTES)
            pages[name] = mapping.paddr + (registers[name] - mapping.vaddr & ~(PAGE_BYTES - 1))
        for m in tables.mappings:
            if m.is_executable:
                pages |= {f"the code at {m.vaddr + offset:#x}": m.paddr + offset
                          for offset in range(0, m.page_count * PAGE_BYTES, PAGE_BYTES)}
        found = [f"{what} is writable" for what, page in pages.items() if self.users_of(page).writers]
        if not registers["CR0"] & CR0_WRITE_PROTECT:
            found.append("read-only pages are writable for the core")
        return found

    def _wrong_devices(self, tables, is_link_server, is_starter):
        found = []
        for m in tables.mappings:
            for card in self._cards:
                end = min(m.paddr + m.page_count * PAGE_BYTES, card.place + card.bytes)
                reached = {page - card.place
                           for page in range(max(m.paddr, card.place), end, PAGE_BYTES)}
                if not is_starter and reached - (card.of_queues if is_link_server else set()):
                    found.append(f"{m.vaddr:#x}: registers of the card at {sorted(map(hex, reached))}")
        return found

    def stacks(self, node):
        """(start, end) of each run of pages near the stack in use. By chance the image is near, too; all
        else that is drawn lies farther off, but for one start in a million."""
        stack = self._registers[node]["RSP"]
        runs = []
        for m in sorted(self.nodes[node].mappings):
            if abs(m.vaddr - stack) < STACKS_BYTES and m.vaddr < IMAGE_OFFSET:
                start = runs.pop()[0] if runs and runs[-1][1] == m.vaddr else m.vaddr
                runs.append((start, m.vaddr + m.page_count * PAGE_BYTES))
        return runs

    def _stacks_without_guards(self, node):
        stacks = self.stacks(node)
        found = [f"from {start:#x} to {end:#x} there is no guard page"
                 for start, end in stacks if end - start != STACK_BYTES]
        return found if stacks else ["there is no stack"]

    def _wrongly_shared(self):
        """One node's pages that others can read are its status page, which all do, and its channels,
        which one does; what nobody writes is read by all: the archive, and the table of nodes."""
        everybody = set(range(len(self.nodes)))
        archive = range(symbol_vaddr("archive_start") - IMAGE_OFFSET,
                        symbol_vaddr("archive_end") - IMAGE_OFFSET)
        found, constant_pages = [], 0
        for (start, users), (end, _) in zip(self._uses, self._uses[1:]):
            if len(users.readers) > 1 and not users.writers and start not in archive:
                constant_pages += (end - start) // PAGE_BYTES
            is_known = (len(users.readers) <= 1 or users.readers == everybody
                        or len(users.readers) == 2 and len(users.writers) == 1)
            if not is_known:
                found.append(f"{start:#x}: read by {sorted(users.readers)}, "
                             f"written by {sorted(users.writers)}")
        if constant_pages != 1:
            found.append(f"{constant_pages} pages beside the archive can be read by several nodes")
        return found
