# SPDX-License-Identifier: MIT
"""Receive rings, descriptors, checksums and layer 2 filters of the 82599 model."""

import struct
import zlib

import pytest
from scapy.all import (Dot1Q, Ether, ICMP, IP, IPv6, IPv6ExtHdrFragment, Raw, SCTP, TCP, UDP)

from card import (CTRL, DROP_EN, FCTRL, HLREG0, MAC, PEER, RXCSUM, RXCTRL, VLNCTRL, Card, rxq)

IPV4_PACKET, OPTIONS, IPV6_PACKET, EXTENSIONS, TCP_PACKET, UDP_PACKET, SCTP_PACKET = (
    1 << bit for bit in range(7))
IPCS, L4I, UDPCS, PIF, VP, EOP, DD = 1 << 6, 1 << 5, 1 << 4, 1 << 7, 1 << 3, 1 << 1, 1
L4E, IPE = 1 << 10, 1 << 11
QPRC, QBRC, QPRDC = 0x1030, 0x1034, 0x1430
GPRC, TPR, ROC, BPRC, MPRC, GORCL = 0x4074, 0x40D0, 0x40AC, 0x4078, 0x407C, 0x4088

BROADCAST = b"\xff" * 6


def ethernet(destination=MAC):
    return Ether(dst=destination.hex(":"), src=PEER.hex(":"))


def ipv4(**fields):
    return ethernet() / IP(src="192.0.2.1", dst="192.0.2.2", **fields)


def padded(frame):
    return bytes(frame).ljust(60, b"\0")


@pytest.fixture
def card():
    with Card() as made:
        made.open_receiver()
        made.start_rx()
        yield made


def take(card, frame, queue=0):
    card.send(bytes(frame))
    return card.receive(queue)


@pytest.mark.parametrize("size", [14, 59, 60, 61, 1514])
def test_frames_arrive_whole_and_short_ones_padded(card, size):
    frame = (MAC + PEER + b"\x88\xb5" + bytes(range(256)) * 6)[:size]
    received = take(card, frame)
    assert received.data == padded(frame)
    assert received.status & (DD | EOP) == DD | EOP
    assert (received.packet_type, received.rss_type, received.errors) == (0, 0, 0)


def test_frame_longer_than_a_buffer_takes_several_descriptors(card):
    card.write(HLREG0, card.read(HLREG0) | 1 << 2)
    card.write(0x4268, 9018 << 16)
    payload = bytes(index * 7 & 0xFF for index in range(5000))
    card.send(bytes(MAC + PEER + b"\x88\xb5" + payload))
    pieces = [card.receive() for _ in range(3)]
    assert [piece.length for piece in pieces] == [2048, 2048, 5014 - 4096]
    assert [piece.is_last for piece in pieces] == [False, False, True]
    assert b"".join(piece.data for piece in pieces)[14:] == payload


def test_frame_of_exactly_one_buffer_takes_one_descriptor(card):
    card.write(HLREG0, card.read(HLREG0) | 1 << 2)
    card.write(0x4268, 9018 << 16)
    received = take(card, MAC + PEER + b"\x88\xb5" + bytes(2034))
    assert (received.length, received.is_last) == (2048, True)
    assert card.read(rxq(0) + 0x10) == 1


@pytest.mark.parametrize("size,arrives", [(1514, True), (1515, False)])
def test_largest_frame_is_1518_bytes_with_its_crc_unless_jumbos_are_on(card, size, arrives):
    card.send(MAC + PEER + b"\x88\xb5" + bytes(size - 14))
    assert (card.received_by_now() is not None) == arrives
    assert card.read(ROC) == (0 if arrives else 1)


def test_ring_wraps_and_never_passes_its_tail(card):
    card.start_rx(queue=0, count=8, given=7)
    for number in range(20):
        received = take(card, MAC + PEER + b"\x88\xb5" + bytes([number]) * 46)
        assert received.data[14] == number
        head = (number + 1) % 8
        assert card.read(rxq(0) + 0x10) == head
        card.give_again(0, number % 8)
        card.write(rxq(0) + 0x18, (head + 7) % 8)


def test_full_ring_with_drop_enabled_drops_and_counts(card):
    card.start_rx(count=8, given=2)
    for _ in range(5):
        card.send(padded(MAC + PEER + b"\x88\xb5"))
    assert card.until(lambda: card.read(TPR) == 0 and True)
    assert card.read(rxq(0) + 0x10) == 2
    assert card.read(QPRC) == 2
    assert card.read(QPRDC) == 3


