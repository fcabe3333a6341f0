# SPDX-License-Identifier: MIT
"""The machine's second serial port, behind a pipe of one page that is read slowly or not at all."""

import fcntl
import os
import re
import select
import threading
import time

from harness import HarnessError

F_SETPIPE_SZ = 1031
PIPE_BYTES = 4096
# Some 500 kilobaud: less than the machine makes.
READ_BYTES, READ_PERIOD_S = 1024, 0.02


class SecondPort:
    """What the machine says on its second port, as long as it is being read."""

    def __init__(self, folder):
        self.path = folder / "port"
        self.qemu_args = f"-chardev pipe,id=port,path={self.path} -serial chardev:port"
        for end in ("in", "out"):
            os.mkfifo(f"{self.path}.{end}")
        # Both ends of each: it opens at once, and stays open.
        self._input = os.open(f"{self.path}.in", os.O_RDWR)
        self._output = os.open(f"{self.path}.out", os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self._output, F_SETPIPE_SZ, PIPE_BYTES)
        self.text = ""
        self._is_ending = False
        self._is_read = threading.Event()
        self._is_read.set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while not self._is_ending:
            self._is_read.wait()
            if select.select([self._output], [], [], 0.05)[0]:
                self.text += os.read(self._output, READ_BYTES).decode("ascii").replace("\r", "")
                time.sleep(READ_PERIOD_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def stop_reading(self):
        self._is_read.clear()
        time.sleep(0.1)  # the read that goes on

    def go_on_reading(self):
        self._is_read.set()

    def type(self, text):
        os.write(self._input, text.encode("ascii"))

    def wait_for(self, pattern, timeout_s=20):
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            match = re.compile(pattern, re.MULTILINE).search(self.text)
            if match:
                return match
            time.sleep(0.02)
        raise HarnessError(f"no {pattern!r} on the port:\n{self.text[-2000:]}")

    def close(self):
        self._is_ending = True
        self.go_on_reading()
        self._reader.join()
        os.close(self._input)
        os.close(self._output)
