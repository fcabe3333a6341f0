# SPDX-License-Identifier: MIT
"""Machines whose ACPI tables or memory are not what one hopes for."""

import re
import struct

import pytest
from grub_machine import grub_machine
from harness import Talus, curl
from screen import Screen

LAPIC_PADDR = 0xFEE00000
HEADER_BYTES = 36
ENABLED = 1


def table(signature, body, checksum_error=0):
    """An ACPI table (ACPI 6.5, 5.2.6), whose bytes add up to 0 unless an error is asked for."""
    content = bytearray(struct.pack("<4sIBB6s8sI4sI", signature, HEADER_BYTES + len(body), 3, 0,
                                    b"TALUS ", b"TEST    ", 1, b"TEST", 1) + body)
    content[9] = (checksum_error - sum(content)) & 0xFF
    return bytes(content)


def local_apic(apic_id, flags=ENABLED):
    return struct.pack("<BBBBI", 0, 8, apic_id, apic_id, flags)


def local_x2apic(apic_id, flags=ENABLED):
    return struct.pack("<BBHIII", 9, 16, 0, apic_id, flags, apic_id)


IOAPIC = struct.pack("<BBBBII", 1, 12, 0, 0, 0xFEC00000, 0)


def madt(*entries, **others):
    return table(b"APIC", struct.pack("<II", LAPIC_PADDR, 1) + b"".join(entries) + IOAPIC,
                 **others)


def with_madt(folder, content, **others):
    return grub_machine(folder, "acpi --exclude=APIC /talus/madt.bin",
                        files={"talus/madt.bin": content}, **others)


def test_cores_that_do_not_answer_are_named_and_left_out(tmp_path):
    listed = [local_apic(apic_id) for apic_id in (0, 40, 1, 41, 2, 3)]
    with with_madt(tmp_path, madt(*listed), smp=4) as talus:
        for apic_id in (40, 41):
            talus.wait_for(f"core with APIC id {apic_id} does not answer, left out")
        assert ", 4 cores, " in talus.console
        assert len(curl(talus, "/4b")) == 4
        assert len(talus.counter("node_up")) == 4


def test_a_core_that_is_listed_twice_becomes_one_node(tmp_path):
    listed = [entry(apic_id) for entry in (local_apic, local_x2apic) for apic_id in (0, 1, 2)]
    with with_madt(tmp_path, madt(*listed), smp=4) as talus:
        assert ", 3 cores, " in talus.console
        assert len(curl(talus, "/4b")) == 4
        assert len(talus.counter("node_up")) == 3


def test_a_core_that_is_listed_as_disabled_is_left_alone(tmp_path):
    listed = [local_apic(0), local_apic(1, flags=0), local_apic(2), local_x2apic(3, flags=2)]
    with with_madt(tmp_path, madt(*listed), smp=4) as talus:
        assert ", 2 cores, " in talus.console
        assert "does not answer" not in talus.console
        assert len(curl(talus, "/4b")) == 4


def test_cores_beyond_an_older_apics_reach_are_counted_and_left_out(tmp_path):
    """QEMU's TCG has no x2APIC."""
    listed = [local_apic(0), local_apic(1), local_x2apic(255), local_x2apic(300)]
    with with_madt(tmp_path, madt(*listed), smp=2) as talus:
        talus.wait_for("2 cores left out: their APIC ids need an x2APIC")
        assert "does not answer" not in talus.console
        assert len(curl(talus, "/4b")) == 4
        assert len(talus.counter("node_up")) == 2


def test_marks_of_all_cores_are_called_by_nobody(tmp_path):
    """An INIT to all would reset the machine."""
    listed = [local_apic(0), local_apic(0xFF), local_x2apic(0xFFFFFFFF), local_apic(1)]
    with with_madt(tmp_path, madt(*listed), smp=2) as talus:
        assert ", 2 cores, " in talus.console and "left out" not in talus.console
        assert len(curl(talus, "/4b")) == 4


def test_many_cores_that_do_not_answer_are_waited_for_together(tmp_path):
    """Eighty seconds would be too long for the harness."""
    listed = [local_apic(apic_id) for apic_id in (0, 1, *range(100, 178))]
    with with_madt(tmp_path, madt(*listed), smp=2) as talus:
        talus.wait_for("core with APIC id 177 does not answer, left out")
        assert ", 2 cores, " in talus.console
        assert len(curl(talus, "/4b")) == 4


def test_the_cores_of_a_madt_without_an_address_of_their_apic_serve(tmp_path):
    """Each core says itself where it has it. The entry of type 5 has another address, twice."""
    override = struct.pack("<BBHQ", 5, 12, 0, 0x123456000)
    content = table(b"APIC", struct.pack("<II", 0, 1) + override * 2 +
                    b"".join(local_apic(apic_id) for apic_id in range(4)) + IOAPIC)
    with with_madt(tmp_path, content, smp=4) as talus:
        assert ", 4 cores, " in talus.console
        assert len(curl(talus, "/4b")) == 4