def test_full_ring_without_drop_holds_the_frame_until_the_tail_moves(card):
    card.start_rx(count=8, given=0, srrctl=0x02000002)
    card.send(padded(MAC + PEER + b"\x88\xb5" + b"held"))
    assert card.received_by_now() is None
    assert card.read(GPRC) == 0
    card.write(rxq(0) + 0x18, 1)
    assert card.receive().data[14:18] == b"held"
    assert card.read(GPRC) == 1


def test_per_queue_drop_enable_works_like_the_rings_own(card):
    card.start_rx(count=8, given=0, srrctl=0x02000002)
    card.write(0x2F04, 1 << 16 | 0 << 8 | 1)
    card.send(padded(MAC + PEER + b"\x88\xb5"))
    assert card.until(lambda: card.read(QPRDC)) == 1


def test_disabled_queue_and_disabled_receiver_take_nothing(card):
    card.write(rxq(0) + 0x28, 0)
    card.send(padded(MAC + PEER + b"\x88\xb5"))
    assert card.until(lambda: card.read(QPRDC)) == 1
    card.write(rxq(0) + 0x28, 1 << 25)
    card.write(RXCTRL, 0)
    card.send(padded(MAC + PEER + b"\x88\xb5"))
    assert card.received_by_now() is None
    assert (card.read(QPRDC), card.read(TPR)) == (0, 1)


def test_no_dma_while_the_master_is_disabled(card):
    card.write(CTRL, 1 << 2)
    card.send(padded(MAC + PEER + b"\x88\xb5"))
    assert card.received_by_now() is None
    card.write(CTRL, 0)
    assert take(card, padded(MAC + PEER + b"\x88\xb5")) is not None


def test_no_dma_while_the_bus_master_is_off(card):
    card.config_write(0x04, 3)
    card.send(padded(MAC + PEER + b"\x88\xb5"))
    assert card.received_by_now() is None
    card.config_write(0x04, 7)
    assert take(card, padded(MAC + PEER + b"\x88\xb5")) is not None


@pytest.mark.parametrize("offset,value", [(0x08, 0), (0x18, 4000), (0x10, 4000)])
def test_impossible_ring_is_left_alone_and_reported_once(card, offset, value):
    card.write(rxq(0) + offset, value)
    for _ in range(2):
        card.send(padded(MAC + PEER + b"\x88\xb5"))
    assert card.until(lambda: card.read(QPRDC)) >= 1
    assert len([line for line in card.log() if "receive ring" in line]) == 1


def test_ring_outside_memory_takes_nothing_and_harms_nothing(card):
    card.memory_write(0, b"\x55" * 64)
    card.write(rxq(0) + 0x04, 0x7FFF)
    card.send(padded(MAC + PEER + b"\x88\xb5"))
    assert card.until(lambda: any("not in memory" in line for line in card.log()))
    assert card.memory_read(0, 64) == b"\x55" * 64


def test_buffer_size_zero_is_refused(card):
    card.start_rx(srrctl=0x02000000)
    card.send(padded(MAC + PEER + b"\x88\xb5"))
    assert card.until(lambda: card.read(QPRDC)) == 1


def test_legacy_descriptor_has_its_own_layout(card):
    card.start_rx(srrctl=0x2 | DROP_EN)
    frame = bytes(ipv4() / TCP(chksum=0x1234) / b"data")
    card.send(frame)
    dword = card.until(lambda: (lambda d: d[3] & 1 and d)(card.rx_descriptor(0, 0)))
    assert dword[2] & 0xFFFF == 60
    assert dword[3] & 0xFF == DD | EOP | L4I | IPCS
    assert dword[3] >> 8 & 0xFF == 1 << 5


