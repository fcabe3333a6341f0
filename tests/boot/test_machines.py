# SPDX-License-Identifier: MIT
"""Machines that differ from the one of the other tests, started by PVH."""

import pytest

from harness import Talus, curl

MICROVM_BIOS = "/usr/share/seabios/bios-microvm.bin"


@pytest.mark.parametrize("machine, cpu, smp, mem, nodes", [
    # The older PC: no PCIe, configuration space by ports.
    ("pc", "qemu64", "4", "512M", 4),
    # APIC ids 0 1 2 4 5 6: a gap for the fourth core that a package does not have.
    ("q35", "max", "6,sockets=2,cores=3", "1G", 6),
    # Four more cores could be plugged in: listed, but disabled.
    ("q35", "max", "3,maxcpus=7", "1G", 3),
    # No HPET: ACPI's timer is the clock.
    ("q35,hpet=off", "qemu64", "2", "1G", 2),
])
def test_a_machine_boots_as_many_nodes_as_it_has_cores(machine, cpu, smp, mem, nodes):
    with Talus("--machine", machine, "--cpu", cpu, smp=smp, mem=mem) as talus:
        for node in range(nodes):
            talus.wait_for(rf"node{node} boot: roles ")
        assert f", {nodes} cores, " in talus.console
        assert len(curl(talus, "/4b")) == 4
        assert len(talus.counter("node_up")) == nodes


def test_without_hpet_the_clock_is_acpis_timer():
    with Talus("--machine", "q35,hpet=off", smp=1) as talus:
        assert "MHz by ACPI PM timer" in talus.console


def start_microvm(words):
    machine = Talus("--machine", f"microvm,acpi=on,{words}", "--nic", "none",
                    "--qemu-args", f"-bios {MICROVM_BIOS}")
    machine.start(is_awaited=False)
    return machine


def test_a_machine_without_pci_hpet_and_pm_timer_boots_by_the_pit():
    machine = start_microvm("pit=on,pic=off,rtc=off")
    try:
        machine.wait_for(r"4 cores, .* by PIT")
        for node in range(4):
            machine.wait_for(rf"node{node} boot: roles ")
        machine.wait_for(r"power button is not one of ACPI's fixed events: it is not heard")
        machine.wait_for(r"no Intel 82599")
    finally:
        machine.stop()


def test_a_machine_without_any_clock_says_so():
    machine = start_microvm("pit=off,pic=off,rtc=off")
    try:
        machine.wait_for(r"no clock: neither HPET")
        machine.wait_for(r"node 0 halted")
    finally:
        machine.stop()


@pytest.mark.parametrize("cpu, what", [
    ("486", "no 64-bit mode"),
    ("qemu32", "no 64-bit mode"),
    ("qemu64,-nx", "execute-disable"),
])
def test_a_processor_that_lacks_something_is_told_so(cpu, what):
    machine = Talus("--cpu", cpu, "--nic", "none", smp=1)
    machine.start(is_awaited=False)
    try:
        machine.wait_for(rf"^Talus: .*{what}.* Halted\.")
        assert machine.is_running()
    finally:
        machine.stop()
