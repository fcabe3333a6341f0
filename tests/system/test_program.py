# SPDX-License-Identifier: MIT
"""A program that ends: its node and all others go on without it."""

import errno
import socket

import pytest

from harness import Network, Talus, ping, wait_until
from harness.waiting import WAIT_S, HarnessError


@pytest.fixture(scope="module")
def machine():
    with Network() as network, Talus(network=network,
                                     words="log=debug -- --leave-after 60") as talus:
        yield talus


def test_debug_lines_of_the_start_are_shown_when_the_command_line_asks_for_them(machine):
    assert "node0 pci: configuration space of 0000:00" in machine.console
    machine.wait_for(r"node3 socket: listening on port 80, backlog \d+")


def is_refused(machine):
    """Whether one attempt to connect is: Machine.connect() would say no more than that it failed."""
    def try_to_connect():
        with socket.socket() as connection:
            connection.settimeout(WAIT_S)
            return connection.connect_ex((machine.address, 80)) == errno.ECONNREFUSED

    return machine.network.inside(try_to_connect)


def test_what_a_program_had_open_is_closed_when_it_leaves_main(machine):
    """An idle client gets the end of its connection, and the port is served no more."""
    idle = machine.connect()
    idle.sendall(b"GET /4b HTTP/1.1\r\nHost: a\r\n\r\n")
    assert idle.recv(4096).startswith(b"HTTP/1.1 200")

    def is_over():
        """Ask both web servers to death: each request is some rounds of its event loop."""
        try:
            with machine.connect() as connection:
                connection.sendall(b"GET /4b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                connection.recv(4096)
        except (OSError, HarnessError):
            pass  # one of them has just ended
        return all(f"node{node} httpd: ended with status 0" in machine.console
                   for node in (2, 3))

    wait_until(is_over, "both web servers to end")
    idle.settimeout(WAIT_S)
    assert idle.recv(4096) == b""
    for node in (2, 3):
        assert f"node{node} socket: listening on port 80 no more" in machine.console
    wait_until(lambda: is_refused(machine), "connections to be refused")
    ping(machine)
    start = len(machine.console)
    machine.type("nodes\n")
    machine.wait_for(r"node2 +running .*\nnode3 +running", start)


def test_clients_for_whom_there_is_no_room_are_answered_503_and_counted():
    """They used to be connected and to hear nothing, without a line or a counter."""
    request = b"GET /4b HTTP/1.1\r\nHost: a\r\n\r\n"
    with Network() as network, Talus(network=network, words="-- --clients 5") as talus:
        connections, statuses = [], []
        for _ in range(24):
            connection = talus.connect()
            connections.append(connection)
            connection.sendall(request)
            statuses.append(connection.recv(4096).split()[1])
            if statuses[-1] == b"503":
                assert connection.recv(4096) == b""
        # Two web servers; the balancer may favour one of them.
        assert 5 <= statuses.count(b"200") <= 10
        assert statuses.count(b"503") == 24 - statuses.count(b"200")
        talus.wait_for(r"node[23] httpd: 5 clients are there: others are answered 503")
        for connection in connections:
            connection.close()

        def is_served_again():
            with talus.connect() as connection:
                connection.sendall(request)
                return connection.recv(4096).startswith(b"HTTP/1.1 200")

        wait_until(is_served_again, "room")
        talus.wait_for(r"node[23] httpd: there is room for clients again: \d+ were answered 503")
        assert sum(talus.counter("http_turned_away_total").values()) >= statuses.count(b"503")
