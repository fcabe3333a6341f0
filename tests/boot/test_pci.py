# SPDX-License-Identifier: MIT
"""The 82599 wherever it sits on the PCI bus, and whatever firmware has left undone."""

import re
import struct

import pytest
from grub_machine import grub_machine
from harness import Talus, curl
from harness.machine import free_port

MICROVM = "microvm,acpi=on,pcie=on"
MICROVM_BIOS = "-bios /usr/share/seabios/bios-microvm.bin"
NIC = "-device ixgbe82599,netdev=n0,mac=52:54:00:12:34:56,romfile="
ROOT_PORT = "-device pcie-root-port,id=rp,bus=pcie.0,addr=4"
# Two downstream ports, so that the card is not behind the first one.
SWITCH = (f"{ROOT_PORT} -device x3130-upstream,id=up,bus=rp "
          "-device xio3130-downstream,id=down1,bus=up,chassis=2,slot=1 "
          "-device xio3130-downstream,id=down2,bus=up,chassis=3,slot=2")


class Wire:
    """A user network by name: QEMU's arguments, and the port that leads to the machine's port 80."""

    def __init__(self, name):
        self.port = free_port()
        self.arguments = f"-netdev user,id={name},hostfwd=tcp:127.0.0.1:{self.port}-:80"


def start(make, machine, devices, **others):
    """A running machine whose devices are given by hand, in their order; the card uses n0."""
    wire = Wire("n0")
    talus = make("--nic", "none", "--qemu-args", f"{wire.arguments} {devices}",
                 "--machine", machine, **others)
    talus.port = wire.port
    return talus.start()


def start_changed_by_grub(folder, devices, commands, files=None, words="log=debug", **others):
    def make(*options, **machine):
        return grub_machine(folder, "\n".join(commands), *options, words=words, files=files,
                            **machine)
    return start(make, "q35", devices, **others)


def check_it_serves(talus, *log_lines):
    """A page arrives; then end the machine. The lines are regular expressions."""
    try:
        assert len(curl(talus, "/4b")) == 4
        for line in log_lines:
            talus.wait_for(line)
    finally:
        talus.stop()


def clear(function, *registers):
    """GRUB's commands that zero 32-bit registers of a function."""
    return [f"setpci -s {function} {register:x}.l=0" for register in registers]


BARS = (0x10, 0x14, 0x20, 0x24)
WINDOWS = (0x20, 0x24, 0x28, 0x2C)
COMMAND = 0x04
BUS_NUMBERS = 0x18


# --- Where the card is ---


def test_without_mcfg_configuration_space_is_reached_by_ports():
    check_it_serves(start(Talus, "pc", NIC, words="log=debug"),
                    r"pci: configuration space by ports", r"82599 .* at 0000:00:")


@pytest.mark.parametrize("machine, bridge", [
    ("q35", "-device pxb-pcie,id=more,bus_nr=128,bus=pcie.0 "
            "-device pcie-root-port,id=rp,bus=more"),
    ("pc", "-device pxb,id=rp,bus_nr=128,bus=pci.0"),
], ids=["q35", "pc"])
def test_the_card_is_found_behind_a_root_bus_that_only_aml_names(machine, bridge):
    check_it_serves(start(Talus, machine, f"{bridge} {NIC},bus=rp"),
                    r"pci: root bus 0000:80 is in no table", r"82599 .* at 0000:8[01]:")


@pytest.mark.parametrize("bridges, bus, address", [
    (SWITCH, "down2", r"04:00\.0"),
    (f"{ROOT_PORT} -device pcie-pci-bridge,id=old,bus=rp -device pci-bridge,id=older,bus=old,"
     "addr=1,chassis_nr=9", "older,addr=2", r"03:02\.0"),
], ids=["PCI Express", "PCI"])
def test_the_card_serves_behind_switches_and_bridges(bridges, bus, address):
    check_it_serves(start(Talus, "q35", f"{bridges} {NIC},bus={bus}"),
                    rf"82599 .* at 0000:{address}")


