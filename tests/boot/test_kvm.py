# SPDX-License-Identifier: MIT
"""Talus on KVM's processors and interrupt controllers, and the launcher's choice of KVM.

This host may have no KVM: an emulated one does, and runs every machine here (nested.py).
"""

import importlib.machinery
import importlib.util
import os

import pytest

from harness import REPOSITORY
from nested import FOLDER, KvmHost, NestedTalus

LAUNCH = os.fspath(REPOSITORY / "qemu" / "launch")

# An option ROM as firmware runs it before it boots: the local APIC of the boot core to x2APIC,
# and the byte of IA32_APIC_BASE that says so to the debug port.
X2APIC_ROM = bytes.fromhex(
    "55 aa 01"           # signature, one block of 512 bytes
    "66 60"              # pushal
    "66 b9 1b 00 00 00"  # mov $IA32_APIC_BASE, %ecx
    "0f 32"              # rdmsr
    "0d 00 0c"           # or $(ENABLE | X2APIC), %ax
    "0f 30"              # wrmsr
    "0f 32"              # rdmsr
    "88 e0"              # mov %ah, %al
    "e6 e9"              # out %al, $0xe9
    "66 61"              # popal
    "cb"                 # lret
).ljust(511, b"\0")
ENABLE_X2APIC_BSP = 0x0D

# One queue of the NIC: a filter of flows costs four emulated register accesses, and there are
# thousands.
ONE_QUEUE = '--append "pika=TS1LS1CM1 app=httpd:3"'

# The last of four cores, with an APIC id that no byte holds.
FAR_CORE = "-device host-x86_64-cpu,socket-id=1,core-id=3,thread-id=0"
FAR_SMP = "3,sockets=2,cores=129,threads=1,maxcpus=258"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    tree = tmp_path_factory.mktemp("kvm")
    rom = tree / "x2apic.rom"
    rom.write_bytes(X2APIC_ROM + bytes([-sum(X2APIC_ROM) & 0xFF]))
    with KvmHost(tree) as machine:
        yield machine


def check_four_nodes(talus, apic):
    assert f", 4 cores, {apic}, " in talus.console
    for node in range(4):
        assert f"node{node} boot: roles " in talus.console
    # Once more than there are applications.
    for _ in range(3):
        assert talus.fetch("/4b") == "pika"
    assert len(talus.fetch("/100k")) == 102400
    metrics = talus.fetch("/metrics")
    for node in range(4):
        assert f'talus_node_up{{node="{node}"}} 1' in metrics


def test_the_launcher_chooses_kvm_by_itself(host):
    command = host.run(f"{FOLDER}/qemu/launch --print {FOLDER}/build/talus.elf")
    assert "-accel kvm -cpu host,+x2apic" in command
    assert "no usable KVM" not in command


@pytest.mark.parametrize("options, apic, timer", [
    ("", "x2APIC", "tsc-deadline"),
    (f"--cpu host,+x2apic,-tsc-deadline {ONE_QUEUE}", "x2APIC", "one-shot"),
    (f"--cpu host,-x2apic,+tsc-deadline {ONE_QUEUE}", "xAPIC", "tsc-deadline"),
    (f"--cpu host,-x2apic,-tsc-deadline {ONE_QUEUE} --machine pc", "xAPIC", "one-shot"),
    # Nothing that says that this is a virtual machine.
    (f"--cpu host,+x2apic,-hypervisor,kvm=off {ONE_QUEUE}", "x2APIC", "tsc-deadline"),
])
def test_four_nodes_serve_under_kvm(host, options, apic, timer):
    with NestedTalus(host, options) as talus:
        check_four_nodes(talus, apic)
        assert "cores are virtual" in talus.console
        local_apic = talus.ask_monitor("info lapic")
        assert f" {timer} " in next(line for line in local_apic.splitlines() if "LVTT\t" in line)


def test_a_core_with_a_wide_apic_id_is_a_node(host):
    with NestedTalus(host, f"--cpu host,+x2apic --smp {FAR_SMP} {ONE_QUEUE}",
                     qemu_args=FAR_CORE) as talus:
        check_four_nodes(talus, "x2APIC")
        assert "dumping local APIC state" in talus.ask_monitor("info lapic 259")


