# SPDX-License-Identifier: MIT
"""A machine under qemu/launch: started, watched through its serial console, always ended."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from . import card, paths
from .waiting import LONG_WAIT_S, WAIT_S, HarnessError

# What is asked to end and does not is killed: no test depends on how it ends.
STOP_TIMEOUT_S = 60

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Machine:
    """Use with `with`: the machine is ended on exit, however the test went.

    kernel    None when the options name an image to boot from
    network   a Network: its TAP device is the wire. None: QEMU's user network, self.port
    options   further arguments of qemu/launch
    timeout_s the launcher ends the machine after so long; it does so at once with this process
    """

    # Where the launcher's errors and QEMU's go: among the console's lines.
    errors = subprocess.STDOUT

    def __init__(self, kernel, *options, append="", network=None, smp=4, mem="512M", plugins=(),
                 timeout_s=LONG_WAIT_S):
        self.network = network
        self.append = append
        self.port = None if network else free_port()
        self.console = ""
        self._changed = threading.Condition()
        self._process = None
        self._reader = None
        self.started_s = None
        self._command = [sys.executable, paths.LAUNCHER, *card.OPTIONS, "--smp", smp,
                         "--mem", mem, "--timeout", timeout_s]
        self._command += ["--kernel", kernel] if kernel else []
        self._command += [*network.launch_options] if network else ["--port", self.port]
        for plugin in plugins:
            self._command += ["--plugin", plugin]
        self._command += options

    @property
    def address(self):
        """Where the host reaches the machine's web server, as HOST or HOST:PORT."""
        return self.network.guest_address if self.network else f"127.0.0.1:{self.port}"

    def start(self):
        command = [str(word) for word in self._command + ["--append", self.append]]
        if self.network:
            command = self.network.command(*command)
        self.started_s = time.monotonic()
        # A session of its own, so that Ctrl-C ends the test first and the test the machine.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=self.errors, start_new_session=True,
                                         preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG,
                                                                        signal.SIGTERM))
        self._reader = threading.Thread(target=self._read_console, daemon=True)
        self._reader.start()
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        self.stop()
        if kind is not None:
            print(self.console)  # pytest shows it with the failure

    def _read_console(self):
        with self._process.stdout as output:
            while chunk := os.read(output.fileno(), 65536):
                with self._changed:
                    self.console += chunk.decode("utf-8", "replace").replace("\r", "")
                    self._changed.notify_all()
        with self._changed:
            self._reader = None
            self._changed.notify_all()

    def wait_for(self, pattern, start=0):
        """The first match of a regular expression in what the console printed from `start` on."""
        deadline_s = time.monotonic() + WAIT_S
        with self._changed:
            while True:
                match = re.compile(pattern, re.MULTILINE).search(self.console, start)
                if match:
                    return match
                remaining_s = deadline_s - time.monotonic()
                if self._reader is None or remaining_s <= 0:
                    why = "the machine ended" if self._reader is None else f"{WAIT_S} s passed"
                    raise HarnessError(f"no {pattern!r}: {why}\n{self.last_lines()}")
                self._changed.wait(remaining_s)

    def forget_console(self):
        """What it has printed: for long runs, in which nobody asks for it any more."""
        with self._changed:
            self.console = ""

    def last_lines(self, count=40):
        return "\n".join(self.console.splitlines()[-count:])

    def type(self, text):
        """Type on the serial console."""
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def interrupt(self):
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def wait(self):
        """The launcher's status, once the machine has ended by itself."""
        try:
            return self._process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            raise HarnessError(f"still running after {WAIT_S} s\n{self.last_lines()}") from None

    def stop(self):
        """End the machine if it still runs. Returns the launcher's status."""
        if self._process is None:
            return None
        if self.is_running():
            self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # The launcher's child ends with it.
            self._process.kill()
            status = self._process.wait()
        if self._reader is not None:
            self._reader.join(STOP_TIMEOUT_S)
        if self._process.stdin:
            self._process.stdin.close()
            self._process.stdin = None
        return status

    def qemu_pid(self):
        pid = self._process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return int(children.read().split()[0])

    def _connect_once(self, port, timeout_s):
        connection = socket.socket()
        connection.settimeout(timeout_s)
        try:
            connection.connect((self.network.guest_address, port) if self.network
                               else ("127.0.0.1", self.port))
        except OSError:
            connection.close()
            return None
        return connection

    def connect(self, port=80):
        """A TCP connection to the machine; over the user network always to its port 80."""
        connect = self._connect_once
        connection = (self.network.inside(connect, port, WAIT_S) if self.network
                      else connect(port, WAIT_S))
        if connection is None:
            raise HarnessError(f"no connection to port {port}\n{self.last_lines()}")
        return connection

    def first_answer_s(self, path="/4b"):
        """Seconds from QEMU's start to the first answer to GET; asks every 10 ms."""
        request = f"GET {path} HTTP/1.0\r\nHost: {self.address}\r\n\r\n".encode()

        def ask_until_answered():
            while (passed_s := time.monotonic() - self.started_s) < WAIT_S and self.is_running():
                # Soon again at first, so that the first answer is not missed by much; a host on
                # which the boot takes long needs long for a handshake, too.
                connection = self._connect_once(80, max(0.05, passed_s / 20))
                if connection is not None:
                    with connection:
                        try:
                            connection.settimeout(WAIT_S)
                            connection.sendall(request)
                            if connection.recv(64).startswith(b"HTTP/1."):
                                return time.monotonic() - self.started_s
                        except OSError:
                            pass  # not yet: ask again
                time.sleep(0.01)
            raise HarnessError(f"no answer\n{self.last_lines()}")

        return self.network.inside(ask_until_answered) if self.network else ask_until_answered()
