# SPDX-License-Identifier: MIT
"""syslog=: what the console shows of all nodes' logs is at the collector, a line a datagram, whoever dies."""

import re
import socket
from datetime import datetime, timezone

import pytest

from harness import WAIT_S, Network, Talus, card, curl, wait_until

PORT = 5514
LINE = re.compile(r"\[ *[0-9.]+\] (node\d+) (\S+): (.*)")
MESSAGE = re.compile(rb"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) log - (.*)", re.DOTALL)
SEVERITIES = {3: "error", 4: "warning", 6: "info", 7: "debug"}
ABSENT = "192.0.2.99"


class Collector:
    """A socket inside the network, and what it has heard."""

    def __init__(self, network, address=None):
        self.socket = network.inside(self._open, address or network.host_address)
        self.lines = []  # (severity, stamp, host, application, process, text)

    @staticmethod
    def _open(address):
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        opened.bind((address, PORT))
        opened.setblocking(False)
        return opened

    def hear(self):
        while True:
            try:
                datagram = self.socket.recv(65536)
            except BlockingIOError:
                return
            assert len(datagram) <= 1472
            message = MESSAGE.fullmatch(datagram)
            assert message, datagram
            priority, stamp, host, application, process, text = message.groups()
            assert int(priority) < 8  # the kernel's facility
            self.lines.append((SEVERITIES[int(priority)], stamp.decode(), host.decode(), application.decode(),
                               process.decode(), text.decode()))

    def texts(self, process=None):
        self.hear()
        return [f"{line[4]} {line[3]}: {line[5]}" for line in self.lines if process in (None, line[4])]

    def wait_for(self, pattern):
        """The first line like that."""
        def find():
            return next((line for line, text in zip(self.lines, self.texts()) if re.search(pattern, text)), None)

        self.hear()
        return wait_until(find, f"{pattern} at the collector")


def console_lines(machine, process=None):
    lines = [LINE.fullmatch(line.strip()) for line in machine.console.splitlines()]
    return [f"{match[1]} {match[2]}: {match[3]}" for match in lines if match and process in (None, match[1])]


def is_without(texts, wanted):
    """What of `wanted` is not in `texts` in its order."""
    texts = iter(texts)
    return [line for line in wanted if line not in texts]


@pytest.fixture(name="network")
def fixture_network():
    with Network() as network:
        yield network


def words(network, more=""):
    return f"syslog={network.host_address}:{PORT} {more}"


def test_the_log_of_the_boot_is_all_there(network):
    """Also the lines from before there was a network."""
    collector = Collector(network)
    with Talus(network=network, smp=4, words=words(network, "capture=64K log=ts=debug")) as machine:
        collector.wait_for(r"httpd: listening on")
        for process in ("node0", "node1", "node2", "node3"):
            wanted = console_lines(machine, process)
            assert wanted
            wait_until(lambda: not is_without(collector.texts(process), wanted),  # pylint: disable=cell-var-from-loop
                       f"{process}'s lines", lambda: str(is_without(collector.texts(process), wanted)))
            texts = collector.texts(process)
            assert len(texts) == len(set(texts)) or process == "node0"
        assert collector.wait_for("boot: Talus ")[0] == "info"
        assert collector.wait_for("ls: capture=")[0] == "warning"
        severity, stamp, host, *_ = collector.wait_for("ls: link is up")
        assert (severity, host) == ("info", network.guest_address)
        told = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z")
        assert abs((datetime.now(timezone.utc) - told).total_seconds()) < 3600
        assert sum(machine.counter("syslog_lines_total").values()) >= len(console_lines(machine)) - 8
        assert sum(machine.counter("syslog_lines_lost_total").values()) == 0


def test_last_words_arrive_whoever_dies(network):
    """A web server's, and then the speaker's own, sent by the next speaker, which has been told how far it was."""
    collector = Collector(network)
    # A card that is started anew when its node has died loses what is sent meanwhile: the speaker has none then.
    servers = "pika=TS2LS2CM2 app=httpd:2" if card.IS_FIRST else "pika=TS2CM2+LS1 app=httpd:1"
    with Talus(network=network, smp=4, words=f"{servers} {words(network)}") as machine:
        collector.wait_for(r"httpd: listening on")
        for victim in (3, 0):
            machine.type(f"crash {victim}\n")
            assert collector.wait_for(rf"node{victim} \S+: .*page fault: ")[0] == "error"
            collector.wait_for(f"node{victim} panic: node {victim} halted")
            collector.wait_for(f"node{victim} boot: came back as incarnation 2")
        for process in ("node0", "node1", "node2", "node3"):
            wanted = console_lines(machine, process)
            wait_until(lambda: not is_without(collector.texts(process), wanted),  # pylint: disable=cell-var-from-loop
                       f"{process}'s lines", lambda: str(is_without(collector.texts(process), wanted)))
        # The next speaker does not begin from the boot: of what was sent long before nothing comes twice.
        assert collector.texts().count(next(text for text in collector.texts() if "boot: Talus " in text)) == 1


def test_lines_wait_for_a_collector_and_lost_ones_are_counted(network):
    """Nobody has the address at first. That is said once; what is logged meanwhile fills the queue."""
    with Talus(network=network, smp=2, words=f"syslog={ABSENT}:{PORT} log=info,httpd=debug") as machine:
        machine.wait_for(rf"syslog: {ABSENT}: nobody answers there")

        def refused():
            with socket.create_connection((network.guest_address, 80), timeout=WAIT_S) as client:
                client.sendall(b"BAD\r\n\r\n")
                while client.recv(4096):
                    pass

        for _ in range(600):
            network.inside(refused)
        wait_until(lambda: sum(machine.counter("syslog_lines_lost_total").values()) > 50, "lost lines")
        assert sum(machine.counter("syslog_lines_waiting").values()) == 512
        assert machine.console.count("nobody answers there") == 1
        network.run("ip", "address", "add", f"{ABSENT}/24", "dev", network.tap, check=True)
        collector = Collector(network, ABSENT)
        machine.wait_for("syslog: lines of the log go to the collector again")
        collector.wait_for("syslog: lines of the log go to the collector again")
        lost = [line for line in collector.lines if "lines of the log are lost here" in line[5]]
        assert len(lost) == 1 and lost[0][0] == "warning" and int(lost[0][5].split()[0]) > 50
        assert "boot: Talus " in collector.texts()[0]
        wait_until(lambda: sum(machine.counter("syslog_lines_waiting").values()) == 0, "an empty queue")


@pytest.mark.parametrize("value", ["", "nobody", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1,514", "0.0.0.0"])
def test_a_wrong_address_is_said_and_ignored(network, value):
    with Talus(network=network, smp=1, words=f"syslog={value}") as machine:
        assert curl(machine, "/4b") == b"pika"
        assert f"syslog=: `{value}` is no IPv4 address with or without :PORT; ignored" in machine.console
        assert sum(machine.counter("syslog_lines_total").values()) == 0
