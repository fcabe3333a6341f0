# SPDX-License-Identifier: MIT
"""QEMU's management protocol: what is done to a machine from outside, while it runs."""

import json
import re
import socket
import time

from .waiting import LOOK_PERIOD_S, WAIT_S, HarnessError, wait_until


# At rest: found so at all of these looks in a row. A tick now and then is allowed, a core that
# polls is never found so.
REST_LOOKS = 20


class Qmp:
    """One connection to a machine that was started with qemu_args(path). Use with `with`."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._connect_soon(path)
        self._socket.settimeout(WAIT_S)
        self._input = self._socket.makefile("r", encoding="utf-8")
        self._input.readline()
        self.run("qmp_capabilities")

    @staticmethod
    def qemu_args(path):
        return f"-qmp unix:{path},server=on,wait=off"

    def _connect_soon(self, path):
        # QEMU listens perhaps a moment after it was started.
        def is_connected():
            try:
                self._socket.connect(str(path))
                return True
            except OSError:
                return False

        try:
            wait_until(is_connected, f"QEMU to listen at {path}")
        except HarnessError:
            self._socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._input.close()
        self._socket.close()

    def run(self, command, **arguments):
        """What the command returns. Events that come meanwhile are passed over."""
        request = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            line = self._input.readline()
            if not line:
                raise HarnessError(f"{command}: QEMU ended")
            answer = json.loads(line)
            if "error" in answer:
                raise HarnessError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def ask_monitor(self, command):
        """What QEMU's monitor for people answers."""
        return self.run("human-monitor-command", **{"command-line": command})

    def halted(self):
        """For each vCPU, in order: whether it has executed HLT and not been woken since."""
        return [flag == "1" for flag in re.findall(r"\bHLT=([01])",
                                                   self.ask_monitor("info registers -a"))]

    def wait_until_at_rest(self):
        """Until every vCPU halts (a dead node's does, too), and goes on doing so."""
        def is_at_rest():
            for _ in range(REST_LOOKS):
                if not all(self.halted()):
                    return False
                time.sleep(LOOK_PERIOD_S)
            return True

        wait_until(is_at_rest, "all cores to halt", lambda: f"halted: {self.halted()}")

    def set_stalled(self, is_stalled):
        """The 82599 moves no frames while it is."""
        folder = "/machine/peripheral-anon"
        for device in self.run("qom-list", path=folder):
            if device["type"] == "child<ixgbe82599>":
                self.run("qom-set", path=f"{folder}/{device['name']}", property="stalled", value=is_stalled)

    def set_link(self, is_up):
        """The link of the wire's other end, which is always called n0."""
        self.run("set_link", name="n0", up=is_up)