# --- microvm: no MCFG, and firmware that leaves PCI alone ---


def test_microvms_configuration_space_stands_in_its_dsdt():
    check_it_serves(start(Talus, MICROVM, f"{MICROVM_BIOS} {NIC}", words="log=debug"),
                    r"pci: configuration space of 0000:00 to ff at 0xe0000000",
                    # In the window that the DSDT gives its host bridge.
                    r"pci: BAR 0 of 0000:00:01\.0, 128 KiB, had no address: 0x[cd]")


def test_buses_and_bridges_that_no_firmware_has_touched_lead_to_the_card():
    bridges = SWITCH.replace("id=rp,bus=pcie.0,addr=4", "id=rp,chassis=1")
    check_it_serves(start(Talus, MICROVM, f"{MICROVM_BIOS} {bridges} {NIC},bus=down2"),
                    r"pci: bridge 0000:00:01\.0 leads to bus 01 now",
                    r"pci: bridge 0000:02:01\.0 lets through 0x[cd]",
                    r"82599 .* at 0000:04:00\.0")


# --- What firmware of other machines does, done by GRUB ---


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_a_card_without_addresses_gets_some(tmp_path, firmware):
    commands = clear("00:02.0", COMMAND, *BARS)
    check_it_serves(start_changed_by_grub(tmp_path, f"{NIC},addr=2", commands, firmware=firmware),
                    r"pci: BAR 0 of 0000:00:02\.0, 128 KiB, had no address",
                    r"pci: BAR 4 of 0000:00:02\.0, 16 KiB, had no address")


def test_a_card_that_does_not_decode_at_anothers_address_is_moved(tmp_path):
    # The screen's registers are there.
    commands = ["setpci -s 00:02.0 4.w=0",
                "setpci -s 00:02.0 10.l=fd000000", "setpci -s 00:02.0 14.l=0",
                "setpci -s 00:01.0 4.w=0", "setpci -s 00:01.0 10.l=fd000000"]
    check_it_serves(start_changed_by_grub(tmp_path, f"{NIC},addr=2", commands),
                    r"pci: 1 BARs of 0000:00:02\.0 lack an address",
                    r"pci: BAR 0 of 0000:00:02\.0, 128 KiB, was at 0xfd000000: 0x\w+ now")


def test_a_card_behind_a_closed_root_port_is_let_through(tmp_path):
    commands = clear("01:00.0", COMMAND, *BARS) + clear("00:04.0", COMMAND, *WINDOWS)
    check_it_serves(start_changed_by_grub(tmp_path, f"{ROOT_PORT} {NIC},bus=rp", commands),
                    r"pci: bridge 0000:00:04\.0 lets through 0x",
                    r"pci: BAR 0 of 0000:01:00\.0, 128 KiB, had no address")


def test_a_card_behind_buses_without_numbers_is_found(tmp_path):
    commands = clear("04:00.0", COMMAND, *BARS)
    for bridge in ("02:01.0", "02:00.0", "01:00.0", "00:04.0"):
        commands += clear(bridge, COMMAND, *WINDOWS, BUS_NUMBERS)
    check_it_serves(start_changed_by_grub(tmp_path, f"{SWITCH} {NIC},bus=down2", commands),
                    r"pci: bridge 0000:00:04\.0 leads to bus 01 now",
                    r"82599 .* at 0000:04:00\.0")


def test_a_root_that_no_table_names_and_no_firmware_set_up_leads_to_the_card(tmp_path):
    bridges = ("-device pxb-pcie,id=more,bus_nr=128,bus=pcie.0 "
               "-device pcie-root-port,id=rp,bus=more")
    commands = clear("81:00.0", COMMAND, *BARS) + clear("80:00.0", COMMAND, *WINDOWS, BUS_NUMBERS)
    check_it_serves(start_changed_by_grub(tmp_path, f"{bridges} {NIC},bus=rp", commands),
                    r"pci: bridge 0000:80:00\.0 leads to bus 81 now",
                    r"pci: bridge 0000:80:00\.0 lets through 0x",
                    r"82599 .* at 0000:81:00\.0")


