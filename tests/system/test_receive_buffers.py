# SPDX-License-Identifier: MIT
"""What a peer leaves unfinished keeps no receive buffers: others are served meanwhile."""

import socket

import pytest

from harness import WAIT_S, Network, Talus, curl, wait_until
from test_faults import web_server_of
from vcpu import QEMU_ARGS, Stalled
from wire import Peer, Wire

# One node has one queue: so many segments are more than that has buffers (4096). They are sent
# within the seconds after which TCP gives up what waits for a hole.
CONNECTIONS = 70
SEGMENTS = 64
FIRST_PORT = 50000


@pytest.fixture(scope="module")
def alone():
    with Network() as network, Talus(network=network, smp=1) as machine:
        yield machine


@pytest.fixture
def wire(alone):
    with Wire(alone.network) as opened:
        opened.introduce_peer()
        yield opened


# Tiny segments for an application that hangs, in requests that it answers when it goes on.
REQUEST = b"GET /4b HTTP/1.1\r\nHost: talus\r\n\r\n"
REQUESTS = 200
BUFFERS = 4096  # of each of two queues
HANGING = 3


def send_bytes(connection, data):
    """A segment each, as long as the peer takes them; returns how many it has."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    sent = 0
    try:
        for byte in data:
            sent += connection.send(bytes([byte]))
    except BlockingIOError:
        pass
    connection.settimeout(WAIT_S)
    return sent


def count_answers(connection, count):
    """Read until so many have come."""
    text = b""
    while text.count(b"HTTP/1.1 200 OK") < count:
        received = connection.recv(65536)
        assert received, text[-1000:]
        text += received
    return text.count(b"HTTP/1.1 ")


SEQUENCE_AT, CHECKSUM_AT = 14 + 20 + 4, 14 + 20 + 16


def segments_at(peer, payload, sequences):
    """The same segment with each of these sequence numbers; scapy would take its time."""
    frame = bytearray(bytes(peer.segment("A", payload, sequence=0)))
    sum_of_rest = ~int.from_bytes(frame[CHECKSUM_AT:CHECKSUM_AT + 2], "big") & 0xFFFF
    for sequence in sequences:
        total = sum_of_rest + (sequence >> 16) + (sequence & 0xFFFF)
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        frame[SEQUENCE_AT:SEQUENCE_AT + 4] = sequence.to_bytes(4, "big")
        frame[CHECKSUM_AT:CHECKSUM_AT + 2] = (~total & 0xFFFF).to_bytes(2, "big")
        yield bytes(frame)


def served(talus):
    return all(len(curl(talus, path)) == length for path, length in (("/4b", 4), ("/1k", 1024)))


def drops(talus):
    return sum(talus.counter("nic_rx_missed_total").values())


def test_segments_before_a_hole_keep_no_buffers(alone, wire):
    """Every other byte of many streams: nothing of it can be given to the web server."""
    missed = drops(alone)
    peers = [Peer(wire, FIRST_PORT + n).open() for n in range(CONNECTIONS)]
    for peer in peers:
        start = peer.next_sequence
        for segment in segments_at(peer, b"x", range(start + 1, start + 2 * SEGMENTS, 2)):
            wire.send(segment)
        wire.skip_answers(peer.port, SEGMENTS)
    assert served(alone)
    assert drops(alone) == missed

    # They were kept all the same: with the other bytes, they are a request.
    request = b"GET /4b HTTP/1.1\r\nHost: talus\r\nConnection: close\r\n\r\n"
    peer = Peer(wire, FIRST_PORT + CONNECTIONS).open()
    start = peer.next_sequence
    for first in (1, 0):
        for n in range(first, len(request), 2):
            peer.send("PA", request[n:n + 1], sequence=start + n)
    peer.next_sequence = start + len(request)
    assert b"200 OK" in peer.read_until_close()
    for peer in peers:
        peer.send("R", sequence=peer.next_sequence)
    assert served(alone)


def test_bytes_for_an_application_that_hangs_keep_no_buffers():
    """Its connections are sent thousands of tiny segments in order, of which it takes none. The other
    web server is served through the same queues meanwhile, and what waited comes to be answered."""
    with Network() as network, Talus("--qemu-args", QEMU_ARGS, words="node_timeout=0",
                                     network=network) as machine:
        connections = [machine.connect() for _ in range(24)]
        try:
            victims = [connection for connection in connections
                       if web_server_of(connection) == HANGING]
            assert victims
            missed = drops(machine)
            before = machine.counter("nic_rx_packets_total")
            data = REQUEST * REQUESTS
            with Stalled(machine, HANGING):
                sent = [send_bytes(connection, data) for connection in victims]

                def has_come():
                    return sum(machine.counter("nic_rx_packets_total").values()) \
                        - sum(before.values()) > 2 * BUFFERS

                wait_until(has_come, "more segments than there are buffers", machine.last_lines)
                for _ in range(10):
                    assert served(machine)
                assert drops(machine) == missed
            for connection, count in zip(victims, sent):
                connection.sendall(data[count:])
                assert count_answers(connection, REQUESTS) == REQUESTS
        finally:
            for connection in connections:
                connection.close()
