# SPDX-License-Identifier: MIT
"""Bochs as a second opinion: a processor and chipset that share no code with QEMU's.

It has an x2APIC, and an 8259 that interrupts the core past the local APIC. One core, because
SeaBIOS does not find the others here, and Bochs' own BIOS does not get along with GRUB; no 82599.
"""

import re
import subprocess
import time

CONFIGURATION = """\
config_interface: textconfig
display_library: rfb, options="timeout=0"
romimage: file=/usr/share/seabios/bios.bin
vgaromimage: file=/usr/share/vgabios/vgabios.stdvga.bin
cpu: model=corei7_haswell_4770, count=1, ips=20000000, reset_on_triple_fault=0
memory: guest=512, host=512
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={serial}
clock: sync=none
pci: enabled=1, chipset=i440fx
log: {log}
panic: action=fatal
"""

TIMEOUT_S = 60
# Virtual time passes several times faster than ours: enough for a tick that nobody wants.
IDLE_S = 2


def test_bochs_boots_the_iso_and_idles(images, tmp_path):
    serial = tmp_path / "serial"
    rc = tmp_path / "rc"
    rc.write_text("c\n")  # Debian's Bochs waits in its debugger
    configuration = tmp_path / "bochsrc"
    configuration.write_text(CONFIGURATION.format(iso=images["iso"], serial=serial,
                                                  log=tmp_path / "log"))
    # A network of its own: the screen listens on a port.
    with subprocess.Popen(["unshare", "--net", "bochs-bin", "-q", "-f", configuration, "-rc", rc],
                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as bochs:
        try:
            def console():
                return serial.read_bytes().decode("ascii", "replace") if serial.exists() else ""

            deadline_s = time.monotonic() + TIMEOUT_S
            while "going on without a network" not in console():
                assert bochs.poll() is None and time.monotonic() < deadline_s, console()[-2000:]
                time.sleep(0.2)
            assert "i7-4770" in console() and ", 1 core, x2APIC, " in console()
            assert re.search(r"node0 boot: roles LS TS CM httpd, 50\d MiB", console())
            time.sleep(IDLE_S)
            assert "panic" not in console()
        finally:
            bochs.kill()
