# SPDX-License-Identifier: MIT
"""Machine checks and NMIs: they end the node that they are for, and nothing else."""

import re

import pytest

from harness import Qmp, Talus, curl

# IA32_MCi_STATUS (SDM 3B 16.3.2.2): valid, uncorrected, enabled, MISC and ADDR valid, context corrupt.
STATUS = 0xBE00000000000135
MCG_STATUS = 0x5
ADDRESS = 0x1234000
MISC = 0x8C


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Five cores, one of them no node's, of a model that tells all cores of a machine check.

    The tests break it one after the other.
    """
    path = tmp_path_factory.mktemp("qmp") / "socket"
    with Talus("--cpu", "max,model=26", "--qemu-args", Qmp.qemu_args(path), smp=5,
               words="nodes=4 restart=no") as talus, Qmp(path) as qmp:
        talus.qmp = qmp
        yield talus


def inject(machine, core, flags=""):
    answer = machine.qmp.ask_monitor(
        f"mce {flags} {core} 1 {STATUS:#x} {MCG_STATUS:#x} {ADDRESS:#x} {MISC:#x}")
    assert answer == "", answer


def states(machine):
    """Of each node, as the console's owner tells it."""
    start = len(machine.console)
    machine.type("nodes\n")
    machine.wait_for(r"^node3 +\w+\s", start)  # its end, too: the line comes byte by byte
    return re.findall(r"^node\d +(\w+)", machine.console[start:], re.M)


def test_a_machine_check_ends_its_node_which_shows_the_registers(machine):
    inject(machine, 3)
    report = machine.wait_for(r"node3 panic: (.|\n)*?node 3 halted")[0]
    assert "machine check" in report
    assert re.search(rf"MCG_STATUS {MCG_STATUS:016x}", report)
    assert re.search(rf"bank 1: STATUS {STATUS:016x} ADDR {ADDRESS:016x} MISC {MISC:016x}", report)
    machine.wait_for(r"node0 dispatch: node3 is dead")
    assert machine.counter("node_up") == {0: 1, 1: 1, 2: 1, 3: 0}


def test_a_machine_check_told_to_all_cores_ends_none_but_its_own(machine):
    """Twice, and its own is dead already: who is left in the first one resets the machine."""
    for _ in range(2):
        inject(machine, 3, "-b")
        assert len(curl(machine, "/4b")) == 4
    assert machine.counter("node_up") == {0: 1, 1: 1, 2: 1, 3: 0}
    assert machine.console.count("started by") == 1


def test_an_nmi_of_the_chipset_ends_one_node(machine):
    """QEMU raises the NMI line of every core."""
    machine.qmp.run("inject-nmi")
    report = machine.wait_for(r"node0 panic: (.|\n)*?node 0 halted")[0]
    assert "NMI" in report
    assert re.search(r"NMI by another node or by the NMI line", report)
    machine.wait_for(r"node1 dispatch: node0 is dead")
    assert states(machine) == ["dead", "running", "running", "dead"]
