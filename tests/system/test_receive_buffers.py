# SPDX-License-Identifier: MIT
"""What a peer leaves unfinished keeps no receive buffers: others are served meanwhile."""

import pytest
from scapy.layers.inet import IP, TCP

from harness import Network, Talus, curl
from test_faults import transport_server_of
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


# Connections of a web server that hangs, all of one transport server, and tiny segments for each: more
# together than the channel to that web server has lines (4096), and than the queue has buffers (4096).
OTHER, HANGING = 2, 3
HANGING_CONNECTIONS = 8
HANGING_SEGMENTS = 1300
HEAD, END = b"GET /4b HTTP/1.1\r\nHost: talus\r\nX: x", b"\r\n\r\n"


def ports_of_one_transport_server():
    return [port for port in range(FIRST_PORT, FIRST_PORT + 4096)
            if transport_server_of(port) == 0][:HANGING_CONNECTIONS]


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
        assert served(alone)  # so the node has seen them: they came before, through the same queue
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


def end_request(peer):
    """And have it answered."""
    peer.send("PA", END)
    answer = peer.wire.receive(lambda packet: peer.is_answer(packet)
                               and b"HTTP/1.1 200 OK" in bytes(packet[TCP]))
    assert answer is not None
    peer.acknowledge = answer[TCP].seq + answer[IP].len - answer[IP].ihl * 4 - answer[TCP].dataofs * 4
    peer.send("A")


def test_bytes_for_an_application_that_hangs_keep_no_buffers():
    """Its connections are sent thousands of tiny segments in order, of which it takes none. The other
    web server is served through the same queues meanwhile, and what waited is answered afterwards."""
    with Network() as network, Talus("--qemu-args", QEMU_ARGS, words="node_timeout=0 grants=0",
                                     network=network) as machine, Wire(network) as opened:
        opened.introduce_peer()
        with Stalled(machine, OTHER):
            peers = [Peer(opened, port).open() for port in ports_of_one_transport_server()]
            for peer in peers:
                peer.send("PA", HEAD)
                end_request(peer)
        missed = drops(machine)
        with Stalled(machine, HANGING):
            for peer in peers:
                peer.send("PA", HEAD)
                start = peer.next_sequence
                opened.send_all(segments_at(peer, b"x", range(start, start + HANGING_SEGMENTS)))
                peer.next_sequence += HANGING_SEGMENTS
            for _ in range(10):
                assert served(machine)
            assert drops(machine) == missed
        for peer in peers:
            end_request(peer)
