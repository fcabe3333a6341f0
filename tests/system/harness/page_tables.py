# SPDX-License-Identifier: MIT
"""What each core of a machine can reach, read from its page tables (SDM 3A 4.5) while it stands still,
and whose memory the card's rings are."""

import bisect
import mmap
import re
import struct
from collections import Counter, namedtuple

from .rings import PAGE_BYTES, find_rings

ENTRY_COUNT = 512
PRESENT, WRITE, LARGE, NO_EXECUTE = 1 << 0, 1 << 1, 1 << 7, 1 << 63
ADDRESS = 0x000F_FFFF_FFFF_F000

Mapping = namedtuple("Mapping", "vaddr paddr page_count is_writable is_executable")
Users = namedtuple("Users", "readers writers executors")


class PageTables:
    """Of one core: `mappings`, and `tables`, the physical addresses of the tables themselves."""

    def __init__(self, memory, root):
        self.root = root & ADDRESS
        self.mappings = []
        self.tables = set()
        self._memory = memory
        self._walk(self.root, 3, 0, True, True)

    def _walk(self, table, level, base, is_writable, is_executable):
        self.tables.add(table)
        for index, entry in enumerate(struct.unpack("<512Q", self._memory.read(table, PAGE_BYTES))):
            if not entry & PRESENT:
                continue
            page_count = ENTRY_COUNT ** level
            vaddr = base + index * page_count * PAGE_BYTES
            writable = is_writable and bool(entry & WRITE)
            executable = is_executable and not entry & NO_EXECUTE
            if level > 0 and not entry & LARGE:
                self._walk(entry & ADDRESS, level - 1, vaddr, writable, executable)
            else:
                paddr = entry & ADDRESS & ~(page_count * PAGE_BYTES - 1)
                if vaddr >= 1 << 47:
                    vaddr |= 0xFFFF << 48
                self.mappings.append(Mapping(vaddr, paddr, page_count, writable, executable))


class GuestMemory:
    """The memory of a machine that was started with qemu_args(), as this host sees it; all of it below
    the hole for devices."""

    def __init__(self, folder, *domain_bytes):
        """So many bytes of each domain; one: no domains."""
        self.domains = []  # (first physical address, end)
        self._files = [folder / f"memory{i}" for i in range(len(domain_bytes))]
        for size in domain_bytes:
            start = self.domains[-1][1] if self.domains else 0
            self.domains.append((start, start + size))
        self.bytes = self.domains[-1][1]
        self._maps = []

    def qemu_args(self):
        """The objects memory0, memory1 ...; one of them alone is -machine memory-backend=memory0."""
        return " ".join(f"-object memory-backend-file,id=memory{index},size={end - start},"
                        f"mem-path={path},share=on"
                        for index, (path, (start, end)) in enumerate(zip(self._files, self.domains)))

    def _find(self, paddr):
        """The map and the place in it."""
        if not self._maps:
            for path in self._files:
                with open(path, "r+b") as file:
                    self._maps.append(mmap.mmap(file.fileno(), 0))
        return next((content, paddr - start) for content, (start, end)
                    in zip(self._maps, self.domains) if start <= paddr < end)

    def read(self, paddr, count):
        content, at = self._find(paddr)
        return content[at:at + count]

    def write(self, paddr, data):
        content, at = self._find(paddr)
        content[at:at + len(data)] = data

    def domain_of(self, paddr):
        return next(index for index, (start, end) in enumerate(self.domains) if start <= paddr < end)


class Reach:
    """Of a machine of `memory` (GuestMemory) that stands still, as QEMU's monitor tells."""

    def __init__(self, qmp, memory):
        self.memory = memory
        roots = re.findall(r"\bCR3=([0-9a-f]+)", qmp.ask_monitor("info registers -a"))
        self.nodes = [PageTables(memory, int(root, 16)) for root in roots]
        self._uses = self._find_uses()
        self._starts = [start for start, _ in self._uses]
        self._table_owners = {table: node for node, tables in enumerate(self.nodes)
                              for table in tables.tables}
        self.rings = find_rings(qmp, memory)

    def _find_uses(self):
        """Memory cut where its users change: [(first physical address, users)], sorted. Users are the
        nodes that can read it, write it, execute it."""
        changes = {0: []}
        for node, tables in enumerate(self.nodes):
            for mapping in tables.mappings:
                if mapping.paddr < self.memory.bytes:
                    use = (node, mapping.is_writable, mapping.is_executable)
                    end = mapping.paddr + mapping.page_count * PAGE_BYTES
                    changes.setdefault(mapping.paddr, []).append((use, 1))
                    changes.setdefault(end, []).append((use, -1))
        uses, active = [], Counter()
        for start, steps in sorted(changes.items()):
            for use, step in steps:
                active[use] += step
            now = [use for use, count in active.items() if count > 0]
            uses.append((start, Users({node for node, _, _ in now},
                                      {node for node, is_writer, _ in now if is_writer},
                                      {node for node, _, is_executor in now if is_executor})))
        return uses

    def users_of(self, page):
        """Of a page of memory."""
        return self._uses[bisect.bisect_right(self._starts, page) - 1][1]

    def owner_of(self, ring):
        """The one node that can reach the queue's descriptors; None when there is not one."""
        owners = {frozenset(self.users_of(page).readers) for page in ring.pages}
        owner = owners.pop() if len(owners) == 1 else ()
        return next(iter(owner)) if len(owner) == 1 else None

    def faults(self):
        """What nodes can reach of each other that they should not: a line each."""
        found = []
        for start, users in self._uses:
            if len(users.writers) > 1:
                found.append(f"{start:#x}: writable for nodes {sorted(users.writers)}")
            if users.executors and len(users.readers) > 1:
                found.append(f"{start:#x}: executed by {sorted(users.executors)}, "
                             f"mapped by {sorted(users.readers)}")
        for table, owner in self._table_owners.items():
            readers = self.users_of(table).readers
            if readers - {owner}:
                found.append(f"{table:#x}: a page table of node {owner}, mapped by {sorted(readers)}")
        if len(self._table_owners) != sum(len(node.tables) for node in self.nodes):
            found.append("two nodes use one page table")
        for ring in self.rings:
            owner = self.owner_of(ring)
            if owner is None:
                found.append(f"{ring.name}: its descriptors are not one node's")
            for buffer in sorted(set(ring.buffers.values())):
                readers = self.users_of(buffer).readers
                if readers != {owner}:
                    found.append(f"{ring.name} of node {owner}: the buffer at {buffer:#x} is "
                                 f"mapped by {sorted(readers)}")
        return found
