# SPDX-License-Identifier: MIT
"""The speculative handshake when an application does not claim: time-out, reassignment, and the
claim that comes too late (PIKA 3.2). One web server's core is stopped from outside."""

import select
import socket

import pytest

from harness import Network, Talus, ab, curl, wait_until
from vcpu import QEMU_ARGS, Stalled

# No scheme that soon gives a stalled web server nothing more.
WORDS = "node_timeout=0 grants=0 balance=least"
FIRST, SECOND = 2, 3  # the nodes of the web servers


@pytest.fixture(scope="module")
def talus():
    with Network() as network, \
            Talus("--qemu-args", QEMU_ARGS, words=WORDS, network=network, smp=4) as machine:
        yield machine


def total(talus, name, **labels):
    return sum(talus.counter(name, **labels).values())


def test_connections_that_a_stalled_web_server_does_not_claim_go_to_the_other(talus):
    timeouts = total(talus, "accept_timeouts_total")
    with Stalled(talus, SECOND):
        # Read only now: the web server that answers this counts it afterwards.
        answered = talus.counter("http_requests_total")
        load = ab(talus, "/4b", 200, concurrency=4)
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
    wait_until(lambda: total(talus, "claims_total", result="rejected") > rejected,
               "a claim to be rejected")
    answered = talus.counter("http_requests_total")

    # How much of it, is for the balance of load to say.
    def has_its_part():
        load = ab(talus, "/4b", 200, concurrency=4)
        assert load.failed == 0, load.output
        return talus.counter("http_requests_total")[SECOND] - answered[SECOND] > 40

    wait_until(has_its_part, "requests to come to the web server that is back")


def test_while_all_web_servers_are_stalled_connections_wait(talus):
    queued = talus.connections_queued()
    with Stalled(talus, FIRST), Stalled(talus, SECOND):
        waiting = [talus.connect() for _ in range(6)]
        for connection in waiting:
            connection.sendall(b"GET /4b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        # All have arrived, and none of them can have been answered.
        wait_until(lambda: talus.connections_queued() >= queued + len(waiting),
                   "the connections to wait", talus.last_lines)
        assert select.select(waiting, [], [], 0)[0] == []
    try:
        for connection in waiting:
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        for connection in waiting:
            connection.close()


def test_a_stalled_link_server_delays_its_flows_only(talus):
    """Node 1 is a link server: flows of the other one are answered meanwhile, its own later."""
    with Stalled(talus, 1):
        unconnected = [begin_to_connect(talus, port) for port in range(50000, 50016)]
        unanswered = []
        answered_count = 0

        def go_on():
            nonlocal answered_count
            for connection in select.select([], unconnected, [], 0)[1]:
                connection.sendall(b"GET /4b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                unconnected.remove(connection)
                unanswered.append(connection)
            for connection in select.select(unanswered, [], [], 0)[0]:
                assert connection.recv(4096).startswith(b"HTTP/1.1 200")
                unanswered.remove(connection)
                connection.close()
                answered_count += 1

        def is_answered(count):
            go_on()
            return answered_count >= count

        wait_until(lambda: is_answered(6), "answers by the link server that runs",
                   lambda: f"{answered_count} answers")
    wait_until(lambda: is_answered(16), "answers by the link server that is back",
               lambda: f"{answered_count} answers")


def begin_to_connect(talus, port):
    """A connection from this port, on its way."""
    def begin():
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.bind(("", port))
        connection.connect_ex((talus.address, 80))
        return connection

    return talus.network.inside(begin)
