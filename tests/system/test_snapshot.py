# SPDX-License-Identifier: MIT
"""What a program sends is what its memory held when send() returned, retransmissions included, though
it is not copied: `source` (apps/source/) writes to it at once, while the wire loses and reorders."""

import socket
import struct
from array import array

import pytest

from harness import BadWire, Network, Talus, WAIT_S, curl, wait_until

READY = r"sends bytes to who asks at port 80"
MULTIPLIER = 2654435761
TOTAL = 1 << 20
WIRES = {
    "that is good": {},
    "that loses and reorders": {"loss": 3, "reorder": 5, "reorder_by_ms": 3, "delay_ms": 1, "seed": 3},
    "that loses one in ten": {"loss": 10, "duplicate": 3, "delay_ms": 1, "seed": 5},
}
# Piece and offset: whole pages; neither begins nor ends with one; one that is many snapshots.
SHAPES = ((65536, 0), (50000, 1), (524288, 4000))


class Source:
    """A machine of `source`. Use with `with`."""

    def __init__(self, network, words, **others):
        self.machine = Talus(words=words, network=network, **others)

    def __enter__(self):
        self.machine.start(is_awaited=False)
        try:
            self.machine.wait_for(READY)
        except BaseException:
            self.machine.stop()
            raise
        return self

    def __exit__(self, *_):
        self.machine.stop()

    def sum_of(self, name, **labels):
        return sum(self.machine.counter(name, **labels).values())

    def counts(self):
        return {"copied": self.sum_of("send_bytes_total", way="copied"),
                "snapshot": self.sum_of("send_bytes_total", way="snapshot"),
                "faults": self.sum_of("snapshot_faults_total", result="copied"),
                "opened": self.sum_of("snapshot_faults_total", result="opened"),
                "retransmits": self.sum_of("tcp_retransmits_total")}

    def grown(self, before):
        return {name: count - before[name] for name, count in self.counts().items()}

    def in_use(self, kind):
        return self.sum_of("memory_objects", kind=kind)


@pytest.fixture(name="here", scope="module")
def fixture_here():
    """The program on its transport server's node."""
    with BadWire() as network, Source(network, "pika=TS1LS1CM1 app=source:1@ts", smp=1) as source:
        source.network = network
        yield source


def pattern(position, count):
    first = position // 4
    return array("I", ((word * MULTIPLIER) & 0xFFFFFFFF
                       for word in range(first, first + count // 4))).tobytes()


def check(received, total, piece, is_written):
    """Every byte, and where the first one is that is wrong."""
    expected = pattern(0, total) if is_written else (pattern(0, piece) * (total // piece + 1))[:total]
    assert len(received) == total
    if received != expected:
        wrong = next(i for i in range(total) if received[i] != expected[i])
        raise AssertionError(f"byte {wrong} of {total}: {received[wrong:wrong + 8].hex()}, "
                             f"not {expected[wrong:wrong + 8].hex()}")


def ask(source, kind, total, piece, offset):
    check(curl(source.machine, f"/{kind}/{total}/{piece}/{offset}"), total, piece, "written" in kind)


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())
def test_what_is_written_over_at_once_arrives_as_it_was_over_a_wire(here, wire):
    here.network.change(**wire)
    before = here.counts()
    for piece, offset in SHAPES:
        ask(here, "heap-written", TOTAL, piece, offset)
    grown = here.grown(before)
    # So it was not copied when it was sent, and was while it was under way.
    assert grown["snapshot"] > len(SHAPES) * TOTAL * 0.9, grown
    assert grown["faults"] > len(SHAPES) * TOTAL / 4096 / 4, grown
    assert grown["retransmits"] > 0 or "loss" not in wire, grown


def test_what_stays_as_it_is_is_never_copied(here):
    here.network.change()
    before = here.counts()
    ask(here, "heap", TOTAL, 65536, 0)
    grown = here.grown(before)
    assert grown["snapshot"] > TOTAL * 0.95 and grown["faults"] == 0, grown


def test_memory_that_no_snapshot_can_be_taken_of_is_copied_and_counted(here):
    before = here.counts()
    ask(here, "static-written", TOTAL, 65536, 0)
    grown = here.grown(before)
    assert grown["snapshot"] == grown["faults"] == 0 and grown["copied"] >= TOTAL, grown


def test_nothing_is_left_of_what_was_sent_or_could_not_be(here):
    """Who leaves resets the connection, with much of it unread."""
    for _ in range(5):
        with here.machine.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(b"GET /heap-written/16777216/65536/0 HTTP/1.0\r\n\r\n")
            client.settimeout(WAIT_S)
            assert client.recv(100000)
    wait_until(lambda: here.in_use("snapshot") == here.in_use("tcp_send_snapshot") == 0,
               "all snapshots to be given back")
    frames = here.in_use("snapshot_frames")
    assert frames <= 128, frames  # spare ones (libc/core/snapshot.c)
    ask(here, "heap-written", TOTAL, 65536, 0)
    wait_until(lambda: here.in_use("snapshot_frames") == frames, "frames to be given back")


@pytest.mark.parametrize("words, smp, is_by_snapshot", [
    ("pika=TS1LS1CM1 app=source:1", 2, False),
    ("pika=TS1+LS1CM1 app=source:1@ts", 2, True)])
def test_on_other_nodes_it_is_copied_where_it_must_be(words, smp, is_by_snapshot):
    """Between nodes of programs and transport servers when it is sent; between these and link
    servers only later."""
    with Network() as network, Source(network, words, smp=smp) as source:
        for kind in ("heap", "heap-written"):
            ask(source, kind, TOTAL, 65536, 0)
        counts = source.counts()
        assert (counts["snapshot"] > TOTAL) == is_by_snapshot, counts
        assert (counts["copied"] > TOTAL) != is_by_snapshot, counts
