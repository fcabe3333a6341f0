# SPDX-License-Identifier: MIT
"""The machine of boot/images/libvirt.xml, as libvirt makes one of it: the disk as a virtio disk, the card
behind a root port, where it has another id.

By virt-qemu-run, which needs no daemon. libvirt wants a user of its own to exist; the package that makes one
starts services, too, so here a mount namespace says that it does.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from harness import WAIT_S, HarnessError, Network, REPOSITORY, curl, wait_until
from harness.talus import READY, Metrics

DESCRIPTION = REPOSITORY / "boot" / "images" / "libvirt.xml"

# Of what systemd and the host's security would do.
SETTINGS = """\
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
stdio_handler = "file"
"""
RUN = """\
mount --bind passwd /etc/passwd && mount --bind group /etc/group &&
exec virt-qemu-run --root="$PWD/root" domain.xml
"""


class Domain(Metrics):
    """Use with `with`; the folder is its own."""

    def __init__(self, folder, network, domain):
        self.network = network
        self.address = network.guest_address
        self.console = ""
        self._folder = folder
        self._port = None
        self._process = None
        (folder / "root" / "etc").mkdir(parents=True)
        (folder / "root" / "etc" / "qemu.conf").write_text(SETTINGS)
        for name, entry in (("passwd", "libvirt-qemu:x:0:0::/:/bin/false"), ("group", "libvirt-qemu:x:0:")):
            (folder / name).write_text(f"{Path('/etc', name).read_text(encoding='utf-8')}{entry}\n")
        domain.write(folder / "domain.xml")

    def __enter__(self):
        with open(self._folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                self.network.command("unshare", "--mount", "sh", "-c", RUN), cwd=self._folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def __exit__(self, kind, *_):
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(WAIT_S)
        if self._port is not None:
            self._port.close()
        if kind is not None:
            print(self.last_lines())

    def last_lines(self):
        log = (self._folder / "log").read_text(encoding="utf-8", errors="replace")
        return f"{log}\n{self.console}"

    def connect_console(self, path):
        """Its serial port, of which nothing is said before."""
        self._port = socket.socket(socket.AF_UNIX)
        self._port.setblocking(False)

        def is_connected():
            try:
                self._port.connect(os.fspath(path))
                return True
            except (FileNotFoundError, ConnectionRefusedError):
                if self._process.poll() is not None:
                    raise HarnessError(f"libvirt has ended\n{self.last_lines()}") from None
                return False

        wait_until(is_connected, "the serial port", self.last_lines)

    def wait_for(self, pattern):
        def is_there():
            try:
                self.console += self._port.recv(65536).decode("ascii", "replace").replace("\r", "")
            except BlockingIOError:
                pass
            return re.search(pattern, self.console, re.M)

        return wait_until(is_there, repr(pattern), self.last_lines)

    def type(self, text):
        self._port.sendall(text.encode())

    def wait_until_shut_down(self):
        """By itself: libvirt has another word for what it destroys, or what crashes. (virt-qemu-run of libvirt
        9.0 stays.)"""
        path = self._folder / "root" / "log" / "qemu" / "talus.log"
        wait_until(lambda: "shutting down, reason=shutdown" in path.read_text(encoding="utf-8"),
                   "libvirt to see the end", self.last_lines)


def describe(folder, disk, network):
    """As the file has it, but emulated, and on a wire of the test's own."""
    domain = ElementTree.parse(DESCRIPTION)
    root = domain.getroot()
    root.set("type", "qemu")
    root.find("cpu").set("mode", "maximum")
    root.find("devices/disk/source").set("file", os.fspath(disk))
    wire = root.find("devices/interface")
    wire.set("type", "ethernet")
    wire.remove(wire.find("source"))
    ElementTree.SubElement(wire, "target", dev=network.tap, managed="no")
    port = root.find("devices/serial")
    port.set("type", "unix")
    ElementTree.SubElement(port, "source", mode="bind", path=os.fspath(folder / "serial"))
    return domain


def with_words(disk, folder, words):
    """A copy of the disk with this talus.cfg on its second partition."""
    path, words_path = folder / "talus.img", folder / "talus.cfg"
    shutil.copy(disk, path)
    words_path.write_text(f"{words}\n")
    table = json.loads(subprocess.run(["sfdisk", "--json", path], check=True, capture_output=True).stdout)
    start = table["partitiontable"]["partitions"][1]["start"] * table["partitiontable"]["sectorsize"]
    subprocess.run(["mcopy", "-o", "-i", f"{path}@@{start}", words_path, "::/talus/talus.cfg"], check=True)
    return path


@pytest.fixture
def short_path():
    """libvirt has sockets far below it, whose paths have less than 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="talus-") as folder:
        yield Path(folder)


def test_libvirts_machine_serves_by_disk_and_card_of_virtio_and_powers_off(images, short_path):
    with Network() as network, \
            Domain(short_path, network, describe(short_path, with_words(images["disk"], short_path, network.talus_words),
                                               network)) as domain:
        domain.connect_console(short_path / "serial")
        domain.wait_for("started by GRUB")
        domain.wait_for(r"ls: virtio-net \(1af4:1041\) at 0000:0[1-9]:00\.0, MAC 52:54:00:")
        domain.wait_for(READY)
        for _ in range(3):
            assert b"Talus" in curl(domain, "/")
        assert domain.counter("node_up") == {node: 1 for node in range(4)}
        domain.type("poweroff\n")
        domain.wait_until_shut_down()
