# SPDX-License-Identifier: MIT
"""PVH by a virtual machine monitor that shares no code with QEMU: Xen.

QEMU only emulates the machine that Xen runs on, SVM included. Xen's tools read Talus' ELF note and
build the domain; what Talus meets in it has neither firmware nor PCI, none of the PC's timers, no
serial port and no screen. Its console is the debug port, which Xen puts into its own log.
"""

import shutil
import subprocess

import pytest

from harness import BUILD, REPOSITORY, LinuxGuest, Talus, paths, wait_until
from nested import QEMU, one_processor

XEN_WORDS = ("console=com1 com1=115200,8n1 guest_loglvl=all bootscrub=0 dom0_mem=512M "
             "dom0_max_vcpus=1")
CONTROL_WORDS = "console=hvc0"

DOMAIN = """\
name = "talus"
type = "pvh"
kernel = "/xen/talus.elf"
cmdline = "console=0xe9"
memory = 256
vcpus = 4
"""
NODES = 4


@pytest.fixture(scope="module")
def xen(tmp_path_factory):
    guest = REPOSITORY / "tests" / "guest"
    for program in ("build-guest", "build-xen"):
        subprocess.run([guest / program, paths.GUEST], check=True)
    tree = tmp_path_factory.mktemp("xen") / "tree"
    shutil.copytree(paths.GUEST / "xen-tree", tree, symlinks=True)
    shutil.copy(BUILD / "talus.elf", tree / "xen")
    (tree / "xen" / "talus.cfg").write_text(DOMAIN)
    # No SMAP: TCG's IRET reads the stack with a supervisor's rights in ring 3 as well, where Xen runs
    # the kernel of a paravirtual guest such as its control domain.
    machine = LinuxGuest("--qemu", QEMU, "--nic", "none", "--kvm", "no",
                         "--cpu", "max,+svm,+npt,-smap", mem="3G", smp=1, tree=tree,
                         words=CONTROL_WORDS, hypervisor=(paths.GUEST / "xen", XEN_WORDS))
    with one_processor():
        machine.start()
    try:
        machine.run("sh /xen/start")
        yield machine
    finally:
        machine.stop()


def vcpu_states(xen):
    """The state of each of the domain's processors: r runs, b is blocked until an interrupt."""
    rows = [line.split() for line in xen.run("xl vcpu-list talus").splitlines()[1:]]
    return [row[4].strip("-") for row in rows]


def test_talus_boots_by_pvh_in_a_domain_of_xen(xen):
    xen.run("xl create -q /xen/talus.cfg")
    start = xen.wait_for(r"\(d1\) .*node0 boot: Talus .*, started by PVH").start()
    xen.wait_for(rf"\(d1\) .*, {NODES} cores, x2APIC, TSC \d+\.\d+ MHz by its own word", start=start)
    xen.wait_for(r"\(d1\) .*node0 ls: no Intel 82599 on the PCI bus", start=start)
    for node in range(NODES):
        xen.wait_for(rf"\(d1\) .*node{node} boot: roles ", start=start)
    # Asleep, as hypervisors like their guests: with neither a tick nor a look at anything.
    wait_until(lambda: vcpu_states(xen) == ["b"] * NODES, "all four nodes to be blocked",
               lambda: f"{vcpu_states(xen)}", period_s=0.5)
    assert "panic" not in xen.console[start:]


def test_the_debug_port_is_a_console(tmp_path):
    log = tmp_path / "log"
    talus = Talus("--nic", "none", "--qemu-args",
                  f"-chardev file,id=e9,path={log} -device isa-debugcon,iobase=0xe9,chardev=e9",
                  words="console=0xe9 nodes=2")
    talus.start(is_awaited=False)
    try:
        def is_booted():
            assert talus.is_running()
            return log.exists() and "node1 boot: roles " in log.read_text(encoding="ascii")

        wait_until(is_booted, "the last node's line")
        assert "node0 boot" not in talus.console
    finally:
        talus.stop()
