# SPDX-License-Identifier: MIT
"""QEMU's side of gdb: a machine that stops at a word or an instruction."""

import functools
import re
import socket
import subprocess

from . import paths
from .waiting import WAIT_S, HarnessError, wait_until


@functools.cache
def symbol_vaddr(name):
    """Where the kernel has it; the linker adds a suffix to some names. Reading all symbols takes tens of
    milliseconds, and some ask for one for every page."""
    symbols = subprocess.run(["readelf", "--wide", "--symbols", paths.KERNEL], check=True,
                             capture_output=True, text=True).stdout
    return int(re.search(rf"([0-9a-f]{{16}}) .* {name}(\.lto_priv\.\d+)?$", symbols, re.M)[1], 16)


class Gdb:
    """As much of gdb's remote protocol as it takes to stop a machine where it writes a word, or where
    it comes by. Use with `with`: the machine stands still from the beginning, and goes on after `D`."""

    @staticmethod
    def qemu_args(path):
        return f"-gdb unix:{path},server=on,wait=off"

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(WAIT_S)
        wait_until(path.exists, "QEMU to listen for gdb")
        self._socket.connect(str(path))
        # A machine that ran says that it has stopped, a moment later: before this answer.
        assert self.ask("Hg1") == "OK"

    def ask(self, command):
        """The answer; to `c`, it comes when the machine stops again."""
        self._socket.sendall(f"${command}#{sum(command.encode()) & 0xFF:02x}".encode())
        received = b""
        while True:
            for answer in re.findall(rb"\$([^#]*)#..", received):
                # Only who lets it go on asks for a stop.
                if command == "c" or not answer.startswith(b"T"):
                    self._socket.sendall(b"+")
                    return answer.decode()
            more = self._socket.recv(4096)
            if not more:
                raise HarnessError(f"gdb's {command}: QEMU ended")
            received += more

    def _ask_of(self, core, command):
        assert self.ask(f"Hg{core + 1:x}") == "OK"
        return self.ask(command)

    def read(self, vaddr, count, core=0):
        """So many bytes as a number, as that core sees them."""
        answer = self._ask_of(core, f"m{vaddr:x},{count:x}")
        return int.from_bytes(bytes.fromhex(answer), "little")

    def write(self, vaddr, number, count, core=0):
        """The same the other way, whether or not the core may write there."""
        content = number.to_bytes(count, "little").hex()
        assert self._ask_of(core, f"M{vaddr:x},{count:x}:{content}") == "OK"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