CHECKSUMS = [
    ("tcp", lambda: ipv4() / TCP() / b"abc", IPV4_PACKET | TCP_PACKET, IPCS | L4I, 0),
    ("tcp wrong", lambda: ipv4() / TCP(chksum=1) / b"abc", IPV4_PACKET | TCP_PACKET, IPCS | L4I,
     L4E),
    ("ip wrong", lambda: ipv4(chksum=1) / TCP() / b"abc", IPV4_PACKET | TCP_PACKET, IPCS | L4I, IPE),
    ("udp", lambda: ipv4() / UDP() / b"abc", IPV4_PACKET | UDP_PACKET, IPCS | L4I | UDPCS, 0),
    ("udp wrong", lambda: ipv4() / UDP(chksum=1) / b"abc", IPV4_PACKET | UDP_PACKET,
     IPCS | L4I | UDPCS, L4E),
    ("udp without", lambda: ipv4() / UDP(chksum=0) / b"abc", IPV4_PACKET | UDP_PACKET, IPCS, 0),
    ("sctp", lambda: ipv4() / SCTP(sport=1, dport=2), IPV4_PACKET | SCTP_PACKET, IPCS | L4I, 0),
    ("sctp wrong", lambda: ipv4() / SCTP(sport=1, dport=2, chksum=7), IPV4_PACKET | SCTP_PACKET,
     IPCS | L4I, L4E),
    ("icmp", lambda: ipv4() / ICMP(), IPV4_PACKET, IPCS, 0),
    ("options", lambda: ipv4(options=b"\x94\x04\0\0") / TCP(), IPV4_PACKET | OPTIONS | TCP_PACKET,
     IPCS | L4I, 0),
    ("first fragment", lambda: ipv4(flags="MF") / UDP(chksum=1) / bytes(24), IPV4_PACKET, IPCS, 0),
    ("later fragment", lambda: ipv4(frag=3, proto=6) / Raw(bytes(40)), IPV4_PACKET, IPCS, 0),
    ("cut tcp", lambda: ipv4(len=30) / TCP(), IPV4_PACKET, IPCS, 0),
    ("ip length beyond the frame", lambda: ipv4(len=400) / TCP(), IPV4_PACKET | TCP_PACKET,
     IPCS | L4I, L4E),
    ("tcp6", lambda: ethernet() / IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP() / b"x",
     IPV6_PACKET | TCP_PACKET, L4I, 0),
    ("udp6 without", lambda: ethernet() / IPv6(dst="2001:db8::2") / UDP(chksum=0) / b"x",
     IPV6_PACKET | UDP_PACKET, L4I | UDPCS, L4E),
    ("fragment6", lambda: ethernet() / IPv6(dst="2001:db8::2") / IPv6ExtHdrFragment(m=1) /
     Raw(bytes(32)), IPV6_PACKET | EXTENSIONS, 0, 0),
    ("not ip", lambda: ethernet() / Raw(bytes(46)), 0, 0, 0),
]


@pytest.mark.parametrize("make,packet_type,status,errors", [row[1:] for row in CHECKSUMS],
                         ids=[row[0] for row in CHECKSUMS])
def test_descriptor_reports_type_and_checksums(card, make, packet_type, status, errors):
    received = take(card, make())
    assert received.packet_type == packet_type
    assert received.status == status | DD | EOP
    assert received.errors == errors


def test_vlan_tag_is_reported_and_taken_out_only_when_asked(card):
    frame = padded(ethernet() / Dot1Q(vlan=5, prio=3) / IP(src="192.0.2.1") / TCP())
    kept = take(card, frame)
    assert (kept.status & VP, kept.vlan, kept.data) == (VP, 0, frame)
    assert kept.packet_type == IPV4_PACKET | TCP_PACKET
    card.write(rxq(0) + 0x28, 1 << 25 | 1 << 30)
    taken = take(card, frame)
    assert (taken.status & VP, taken.vlan) == (VP, 3 << 13 | 5)
    assert taken.data == frame[:12] + frame[16:]


def test_double_tags_are_parsed_in_double_mode(card):
    card.write(0x18, 1 << 26)
    card.write(0x5078, 0x88A8 << 16)
    frame = padded(MAC + PEER + b"\x88\xa8\0\x07\x81\0\0\x05\x08\0" +
                   bytes(IP(src="192.0.2.1") / UDP()))
    received = take(card, frame)
    assert received.status & (VP | 1 << 9) == VP | 1 << 9
    assert received.packet_type == IPV4_PACKET | UDP_PACKET


def test_vlan_filter_lets_only_known_tags_pass(card):
    card.write(VLNCTRL, 1 << 30 | 0x8100)
    card.write(0xA000, 1 << 5)
    tagged = {vlan: padded(ethernet() / Dot1Q(vlan=vlan) / IP()) for vlan in (5, 6)}
    card.send(tagged[6])
    assert take(card, tagged[5]).data == tagged[5]
    untagged = padded(ethernet() / IP())
    assert take(card, untagged).data == untagged
    # The canonical format bit can be checked, too.
    card.write(VLNCTRL, 1 << 30 | 1 << 29 | 0x8100)
    card.send(padded(ethernet() / Dot1Q(vlan=5, id=1) / IP()))
    assert take(card, tagged[5]).data == tagged[5]


