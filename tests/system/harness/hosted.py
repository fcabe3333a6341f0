# SPDX-License-Identifier: MIT
"""Talus as Linux processes behind a TAP device."""

import os
import re
import subprocess
import threading
from pathlib import Path

from .network import Network
from .talus import Metrics
from .waiting import WAIT_S, HarnessError, wait_until

REPORT = re.compile(r"runtime error|AddressSanitizer|exception|panic")


class TapNetwork(Network):
    """As others use it, too: the device has one queue."""

    card = f"tap:{Network.tap}"

    def ip(self, words):
        subprocess.run(["ip", "-n", self.name, *words.split()], check=True)


class Hosted(Metrics):
    """The program with a TAP device, until the `with` ends. To be loaded as a machine is."""

    def __init__(self, network, program, node_count, *words):
        self.network = network
        self.address = network.guest_address
        command = [program, "--nodes", node_count, "--card", network.card, network.talus_words,
                   *words]
        self.lines = []
        self.process = subprocess.Popen(network.command(*command), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def console(self):
        return "".join(self.lines)

    def last_lines(self):
        return "".join(self.lines[-20:])

    def __enter__(self):
        self.wait_for_line("httpd: listening on ")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=WAIT_S)
        self._reader.join(timeout=WAIT_S)
        assert not REPORT.search(self.console()), self.console()

    def wait_for_line(self, text):
        def look():
            if text in self.console():
                return True
            if self.process.poll() is not None and not self._reader.is_alive():
                raise HarnessError(f"it ended without `{text}`\n{self.console()}")
            return False
        wait_until(look, f"`{text}`", self.console)

    def processor_s(self):
        """Seconds that the nodes' processes have computed: (in Talus, with system calls)."""
        ticks = [Path(f"/proc/{node}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
                 for node in self.node_processes()]
        each_s = os.sysconf("SC_CLK_TCK")
        return (sum(int(words[11]) for words in ticks) / each_s,
                sum(int(words[11]) + int(words[12]) for words in ticks) / each_s)

    def node_processes(self):
        """By node, as each is called once it runs."""
        # `ip netns exec` becomes what it runs.
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")

        def look():
            processes = [int(word) for word in path.read_text(encoding="ascii").split()]
            names = {process: Path(f"/proc/{process}/comm").read_text(encoding="ascii").strip()
                     for process in processes}
            if not all(name.startswith("talus-node") for name in names.values()):
                return None
            return sorted(processes, key=lambda process: int(names[process].removeprefix("talus-node")))

        return wait_until(look, "all processes to be nodes", self.console)