def test_addresses_above_4_gib_work(tmp_path):
    commands = ["setpci -s 00:02.0 10.l=0", "setpci -s 00:02.0 14.l=8",
                "setpci -s 00:02.0 20.l=100000", "setpci -s 00:02.0 24.l=8",
                "setpci -s 00:02.0 14.l"]
    talus = start_changed_by_grub(tmp_path, f"{NIC},addr=2", commands)
    assert "had no address" not in talus.console
    check_it_serves(talus, r"Register 14 of 0:02\.0 is 8$", r"82599 .* at 0000:00:02\.0")


def test_addresses_above_4_gib_work_behind_a_root_port(tmp_path):
    commands = ["setpci -s 00:04.0 24.l=0", "setpci -s 00:04.0 28.l=8", "setpci -s 00:04.0 2c.l=8",
                "setpci -s 01:00.0 10.l=0", "setpci -s 01:00.0 14.l=8",
                "setpci -s 01:00.0 20.l=80000", "setpci -s 01:00.0 24.l=8",
                "setpci -s 01:00.0 14.l"]
    talus = start_changed_by_grub(tmp_path, f"{ROOT_PORT} {NIC},bus=rp", commands)
    assert "had no address" not in talus.console
    check_it_serves(talus, r"Register 14 of 1:00\.0 is 8$", r"82599 .* at 0000:01:00\.0")


def mcfg(paddr):
    """A table with one window: segment 0, all buses."""
    table = bytearray(struct.pack("<4sIBB6s8sI4sI8xQHBBI", b"MCFG", 60, 1, 0, b"TALUS ", b"TEST    ",
                                  1, b"TEST", 1, paddr, 0, 0, 255, 0))
    table[9] = -sum(table) & 0xFF
    return bytes(table)


def test_configuration_space_above_4_gib_works(tmp_path):
    # Register 60h of q35's host bridge holds where it is, and whether.
    commands = ["setpci -s 00:00.0 64.l=8", "setpci -s 00:00.0 60.l=1",
                "acpi --exclude=MCFG /talus/mcfg.bin"]
    check_it_serves(start_changed_by_grub(tmp_path, NIC, commands,
                                          files={"talus/mcfg.bin": mcfg(0x800000000)}),
                    r"pci: configuration space of 0000:00 to ff at 0x800000000")


@pytest.mark.parametrize("paddr, line", [
    (0x8000000000, r"pci: configuration space of 0000:00 to ff does not answer"),
    (0x1000000, r"ACPI: no configuration space can be at 0x1000000, ignored"),
], ids=["nowhere", "memory"])
def test_an_mcfg_that_names_the_wrong_place_leaves_the_ports(tmp_path, paddr, line):
    talus = start_changed_by_grub(tmp_path, NIC, ["acpi --exclude=MCFG /talus/mcfg.bin"],
                                  files={"talus/mcfg.bin": mcfg(paddr)})
    check_it_serves(talus, line, r"82599 .* at 0000:00:")


# --- pci=assign, or not ---

GUESS = r"lack an address|pci=assign:|are given one| now$"


@pytest.mark.parametrize("bridges, place", [
    ("", ""),
    (SWITCH, ",bus=down2"),
], ids=["root", "switch"])
def test_what_firmware_has_set_up_is_not_rewritten(bridges, place):
    talus = start(Talus, "q35", f"{bridges} {NIC}{place}", words="log=debug")
    assert not re.search(rf"pci: .*({GUESS})", talus.console, re.M)
    check_it_serves(talus, r"82599 .* at 0000:")
    assert not re.search(rf"pci: .*({GUESS})", talus.console, re.M)