MULTICAST = bytes.fromhex("01005e0a0b0c")


@pytest.mark.parametrize("destination,settings,arrives", [
    (MAC, {}, True),
    (bytes.fromhex("525400123457"), {}, False),
    (bytes.fromhex("525400123457"), {FCTRL: 1 << 9}, True),
    (bytes.fromhex("525400123457"), {0xA208: 0x12005452, 0xA20C: 1 << 31 | 0x5734}, True),
    (bytes.fromhex("525400123457"), {0xA208: 0x12005452, 0xA20C: 0x5734}, False),
    (BROADCAST, {}, True),
    (BROADCAST, {FCTRL: 0}, False),
    (BROADCAST, {FCTRL: 1 << 8}, True),
    (MULTICAST, {}, False),
    (MULTICAST, {FCTRL: 1 << 8}, True),
    # Bits 47:36 of the address: 0x0c0 of 0c0b; MCSTCTRL says which twelve, and that they count.
    (MULTICAST, {0x5200 + 4 * (0x0C0 >> 5): 1 << (0x0C0 & 31), 0x5090: 4}, True),
    (MULTICAST, {0x5200 + 4 * (0x0C0 >> 5): 1 << (0x0C0 & 31), 0x5090: 0}, False),
    (MULTICAST, {0x5200 + 4 * (0x181 >> 5): 1 << (0x181 & 31), 0x5090: 5}, True),
    (MULTICAST, {0x5200 + 4 * (0x302 >> 5): 1 << (0x302 & 31), 0x5090: 6}, True),
    (MULTICAST, {0x5200 + 4 * (0xC0B >> 5): 1 << (0xC0B & 31), 0x5090: 7}, True),
])
def test_addresses_are_filtered(card, destination, settings, arrives):
    for offset, value in settings.items():
        card.write(offset, value)
    card.send(padded(destination + PEER + b"\x88\xb5"))
    received = card.receive() if arrives else card.received_by_now()
    assert (received is not None) == arrives
    if received:
        assert bool(received.status & PIF) == bool(destination[0] & 1)
    assert card.read(TPR) == 1
    assert card.read(GPRC) == arrives


def test_pause_frames_end_in_the_mac(card):
    card.write(FCTRL, 1 << 8 | 1 << 9)
    pause = padded(bytes.fromhex("0180c2000001") + PEER + b"\x88\x08\0\x01")
    card.send(pause)
    assert card.received_by_now() is None
    card.write(0x4294, 1)
    assert take(card, pause).data == pause


def test_counters_count_and_clear_when_read(card):
    card.write(FCTRL, 1 << 8 | 1 << 10)
    for destination in (MAC, MAC, MULTICAST, BROADCAST):
        take(card, padded(destination + PEER + b"\x88\xb5"))
    take(card, MAC + PEER + b"\x88\xb5" + bytes(1000))
    assert [card.read(offset) for offset in (TPR, GPRC, BPRC, MPRC)] == [5, 5, 1, 1]
    assert card.read(GORCL) == 4 * 64 + 1018
    assert card.read(0x405C) == 4
    assert card.read(0x406C) == 1
    assert (card.read(QPRC), card.read(QBRC)) == (5, 4 * 60 + 1014)
    assert [card.read(offset) for offset in (TPR, GPRC, GORCL, QPRC, QBRC)] == [0] * 5
    card.write(GPRC, 7)
    assert card.read(GPRC) == 0


def test_queues_count_in_the_set_that_they_are_mapped_to(card):
    card.write(0x2300, 9)
    take(card, padded(MAC + PEER + b"\x88\xb5"))
    assert card.read(QPRC) == 0
    assert card.read(QPRC + 0x40 * 9) == 1


def test_crc_is_kept_when_stripping_is_off(card):
    card.write(HLREG0, card.read(HLREG0) & ~2)
    received = take(card, padded(MAC + PEER + b"\x88\xb5" + b"crc"))
    assert received.length == 64
    assert struct.unpack("<I", received.data[60:])[0] == zlib.crc32(received.data[:60])


def test_fragment_checksum_is_reported_instead_of_the_hash_when_asked(card):
    card.write(RXCSUM, 1 << 12)
    received = take(card, ipv4(id=0x4321, flags="MF") / Raw(b"\x12\x34" * 12))
    assert received.hash & 0xFFFF == 0x4321
    total = 0x1234 * 12
    assert received.hash >> 16 == (total & 0xFFFF) + (total >> 16)
