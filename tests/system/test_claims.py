# SPDX-License-Identifier: MIT
"""The speculative handshake when an application does not claim: time-out, reassignment, and the
claim that comes too late (PIKA 3.2). One web server's core is stopped from outside."""

import time

import pytest

from harness import Network, Talus, ab, curl
from vcpu import QEMU_ARGS, Stalled

FIRST, SECOND = 2, 3  # the nodes of the web servers


@pytest.fixture(scope="module")
def talus():
    with Network() as network, \
            Talus("--qemu-args", QEMU_ARGS, network=network, smp=4) as machine:
        yield machine


def total(talus, name, **labels):
    return sum(talus.counter(name, **labels).values())


def test_connections_that_a_stalled_web_server_does_not_claim_go_to_the_other(talus):
    timeouts = total(talus, "accept_timeouts_total")
    with Stalled(talus, SECOND):
        # Read only now: the web server that answers this counts it afterwards.
        answered = talus.counter("http_requests_total")
        load = ab(talus, "/4b", 200, concurrency=4, timeout_s=60)
        assert load.failed == 0, load.output
        now = talus.counter("http_requests_total")
        assert now[FIRST] - answered[FIRST] >= 200
        assert now[SECOND] == answered[SECOND]
        assert total(talus, "accept_timeouts_total") > timeouts


def test_a_claim_that_comes_too_late_is_rejected_and_the_web_server_comes_back(talus):
    rejected = total(talus, "claims_total", result="rejected")
    with Stalled(talus, SECOND):
        for _ in range(12):
            assert len(curl(talus, "/4b")) == 4
    # What it was told of is in its channel: it claims them as soon as it goes on.
    deadline_s = time.monotonic() + 10
    while total(talus, "claims_total", result="rejected") == rejected:
        assert time.monotonic() < deadline_s, "no claim was rejected"
        time.sleep(0.1)
    answered = talus.counter("http_requests_total")
    load = ab(talus, "/4b", 200, concurrency=4)
    assert load.failed == 0, load.output
    now = talus.counter("http_requests_total")
    assert now[SECOND] - answered[SECOND] > 40


def test_while_all_web_servers_are_stalled_connections_wait(talus):
    queued = total(talus, "cm_queued_total")
    with Stalled(talus, FIRST), Stalled(talus, SECOND):
        waiting = [talus.connect() for _ in range(6)]
        for connection in waiting:
            connection.sendall(b"GET /4b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            connection.settimeout(20)
        time.sleep(1)
    try:
        for connection in waiting:
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        for connection in waiting:
            connection.close()
    assert total(talus, "cm_queued_total") > queued


def test_a_stalled_link_server_delays_its_flows_only(talus):
    """Node 1 is a link server: flows of the other one are answered meanwhile."""
    with Stalled(talus, 1):
        answered = 0
        connections = []
        for port in range(50000, 50016):
            connections.append(connect_from(talus, port))
        for connection in connections:
            connection.settimeout(0.3)
            try:
                answered += connection.recv(4096).startswith(b"HTTP/1.1 200")
            except (TimeoutError, OSError):
                pass
            connection.close()
        assert answered >= 6
    for _ in range(8):
        assert len(curl(talus, "/4b")) == 4


def connect_from(talus, port):
    """A connection from this port, with a request under way if it can be had at once."""
    import socket

    def connect():
        connection = socket.socket()
        connection.settimeout(0.3)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.bind(("", port))
        try:
            connection.connect((talus.address, 80))
            connection.sendall(b"GET /4b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        except OSError:
            pass
        return connection

    return talus.network.inside(connect)
