# SPDX-License-Identifier: MIT
"""What a peer leaves unfinished keeps no receive buffers: others are served meanwhile."""

import pytest

from harness import Network, Talus, curl
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
