# SPDX-License-Identifier: MIT
"""connect(): programs on Talus as clients of a server on Linux, of nobody, and of Talus itself. The
console's command `get` is the program (apps/monitor/get.c)."""

import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from harness import Network, Talus, card

PORT = 8080
PAGE = b"from Linux\n" * 500


class LinuxServer(HTTPServer):
    """Inside a network; one request at a time, each on a connection of its own. Use with `with`."""

    request_queue_size = 64

    def __init__(self, network):
        self.ports = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.ports.append(self.client_address[1])
                self.send_response(200)
                self.send_header("Content-Length", str(len(PAGE)))
                self.end_headers()
                self.wfile.write(PAGE)

            def log_message(self, *_):
                pass

        network.inside(lambda: HTTPServer.__init__(self, (network.host_address, PORT), Handler))
        self._thread = threading.Thread(target=self.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self._thread.join()
        self.server_close()


@pytest.fixture(params=["xor6", "source12"], scope="module")
def machine(request):
    with Network() as network, LinuxServer(network) as server, \
            Talus(network=network, words=f"steer={request.param}") as talus:
        talus.server, talus.steering = server, request.param
        yield talus


def get(machine, url, count=1):
    """What each of the two nodes with applications has logged of it."""
    start = len(machine.console)
    machine.type(f"get {url} {count}\n")
    line = rf"node(\d) get: {re.escape(url)}: (.*)\n"
    machine.wait_for(rf"(?s){line}.*{line}", start)
    told = dict(re.findall(line, machine.console[start:]))
    assert set(told) == {"2", "3"}
    return list(told.values())


def test_pages_of_a_server_on_linux_are_fetched_and_answers_come_to_who_has_asked(machine):
    """With xor6 a card that steers brings all of them there; with source12 those of one server come to
    one node, which hands on what the other one has opened."""
    forwarded = sum(machine.counter("steer_forwarded_total").values())
    for result in get(machine, f"http://{machine.network.host_address}:{PORT}/page", 60):
        count, size = re.fullmatch(r"(\d+) times, (\d+) bytes", result).groups()
        assert int(count) == 60 and int(size) > 60 * len(PAGE)
    assert len(machine.server.ports) == 120
    # Two blocks of ports, one of each transport server.
    assert {port // 16384 for port in machine.server.ports} == {2, 3}
    assert len(set(machine.server.ports)) == 120
    forwarded = sum(machine.counter("steer_forwarded_total").values()) - forwarded
    assert forwarded == 0 if card.STEERS and machine.steering == "xor6" else forwarded >= 60 * 4, forwarded
    assert sum(machine.counter("tcp_opens_total", result="opened").values()) == 120
    machine.server.ports.clear()


def test_who_is_refused_and_who_finds_nobody_is_told_so(machine):
    for result in get(machine, f"http://{machine.network.host_address}:{PORT + 1}/", 2):
        assert result == "0 times, 0 bytes, 2 failed: connection refused"
    for result in get(machine, "http://192.0.2.77/"):
        assert result == "0 times, 0 bytes, 1 failed: host cannot be reached"
    assert sum(machine.counter("tcp_opens_total", result="refused").values()) == 4
    assert sum(machine.counter("tcp_opens_total", result="unreachable").values()) == 2


def test_its_own_pages_are_fetched_without_the_card(machine):
    sent = sum(machine.counter("nic_tx_packets_total").values())
    for address in ("127.0.0.1", machine.network.guest_address):
        for result in get(machine, f"http://{address}/100k", 10):
            count, size = re.fullmatch(r"(\d+) times, (\d+) bytes", result).groups()
            assert int(count) == 10 and int(size) > 10 * 102400
    # 4 MB would have been some 3,000 frames; what was sent is the looks at the counters.
    assert sum(machine.counter("nic_tx_packets_total").values()) - sent < 500
