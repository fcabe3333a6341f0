# SPDX-License-Identifier: MIT
"""QEMU's management protocol: what is done to a machine from outside, while it runs."""

import json
import socket
import time

from .machine import HarnessError

START_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 20


class Qmp:
    """One connection to a machine that was started with qemu_args(path). Use with `with`."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._connect_soon(path)
        self._socket.settimeout(ANSWER_TIMEOUT_S)
        self._input = self._socket.makefile("r", encoding="utf-8")
        self._input.readline()
        self.run("qmp_capabilities")

    @staticmethod
    def qemu_args(path):
        return f"-qmp unix:{path},server=on,wait=off"

    def _connect_soon(self, path):
        # QEMU listens perhaps a moment after it was started.
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self._socket.connect(str(path))
                return
            except OSError as error:
                if time.monotonic() > deadline_s:
                    self._socket.close()
                    raise HarnessError(f"{path}: {error}") from None
                time.sleep(0.05)

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

    def set_link(self, is_up):
        """The link of the wire's other end, which is always called n0."""
        self.run("set_link", name="n0", up=is_up)