def test_without_a_madt_one_core_serves(tmp_path):
    with grub_machine(tmp_path, "acpi --exclude=APIC", smp=4) as talus:
        assert ", 1 cores, " in talus.console or ", 1 core, " in talus.console
        assert len(curl(talus, "/4b")) == 4


def test_a_madt_with_a_wrong_checksum_is_reported_and_one_core_serves(tmp_path):
    content = madt(local_apic(0), local_apic(1), checksum_error=1)
    with with_madt(tmp_path, content, smp=4) as talus:
        talus.wait_for("APIC: wrong checksum")
        assert len(curl(talus, "/4b")) == 4
        assert len(talus.counter("node_up")) == 1


def test_a_madt_that_ends_within_an_entry_is_reported_and_what_came_before_counts(tmp_path):
    content = table(b"APIC", struct.pack("<II", LAPIC_PADDR, 1) + IOAPIC + local_apic(0) +
                    local_apic(1) + local_apic(2)[:5])
    with with_madt(tmp_path, content, smp=4) as talus:
        talus.wait_for("APIC: an entry has an impossible length")
        assert len(curl(talus, "/4b")) == 4
        assert len(talus.counter("node_up")) == 2


NO_TABLES = "no ACPI tables: no power-off, and cores by the older MP table"


def test_without_acpi_the_cores_of_the_mp_table_serve_and_the_log_says_so():
    """SeaBIOS lists one core of each package there."""
    with Talus("--machine", "pc,acpi=off", smp=2) as talus:
        talus.wait_for(NO_TABLES)
        assert len(curl(talus, "/4b")) == 4
        assert len(talus.counter("node_up")) == 1


# --- Roots ---

# Where GRUB is told that the BIOS keeps its extended data, and what it finds there.
EBDA_SEGMENT = 0x9000
EBDA = EBDA_SEGMENT << 4
RSDP, RSDT, XSDT = EBDA + 0x10, EBDA + 0x100, EBDA + 0x200


def sealed(content, checksum_at, checksum_error=0):
    content = bytearray(content)
    content[checksum_at] = (checksum_error - sum(content)) & 0xFF
    return bytes(content)


def rsdp(rsdt=RSDT, xsdt=XSDT, version=2, checksum_error=0):
    first = sealed(struct.pack("<8sB6sBI", b"RSD PTR ", 0, b"TALUS ", version, rsdt), 8,
                   checksum_error)
    return sealed(first + struct.pack("<IQI", 36, xsdt, 0), 32) if version else first


def poke(address, content):
    """GRUB's commands that write bytes to memory."""
    content += bytes(-len(content) % 4)
    words = struct.unpack(f"<{len(content) // 4}I", content)
    return [f"write_dword {address + 4 * index:#x} {word:#x}" for index, word in enumerate(words)]


def with_roots(folder, root, *tables, options=(), **others):
    """The RSDP and what it names, as GRUB and then Talus find them in memory."""
    commands = ["write_word 0x40e " + hex(EBDA_SEGMENT), f"write_word {EBDA:#x} 1", *poke(RSDP, root)]
    for address, content in tables:
        commands += poke(address, content)
    return grub_machine(folder, "\n".join(commands), *options, **others)


def assert_one_core_serves(talus):
    talus.wait_for(NO_TABLES)
    assert len(curl(talus, "/4b")) == 4
    assert len(talus.counter("node_up")) == 1


def test_with_both_roots_broken_one_core_serves_and_console_and_screen_say_why(tmp_path):
    path = tmp_path / "qmp"
    with with_roots(tmp_path, rsdp(), (RSDT, table(b"RSDT", b"", checksum_error=1)),
                    (XSDT, table(b"XSDT", b"", checksum_error=1)),
                    options=("--qemu-args", Screen.qemu_args(path))) as talus:
        for text in ("ACPI table XSDT: wrong checksum", "ACPI table RSDT: wrong checksum"):
            talus.wait_for(text)
        assert_one_core_serves(talus)
        with Screen(path) as screen:
            screen.wait_for(NO_TABLES)
            screen.wait_for("ACPI table XSDT: wrong checksum")


@pytest.mark.parametrize("root, tables, problem", [
    # Of the first version, which has no XSDT.
    (rsdp(version=0), [(RSDT, table(b"RSDT", b"", checksum_error=1))], "RSDT: wrong checksum"),
    (rsdp(), [(RSDT, b"RSDT\xff\xff\xff\xff"), (XSDT, b"XSDT\1\0\0\0")], "XSDT: impossible length"),
    (rsdp(rsdt=0, xsdt=0xFFFFFFFFFFFF0000), [], "cannot be read"),
    # Sound tables, but not the ones that were asked for.
    (rsdp(), [(RSDT, table(b"APIC", b"")), (XSDT, table(b"APIC", b""))], "no ACPI tables"),
])
def test_roots_that_lead_nowhere_leave_one_core_that_serves(tmp_path, root, tables, problem):
    with with_roots(tmp_path, root, *tables) as talus:
        talus.wait_for(problem)
        assert_one_core_serves(talus)


