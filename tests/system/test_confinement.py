# SPDX-License-Identifier: MIT
"""What a node that runs wild can reach, and what reaches it unasked: kernel/README.md has the list.
(That nodes share nothing else is in test_sharing.py.)"""

import socket
import struct

from harness import Confinement, Gdb, GuestMemory, Qmp, Talus, ab, wait_until

NODE_COUNT = 4
VICTIM = 3
MSI_ADDRESS = 0xFEE00000
FIRST_VECTOR, VECTOR_COUNT = 16, 256
# What interrupt_is_used() says (kernel/x86/interrupt.h).
USED = {*range(0x30, 0x51), 0xE0, 0xE1}
UNASKED = sum(vector not in USED for vector in range(0x20, VECTOR_COUNT))
RSP = 7  # gdb's number of it


class Machine:
    """With its memory, its monitor, and its bus. Use with `with`."""

    def __init__(self, network, folder, **others):
        self.memory = GuestMemory(folder, 512 << 20)
        self._folder = folder
        arguments = (f"{Qmp.qemu_args(folder / 'qmp')} {self.memory.qemu_args()} "
                     f"{Gdb.qemu_args(folder / 'gdb')} -machine memory-backend=memory0 "
                     f"-qtest unix:{folder / 'qtest'},server=on,wait=off -qtest-log none")
        self.talus = Talus("--qemu-args", arguments, network=network, smp=NODE_COUNT, **others)
        self.qmp = None

    def __enter__(self):
        self.talus.start()
        self.qmp = Qmp(self._folder / "qmp")
        return self

    def __exit__(self, *_):
        self.qmp.close()
        self.talus.stop()

    def send_interrupts(self, node, vectors):
        """Such as any node or device can send."""
        with socket.socket(socket.AF_UNIX) as bus:
            bus.connect(str(self._folder / "qtest"))
            answers = bus.makefile("r", encoding="ascii")
            for vector in vectors:
                bus.sendall(f"writel {MSI_ADDRESS + (node << 12):#x} {vector:#x}\n".encode())
                assert answers.readline() == "OK\n"

    def look(self, check):
        """What `check` finds while the machine stands still."""
        self.qmp.run("stop")
        try:
            return check(Confinement(self.qmp, self.memory))
        finally:
            self.qmp.run("cont")

    def confinement(self):
        """The faults, and every node's guard word."""
        roles = self.talus.roles()
        link_servers = [node for node in sorted(roles) if "LS" in roles[node]]
        return self.look(lambda found: (found.faults(link_servers, link_servers[0]),
                                        [found.guard(node) for node in range(NODE_COUNT)]))

    def overflow_stack(self, node):
        """What it does next finds no room."""
        bottom = self.look(lambda found: found.stacks(node)[0][0])
        with Gdb(self._folder / "gdb") as gdb:
            gdb.ask("qXfer:features:read:target.xml:0,fff")  # or it sets no register
            assert gdb.ask(f"Hg{node + 1:x}") == "OK"
            assert gdb.ask(f"P{RSP:x}={bottom.to_bytes(8, 'little').hex()}") == "OK"
            gdb.ask("D")


def serve(machine):
    load = ab(machine.talus, "/4b", 200, concurrency=8)
    assert load.failed == 0, load.output


def check_unasked_interrupts(machine):
    """They are counted, and nothing else: the node sleeps and wakes as before."""
    machine.send_interrupts(VICTIM, range(FIRST_VECTOR, VECTOR_COUNT))
    wait_until(lambda: machine.talus.counter("interrupts_unasked_total")[VICTIM] == UNASKED,
               "all to be counted", lambda: machine.talus.counter("interrupts_unasked_total"))
    sleeps = machine.talus.counter("node_sleeps_total")[VICTIM]
    serve(machine)
    assert machine.talus.counter("node_sleeps_total")[VICTIM] > sleeps
    counts = machine.talus.counter("interrupts_unasked_total")
    assert counts == {node: UNASKED if node == VICTIM else 0 for node in range(NODE_COUNT)}


def check_that_faults_are_found(machine):
    """Each is planted in a machine that does not go on, so no node ever acts on it."""
    def plant(found):
        memory, tables = machine.memory, found.nodes[1]
        entries = {}  # of 4 KiB pages, by their address
        for table in tables.tables:
            for index, entry in enumerate(struct.unpack("<512Q", memory.read(table, 4096))):
                if entry & 1:
                    entries.setdefault(entry & 0x000FFFFFFFFFF000, []).append((table + 8 * index, entry))
        code = min((m for m in tables.mappings if m.is_executable), key=lambda m: m.vaddr).paddr
        roles = machine.talus.roles()
        link_servers = [node for node in sorted(roles) if "LS" in roles[node]]
        for page, bits, expected in ((tables.root, 2, f"the page table {tables.root:#x} is writable"),
                                     (code, 2, "is writable and executable")):
            place, entry = entries[page][0]
            memory.write(place, struct.pack("<Q", entry | bits))
            faults = Confinement(machine.qmp, memory).faults(link_servers, link_servers[0])
            memory.write(place, struct.pack("<Q", entry))
            assert any(fault.startswith("node 1: ") and expected in fault for fault in faults), faults
        assert Confinement(machine.qmp, memory).faults(link_servers, link_servers[0]) == []

    machine.look(plant)


def test_a_node_reaches_what_is_its_own_and_no_more(network, tmp_path):
    with Machine(network, tmp_path) as machine:
        serve(machine)
        check_unasked_interrupts(machine)
        faults, guards = machine.confinement()
        assert faults == [], "\n".join(faults)
        assert len(set(guards)) == NODE_COUNT and all(guard and guard % 256 == 0 for guard in guards)
        check_that_faults_are_found(machine)

        machine.overflow_stack(VICTIM)
        machine.talus.wait_for(rf"node{VICTIM} panic: page fault: write of .*a stack has overflowed")
        machine.talus.wait_for(rf"node{VICTIM} boot: came back as incarnation 2")
        wait_until(lambda: ab(machine.talus, "/4b", 50, concurrency=4).failed == 0, "all to serve")
        faults, later_guards = machine.confinement()
        assert faults == [], "\n".join(faults)
        assert later_guards[:VICTIM] == guards[:VICTIM] and later_guards[VICTIM] not in guards
    (tmp_path / "second").mkdir()
    with Machine(network, tmp_path / "second") as machine:
        assert not set(machine.confinement()[1]) & {*guards, *later_guards}
