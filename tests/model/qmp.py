# SPDX-License-Identifier: MIT
"""QEMU's management protocol, as far as the model's tests need it: the other end's link."""

import json
import socket
import time

START_TIMEOUT_S = 10


class Qmp:
    """One connection. QEMU listens on the socket `path`, perhaps a moment later."""

    def __init__(self, path):
        deadline_s = time.monotonic() + START_TIMEOUT_S
        self._socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.05)
        self._socket.settimeout(START_TIMEOUT_S)
        self._input = self._socket.makefile("r")
        self._input.readline()
        self.run("qmp_capabilities")

    def run(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = json.loads(self._input.readline())
            if "error" in answer:
                raise RuntimeError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]

    def set_link(self, is_up):
        self.run("set_link", name="n0", up=is_up)

    def close(self):
        self._socket.close()