def test_an_rsdp_with_a_wrong_checksum_is_none(tmp_path):
    with with_roots(tmp_path, rsdp(checksum_error=1), machine="pc,acpi=off") as talus:
        assert_one_core_serves(talus)


# --- Power ---


@pytest.mark.parametrize("command, line", [("poweroff", "power: off"), ("reboot", "power: reset")])
def test_reduced_hardware_ends_by_its_registers_in_memory(command, line):
    """Without the emulator's own exit, which the launcher offers and Talus falls back to."""
    with Talus("--machine", "microvm,acpi=on,pcie=on", "--qemu-args",
               "-bios /usr/share/seabios/bios-microvm.bin", smp=2, words="debug_exit=no") as talus:
        talus.type(f"{command}\n")
        talus.wait_for(f"node0 {line}")
        assert talus.wait() == 0


def test_without_a_fadt_the_machine_is_reset_all_the_same(tmp_path):
    with grub_machine(tmp_path, "acpi --exclude=FACP", "--qemu-args", "-action reboot=reset",
                      smp=2) as talus:
        talus.type("reboot\n")
        reset = talus.wait_for("node0 power: reset")
        talus.wait_for(r"listening on http://", reset.end())


def generic_address(space, address, bits=8):
    return struct.pack("<BBBBQ", space, bits, 0, 1, address)


def fadt(reset, reset_value, length=244):
    """A FADT (ACPI 6.5, 5.2.9) of the q35's PM timer; GRUB puts the DSDT's address into it."""
    body = bytearray(length - HEADER_BYTES)
    fields = {76: struct.pack("<I", 0x608), 91: b"\4", 109: struct.pack("<H", 2),
              112: struct.pack("<I", 1 << 10), 116: reset, 128: bytes([reset_value])}
    for offset, value in fields.items():
        if offset + len(value) <= length:
            body[offset - HEADER_BYTES:offset - HEADER_BYTES + len(value)] = value
    return table(b"FACP", bytes(body))


def with_fadt(folder, content, **others):
    return grub_machine(folder, "acpi --exclude=FACP /talus/fadt.bin",
                        files={"talus/fadt.bin": content}, **others)


def test_reset_is_by_the_register_that_the_fadt_names(tmp_path):
    """Port 0xF4 is the debug exit, whose value 0x11 the launcher turns into status 1."""
    with with_fadt(tmp_path, fadt(generic_address(1, 0xF4), 0x11), smp=2) as talus:
        talus.type("reboot\n")
        assert talus.wait() == 1


@pytest.mark.parametrize("space, address", [
    (2, 0x0000001F000000F0),  # the PCI bridge to ISA, where nothing resets
    (0, 0xFED1F000),          # memory where there is nothing
    (1, 0x10000),             # no port
    (9, 0x40),                # a space that is none of ours
])
def test_a_reset_that_does_nothing_gives_way_to_the_chipsets(tmp_path, space, address):
    with with_fadt(tmp_path, fadt(generic_address(space, address), 0x01), smp=2) as talus:
        talus.type("reboot\n")
        assert talus.wait() == 0


def test_a_fadt_of_the_first_version_has_a_clock_and_no_power_off(tmp_path):
    content = fadt(generic_address(1, 0xF4), 0x11, length=116)
    with with_fadt(tmp_path, content, machine="q35,hpet=off", smp=2) as talus:
        assert "MHz by ACPI PM timer" in talus.console
        talus.type("poweroff\n")
        talus.wait_for("this machine cannot be switched off by software")


def test_a_fadt_that_is_cut_is_reported_and_all_cores_serve(tmp_path):
    with with_fadt(tmp_path, fadt(generic_address(1, 0xF4), 0x11, length=115), smp=4) as talus:
        talus.wait_for("FACP: too short")
        assert len(curl(talus, "/4b")) == 4
        assert len(talus.counter("node_up")) == 4


# --- Memory ---

def memory_for_nodes_mib(talus):
    return int(re.search(r"boot: (\d+) MiB of memory for ", talus.console)[1])


# The host gives only what is touched. qemu64 has no pages of 1 GiB; QEMU's processors have 40 bits
# of address, part of which devices take.
@pytest.mark.parametrize("cpu, size_gib", [("max", 500), ("qemu64", 700), ("max", 900)])
def test_hundreds_of_gibibytes_of_memory_are_used(cpu, size_gib):
    memory = f"-object memory-backend-ram,id=memory,size={size_gib}G,reserve=off"
    with Talus("--machine", "q35,memory-backend=memory", "--cpu", cpu, "--qemu-args", memory,
               mem=f"{size_gib}G") as talus:
        assert memory_for_nodes_mib(talus) > (size_gib - 1) * 1024
        assert "not used" not in talus.console and "ignored" not in talus.console
        assert len(curl(talus, "/100k")) == 102400
        assert talus.counter("node_up") == {node: 1 for node in range(4)}