def test_a_link_server_with_a_wide_apic_id_does_without_a_queue(host):
    """MSI-X cannot name it. The other link server receives and sends for it."""
    smp = FAR_SMP.replace("3,", "1,", 1)
    roles = '--append "pika=TS2LS2CM2 app=httpd:2@ts"'
    with NestedTalus(host, f"--cpu host,+x2apic --smp {smp} {roles}", qemu_args=FAR_CORE) as talus:
        assert "1 cores have APIC ids above 254" in talus.console
        assert "node1 ixgbe: no queue here: MSI-X does not reach APIC id 259" in talus.console
        for _ in range(8):  # flows of both
            assert talus.fetch("/4b") == "pika"
        for node in range(2):
            assert f'talus_node_up{{node="{node}"}} 1' in talus.fetch("/metrics")


def test_an_x2apic_that_firmware_enabled_stays_so(host):
    qemu_args = ("-option-rom /x2apic.rom -chardev file,id=rom,path=/tmp/rom "
                 "-device isa-debugcon,iobase=0xe9,chardev=rom")
    with NestedTalus(host, f"--cpu host,+x2apic {ONE_QUEUE}", qemu_args=qemu_args) as talus:
        assert host.run("cat /tmp/rom") == chr(ENABLE_X2APIC_BSP)
        check_four_nodes(talus, "x2APIC")


# --- The choice alone ---


@pytest.fixture(scope="module")
def launch():
    loader = importlib.machinery.SourceFileLoader("launch", LAUNCH)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("launch", loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("cpuinfo, reason", [
    ("processor\t: 0\nflags\t\t: fpu vme vmx smx est\n", None),
    ("processor\t: 0\nflags\t\t: fpu vme lahf_lm svm npt\n", None),
    ("processor\t: 0\nflags\t\t: fpu vme vmxon svm_lock\n", "the CPU has neither vmx nor svm"),
    # Another line's words do not count.
    ("model name\t: svm vmx\nvmx flags\t: vnmi\nflags\t\t: fpu\n",
     "the CPU has neither vmx nor svm"),
    ("Features\t: fp asimd\n", "no CPU flags in "),
    ("", "no CPU flags in "),
])
def test_kvm_is_chosen_by_the_processors_flags(launch, tmp_path, cpuinfo, reason):
    file = tmp_path / "cpuinfo"
    file.write_text(cpuinfo)
    answer = launch.why_no_kvm("/dev/null", file)
    assert answer is None if reason is None else answer.startswith(reason)


def test_kvm_is_not_chosen_without_its_device(launch, tmp_path):
    device = tmp_path / "kvm"
    assert launch.why_no_kvm(device) == f"no {device}"


def test_kvm_is_not_chosen_when_its_device_is_for_others(launch, monkeypatch):
    # Root, as these tests run, is let through whatever the device's mode.
    monkeypatch.setattr(launch.os, "access", lambda *_: False)
    assert launch.why_no_kvm("/dev/null") == "/dev/null may not be opened by this user"


@pytest.mark.parametrize("choice, reason, accelerator", [
    ("auto", None, "kvm"),
    ("auto", "no /dev/kvm", "tcg,thread=multi"),
    ("no", None, "tcg,thread=multi"),
    ("yes", None, "kvm"),
])
def test_the_accelerator_follows_choice_and_machine(launch, monkeypatch, choice, reason,
                                                    accelerator):
    monkeypatch.setattr(launch, "why_no_kvm", lambda: reason)
    options = launch.parse_arguments(["kernel", "--kvm", choice])
    assert launch.accelerator_arguments(options)[:2] == ["-accel", accelerator]


def test_kvm_asked_for_and_absent_is_refused(launch, monkeypatch):
    monkeypatch.setattr(launch, "why_no_kvm", lambda: "no /dev/kvm")
    options = launch.parse_arguments(["kernel", "--kvm", "yes"])
    with pytest.raises(launch.LaunchError, match="no usable KVM .no /dev/kvm.; use KVM=auto"):
        launch.accelerator_arguments(options)


def test_plugins_mean_no_kvm(launch, monkeypatch):
    monkeypatch.setattr(launch, "why_no_kvm", lambda: None)
    options = launch.parse_arguments(["kernel", "--plugin", "p.so"])
    assert "kvm" not in launch.accelerator_arguments(options)
