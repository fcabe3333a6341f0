# SPDX-License-Identifier: MIT
"""The machine's second serial port, behind a pipe of one page that is read slowly or not at all."""

import fcntl
import os
import re
import select
import struct
import termios
import threading
import time

from harness import wait_until

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
        # Held by whoever reads, or keeps others from reading.
        self._reading = threading.Lock()
        self._is_stopped = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while not self._is_ending:
            is_waiting = bool(select.select([self._output], [], [], 0.05)[0])
            with self._reading:
                if is_waiting:
                    self.text += os.read(self._output, READ_BYTES).decode("ascii").replace("\r", "")
            time.sleep(READ_PERIOD_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def stop_reading(self):
        self._reading.acquire()
        self._is_stopped = True

    def go_on_reading(self):
        self._is_stopped = False
        self._reading.release()

    def type(self, text):
        os.write(self._input, text.encode("ascii"))

    def wait_until_full(self):
        """Until nothing more can be written to it."""
        def is_full():
            return struct.unpack("i", fcntl.ioctl(self._output, termios.FIONREAD, bytes(4)))[0] \
                == PIPE_BYTES

        wait_until(is_full, "the port's pipe to be full")

    def wait_for(self, pattern):
        expression = re.compile(pattern, re.MULTILINE)
        return wait_until(lambda: expression.search(self.text), f"{pattern!r} on the port",
                          lambda: self.text[-2000:])

    def close(self):
        self._is_ending = True
        if self._is_stopped:
            self.go_on_reading()
        self._reader.join()
        os.close(self._input)
        os.close(self._output)