@pytest.mark.parametrize("bridges, place, address", [
    ("", ",addr=2", r"00:02\.0"),
    (SWITCH, ",bus=down2", r"04:00\.0"),
], ids=["root", "switch"])
def test_pci_assign_keeps_what_firmware_has_set_up_well(bridges, place, address):
    talus = start(Talus, "q35", f"{bridges} {NIC}{place}", words="pci=assign")
    check_it_serves(talus, rf"pci: pci=assign: 0000:{address} keeps its addresses")
    assert "ignored" not in talus.console


def test_pci_assign_moves_a_card_from_where_no_host_bridge_leads(tmp_path):
    """It decodes at an address that is in no window of the DSDT. Without pci=assign that is left as
    it is, and QEMU's machine, unlike others, passes all addresses on."""
    commands = ["setpci -s 00:02.0 10.l=0", "setpci -s 00:02.0 14.l=40",
                "setpci -s 00:02.0 20.l=100000", "setpci -s 00:02.0 24.l=40"]
    check_it_serves(start_changed_by_grub(tmp_path, f"{NIC},addr=2", commands,
                                          words="pci=assign"),
                    r"pci: pci=assign: 2 BARs of 0000:00:02\.0 get addresses",
                    r"pci: BAR 0 of 0000:00:02\.0, 128 KiB, was at 0x4000000000: 0x\w+ now")


# --- Several ports ---

MACS = ("52:54:00:12:34:56", "52:54:00:12:34:57")


def start_with_two_ports(words, used, places=("3", "4")):
    """Each on a network of its own; the page is asked for on that of number `used`."""
    wires = [Wire(f"n{number}") for number in range(2)]
    devices = " ".join(f"{wire.arguments} -device ixgbe82599,netdev=n{number},mac={MACS[number]},"
                       f"addr={places[number]},romfile=" for number, wire in enumerate(wires))
    talus = Talus("--nic", "none", "--qemu-args", devices, words=words)
    talus.port = wires[used].port
    return talus.start()


@pytest.mark.parametrize("word, used", [
    ("nic=0", 0),
    ("nic=1", 1),
    ("nic=00:04.0", 1),
    ("nic=0000:00:03.0", 0),
    (f"nic={MACS[1].upper()}", 1),
])
def test_nic_chooses_a_port(word, used):
    talus = start_with_two_ports(word, used)
    assert "ignored" not in talus.console
    assert "is used" not in talus.console
    check_it_serves(talus, rf"82599 .* at 0000:00:0{used + 3}\.0, MAC {MACS[used]}")


def test_both_ports_of_one_card_can_be_chosen():
    talus = start_with_two_ports("nic=00:03.1", 1, ("3.0,multifunction=on", "3.1"))
    check_it_serves(talus, rf"82599 .* at 0000:00:03\.1, MAC {MACS[1]}")


@pytest.mark.parametrize("word, complaint", [
    ("", r"of 2 network ports the first is used; nic= chooses"),
    ("nic=2", r"nic=2: no network port is that: the first port is used"),
    ("nic=00:05.0", r"nic=00:05\.0: no network port is that: the first port is used"),
    ("nic=52:54:00:00:00:01", r"nic=52:54:00:00:00:01: no network port is that"),
    ("nic=eth0", r"nic=eth0 is neither a number, nor .*: the first port is used"),
])
def test_otherwise_the_first_port_is_used_and_all_are_listed(word, complaint):
    check_it_serves(start_with_two_ports(word, 0), complaint,
                    rf"port 0: 0000:00:03\.0, 8086:10f7, {MACS[0]}",
                    rf"port 1: 0000:00:04\.0, 8086:10f7, {MACS[1]}",
                    rf"82599 .* at 0000:00:03\.0, MAC {MACS[0]}")
