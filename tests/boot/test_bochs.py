# SPDX-License-Identifier: MIT
"""Bochs as a second opinion: processors and a chipset that share no code with QEMU's.

They have an x2APIC with a TSC deadline timer, and an 8259 that interrupts the core past the local
APIC. No 82599. SeaBIOS asks CMOS how many processors to wait for, as QEMU's says, and Bochs fills
in nothing there: so it gets a whole image of CMOS. Its sound goes nowhere: on a host without any,
Debian's Bochs aborts in its own mixer.
"""

import contextlib
import os
import re
import select
import struct
import subprocess
import time
import tty

from harness import WAIT_S

CORES = 4
MEMORY_MIB = 512

CONFIGURATION = """\
config_interface: textconfig
display_library: rfb, options="timeout=0"
romimage: file=/usr/share/seabios/bios.bin
vgaromimage: file=/usr/share/vgabios/vgabios.stdvga.bin
cpu: model=corei7_haswell_4770, count={cores}, ips=20000000, reset_on_triple_fault=0
cmosimage: file={cmos}, rtc_init=time0
memory: guest={memory}, host={memory}
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=term, dev={serial}
clock: sync=none
pci: enabled=1, chipset=i440fx
sound: waveoutdrv=dummy
log: {log}
panic: action=fatal
"""

# Bytes of CMOS, by their index: what SeaBIOS reads of them, and the clock at rest.
CMOS_BYTES = 128
CMOS_RATE, CMOS_CLOCK_MODE, CMOS_BATTERY = 0x0A, 0x0B, 0x0D
CMOS_EQUIPMENT = 0x14
CMOS_BASE_KIB = 0x15
CMOS_EXTENDED_KIB = 0x30
CMOS_ABOVE_16_MIB = 0x34  # in units of 64 KiB
CMOS_BOOT_ORDER = 0x3D
CMOS_OTHER_CORES = 0x5F

# Virtual time passes several times faster than ours: enough for a tick that nobody wants.
IDLE_S = 2


def make_cmos():
    cmos = bytearray(CMOS_BYTES)
    cmos[CMOS_RATE], cmos[CMOS_CLOCK_MODE], cmos[CMOS_BATTERY] = 0x26, 0x02, 0x80
    cmos[CMOS_EQUIPMENT] = 0x0F
    struct.pack_into("<H", cmos, CMOS_BASE_KIB, 640)
    struct.pack_into("<H", cmos, CMOS_EXTENDED_KIB, 63 * 1024)
    struct.pack_into("<H", cmos, CMOS_ABOVE_16_MIB, (MEMORY_MIB - 16) * 16)
    cmos[CMOS_BOOT_ORDER] = 3  # the CD
    cmos[CMOS_OTHER_CORES] = CORES - 1
    return bytes(cmos)


class Console:
    """The other end of the machine's first serial port."""

    def __init__(self, process, master):
        self.text = ""
        self._process = process
        self._master = master

    def _read(self, timeout_s):
        if select.select([self._master], [], [], timeout_s)[0]:
            self.text += os.read(self._master, 65536).decode("ascii", "replace").replace("\r", "")

    def wait_for(self, pattern):
        deadline_s = time.monotonic() + WAIT_S
        while not re.search(pattern, self.text):
            assert self._process.poll() is None and time.monotonic() < deadline_s, \
                f"no {pattern!r}\n{self.text[-2000:]}"
            self._read(0.2)

    def watch(self, duration_s):
        deadline_s = time.monotonic() + duration_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            self._read(left_s)

    def type(self, text):
        os.write(self._master, text.encode())


@contextlib.contextmanager
def bochs(iso, folder):
    master, slave = os.openpty()
    tty.setraw(slave)
    (folder / "rc").write_text("c\n")  # Debian's Bochs waits in its debugger
    (folder / "cmos").write_bytes(make_cmos())
    (folder / "bochsrc").write_text(CONFIGURATION.format(
        iso=iso, serial=os.ttyname(slave), log=folder / "log", cmos=folder / "cmos", cores=CORES,
        memory=MEMORY_MIB))
    try:
        # A network of its own: the screen listens on a port.
        with subprocess.Popen(["unshare", "--net", "bochs-bin", "-q", "-f", folder / "bochsrc",
                               "-rc", folder / "rc"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield Console(process, master)
            finally:
                process.kill()
    finally:
        os.close(master)
        os.close(slave)


def test_bochs_boots_four_nodes_from_the_iso_and_they_wake_each_other(images, tmp_path):
    with bochs(images["iso"], tmp_path) as console:
        console.wait_for("going on without a network")
        assert "i7-4770" in console.text and f", {CORES} cores, x2APIC, " in console.text
        for node in range(CORES):
            console.wait_for(rf"node{node} boot: roles .*, 12\d MiB")
        console.wait_for(r"node3 httpd: \d+ files")
        console.watch(IDLE_S)
        assert "panic" not in console.text
        # The word for it reaches a sleeping node, and news of its end another one.
        console.type("crash 2\n")
        console.wait_for(r"node2 panic: node 2 halted")
        console.wait_for(r"node0 dispatch: node2 is dead")
