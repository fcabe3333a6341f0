# SPDX-License-Identifier: MIT
"""The Linux guest of tests/guest and its command channel."""

import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from . import card, paths
from .machine import Machine
from .waiting import WAIT_S, HarnessError

READY = b"\x1eready\n"
# Linux has been seen to come up in nothing but its own timer's interrupts, for ever, where cores are
# emulated by threads that take turns: then it says so after some 20 s, and is started again. So it is
# when its QEMU has ended, which was seen where two of them started at once.
STALL = "self-detected stall on CPU"
STARTS_MAX = 3
STATUS = re.compile(rb"\n\x1e(\d+)\n\Z")


def build_image():
    subprocess.run([paths.REPOSITORY / "tests" / "guest" / "build-guest", paths.GUEST], check=True)


def add_tree(image, tree, result):
    """The image with the files of a directory more, over its own."""
    names = subprocess.run(["find", "."], cwd=tree, check=True, stdout=subprocess.PIPE).stdout
    # The kernel unpacks one archive after the other.
    shutil.copyfile(image, result)
    with open(result, "ab") as whole:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree, check=True,
                       input=names, stdout=whole)
    return result


class LinuxGuest(Machine):
    """mode: "shell", or "nginx" to serve /4b, /1k and /100k on port 80.

    programs: static executables of this host, found in the guest's root directory.
    tree: a directory whose files are laid over the guest's own; instead of programs.
    hypervisor: a multiboot image and its words, which starts Linux as its first module.
    qemu_args: further arguments of QEMU itself, in one string.
    """

    def __init__(self, *options, mode="shell", words="", network=None, programs=(), tree=None,
                 hypervisor=None, qemu_args="", **others):
        build_image()
        self._folder = tempfile.mkdtemp(prefix="talus-guest-")
        image = paths.GUEST / "initramfs.cpio"
        if programs:
            tree = Path(self._folder, "tree")
            tree.mkdir()
            for program in programs:
                shutil.copy(program, tree)
        if tree is not None:
            image = add_tree(image, tree, Path(self._folder, "initramfs.cpio"))
        self._socket_path = f"{self._folder}/commands"
        self._channel = None
        # quiet: the console is no faster than a real one, and its lines cost instructions.
        address = network.linux_words if network else "ip=10.0.2.15/24 gw=10.0.2.2"
        # Linux judges the timer's line by how many ticks come while it counts: on a busy host too few.
        append = f"console=ttyS0 quiet panic=-1 no_timer_check {address} mode={mode} {words}"
        if hypervisor is not None:
            # The last of an option's values holds. QEMU separates modules by commas.
            modules = f"{paths.GUEST / 'vmlinuz'} {append},{image}"
            qemu_args += f' -kernel {hypervisor[0]} -append "{hypervisor[1]}" -initrd "{modules}"'
        # Its image has a driver for the first card only.
        options = (*card.FIRST_OPTIONS, *options, "--root", image,
                    "--qemu-args", f"-serial unix:{self._socket_path},server=on,wait=off {qemu_args}")
        super().__init__(paths.GUEST / "vmlinuz", *options, append=append, network=network,
                         **others)

    def start(self, is_awaited=True):
        try:
            super().start()
            self._open_channel()
            for _ in range(STARTS_MAX - 1):
                if not is_awaited or self._is_up():
                    break
                self._channel.close()
                super().stop()
                self.forget_console()
                super().start()
                self._open_channel()
            if is_awaited:
                self._read_until(lambda text: text.endswith(READY), "command channel")
                self.wait_for(r"^(listening on http://|guest: ready)")
        except BaseException:
            self.stop()
            raise
        return self

    def _is_up(self):
        """False when it has stalled. What its channel has said is left there."""
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s and STALL not in self.console:
            self._channel.settimeout(1)
            try:
                if self._channel.recv(65536, socket.MSG_PEEK).endswith(READY):
                    return True
            except TimeoutError:
                continue
            if not self.is_running():
                return False
            time.sleep(0.05)
        return STALL not in self.console

    def _open_channel(self):
        self._channel = socket.socket(socket.AF_UNIX)
        deadline_s = time.monotonic() + WAIT_S
        while True:
            try:
                self._channel.connect(self._socket_path)
                break
            except OSError:
                if time.monotonic() > deadline_s or not self.is_running():
                    raise HarnessError(f"QEMU did not start\n{self.last_lines()}") from None
                time.sleep(0.05)

    def _read_until(self, is_complete, what):
        text = b""
        deadline_s = time.monotonic() + WAIT_S
        while not is_complete(text):
            remaining_s = deadline_s - time.monotonic()
            try:
                self._channel.settimeout(max(remaining_s, 0.001))
                chunk = self._channel.recv(65536)
            except TimeoutError:
                chunk = b""
            if not chunk:
                raise HarnessError(f"{what}: no end after {text[-2000:]!r}\n{self.last_lines()}")
            text += chunk
        return text

    def run(self, command, check=True):
        """Run one line of shell as root. Returns its output, standard error included.

        With check, a status other than 0 is an error; otherwise returns (status, output).
        """
        if "\n" in command:
            raise ValueError("one line only")
        self._channel.sendall(command.encode() + b"\n")
        text = self._read_until(STATUS.search, command)
        end = STATUS.search(text)
        status, output = int(end[1]), text[:end.start()].decode("utf-8", "replace")
        if not check:
            return status, output
        if status != 0:
            raise HarnessError(f"{command}: status {status}\n{output}")
        return output

    def stop(self):
        try:
            return super().stop()
        finally:
            if self._channel is not None:
                self._channel.close()
                self._channel = None
            shutil.rmtree(self._folder, ignore_errors=True)
