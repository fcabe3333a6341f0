# SPDX-License-Identifier: MIT
"""UDP sockets: the echo service, which outlives the speaker's death and its own."""

import errno
import socket

import pytest

from harness import WAIT_S, Network, Talus, wait_until

ECHO = r"echoes datagrams to port 7"
PATIENCE_S = 0.5


@pytest.fixture(name="machine", scope="module")
def fixture_machine():
    """Two servers and two echo programs, of which one gets the port."""
    with Network() as network:
        machine = Talus(words="pika=TS2LS2CM2 app=echo:2", network=network)
        machine.start(is_awaited=False)
        try:
            machine.wait_for(ECHO)
            yield machine
        finally:
            machine.stop()


def ask(machine, data, port=7):
    """What comes back to a connected socket, None in vain; or the error of the answer."""
    def try_once():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE_S)
            client.connect((machine.network.guest_address, port))
            client.send(data)
            try:
                return client.recv(65536)
            except socket.timeout:
                return None
            except OSError as error:
                return error.errno

    return machine.network.inside(try_once)


def echo_is_back(machine, data):
    """Datagrams may be lost, those to a node that has just died for certain."""
    wait_until(lambda: ask(machine, data) == data, f"an echo of {len(data)} bytes")


def test_whatever_comes_goes_back(machine):
    for data in (b"hello", b"", bytes(range(256)) * 5, b"long" * 1000):
        echo_is_back(machine, data)


def test_many_at_a_time_go_back(machine):
    """Fewer than its queue holds."""
    def exchange():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(WAIT_S)
            client.connect((machine.network.guest_address, 7))
            for number in range(64):
                client.send(b"%d" % number)
            return {client.recv(100) for _ in range(64)}

    assert machine.network.inside(exchange) == {b"%d" % number for number in range(64)}


def test_a_port_is_one_programs_and_others_are_refused(machine):
    machine.wait_for(rf"no port 7: error {errno.EADDRINUSE}")
    wait_until(lambda: ask(machine, b"x", 8) == errno.ECONNREFUSED, "port 8 to be refused")


@pytest.mark.parametrize("node", [0, 2, 3])
def test_a_death_costs_datagrams_only(machine, node):
    """Of the speaker, which has the datagrams first; of the one echo program or the other."""
    start = len(machine.console)
    machine.type(f"crash {node}\n")
    machine.wait_for(rf"node{node} \S+: .*[Pp]age fault", start)
    echo_is_back(machine, b"still there")
