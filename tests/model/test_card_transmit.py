# SPDX-License-Identifier: MIT
"""Transmit rings, offloads and segmentation of the 82599 model."""

import struct

import pytest
from scapy.all import IP, SCTP, TCP, UDP, Ether, IPv6, Raw

from card import (CTRL, DMATXCTL, ENABLE, HEAD_WRITE_BACK, HLREG0, MAC, PEER, TX_BUFFERS, Card, txq)

TSE, VLE = 1 << 31, 1 << 30
CC, IXSM, TXSM = 1 << 7, 1 << 8, 1 << 9
SECOND = 1 << 4
EOP, IFCS, IC, RS, LEGACY_VLE = (1 << bit for bit in (24, 25, 26, 27, 30))
L4_UDP, L4_TCP, L4_SCTP = 0, 1, 2
GPTC, GOTCL, QPTC, PTC64, BPTC = 0x4080, 0x4090, 0x6030, 0x40D8, 0x40F4


@pytest.fixture
def card():
    with Card() as made:
        made.start_tx()
        yield made


def ethernet():
    return Ether(dst=PEER.hex(":"), src=MAC.hex(":"))


def ipv4(**fields):
    return ethernet() / IP(src="192.0.2.2", dst="192.0.2.1", **fields)


def ipv6():
    return ethernet() / IPv6(src="2001:db8::2", dst="2001:db8::1")


def plain(size=60, fill=0x5A):
    return PEER + MAC + b"\x88\xb5" + bytes([fill]) * (size - 14)


def ones_complement(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) & ~1]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo_sum(frame, ip_offset, protocol, l4_bytes):
    """What a driver puts into the checksum field: not complemented; l4_bytes 0 for segmentation."""
    version = frame[ip_offset] >> 4
    addresses = (frame[ip_offset + 12:ip_offset + 20] if version == 4
                 else frame[ip_offset + 8:ip_offset + 40])
    return ones_complement(addresses + struct.pack("!HH", protocol, l4_bytes))


def with_field(frame, offset, value):
    return frame[:offset] + struct.pack("!H", value) + frame[offset + 2:]


def is_intact(frame):
    """Does scapy, building the same packet anew, find the same checksums and lengths?"""
    packet = Ether(frame)
    for layer in (IP, IPv6, TCP, UDP, SCTP):
        if layer in packet:
            for field in ("chksum", "len", "plen"):
                if field in packet[layer].fields:
                    delattr(packet[layer], field)
    return bytes(packet) == frame


def send(card, frame, **options):
    index = card.put_frame(frame, **options)
    card.move_tail()
    return index


def test_frame_leaves_whole_and_is_reported_done(card):
    index = send(card, plain(1514))
    assert card.sent() == plain(1514)
    assert card.until(lambda: card.is_tx_done(index))
    assert card.read(txq(0) + 0x10) == 1


def test_frame_of_several_buffers_is_put_together(card):
    frame = plain(1000, 1)[:500] + plain(1000, 2)[500:]
    index = send(card, frame, pieces=7)
    assert card.sent() == frame
    assert card.until(lambda: card.is_tx_done(index))
    assert [card.is_tx_done(i) for i in range(index)] == [0] * index


def test_packet_waits_until_its_last_descriptor_is_handed_over(card):
    last = card.put_frame(plain(600), pieces=3)
    card.write(txq(0) + 0x18, last)
    assert card.sent_by_now() is None
    card.move_tail()
    assert card.sent() == plain(600)


@pytest.mark.parametrize("pads", [True, False])
def test_short_frames_are_padded_when_asked(card, pads):
    if not pads:
        card.write(HLREG0, card.read(HLREG0) & ~(1 << 10))
    send(card, plain(30))
    assert card.sent() == plain(30).ljust(60 if pads else 30, b"\0")


def test_descriptor_without_report_bit_is_not_touched(card):
    index = card.put_descriptor(0, TX_BUFFERS, 60 | 3 << 20 | EOP | IFCS | 1 << 29, 60 << 14)
    send(card, plain())
    assert card.sent() and card.sent() == plain()
    assert not card.is_tx_done(index)


def test_head_write_back_replaces_the_descriptors_report(card):
    card.write(txq(0) + 0x38, HEAD_WRITE_BACK | 1)
    card.memory_write(HEAD_WRITE_BACK, b"\xff" * 4)
    index = send(card, plain())
    assert card.sent() == plain()
    assert card.until(lambda: card.memory_read(HEAD_WRITE_BACK, 4) == b"\x01\0\0\0")
    assert not card.is_tx_done(index)


def test_ring_wraps(card):
    card.start_tx(count=8)
    for number in range(20):
        card._rings["tx", 0] = number % 8
        card.put_frame(plain(60, number))
        card.write(txq(0) + 0x18, (number + 1) % 8)
        assert card.sent() == plain(60, number)


def test_full_ring_of_frames_all_leave_in_order(card):
    card.start_tx(count=512)
    for number in range(511):
        card.put_frame(plain(60, number & 0xFF))
    card.move_tail()
    assert [card.sent()[14] for _ in range(511)] == [number & 0xFF for number in range(511)]
    assert card.until(lambda: card.read(txq(0) + 0x10) == 511)


def test_nothing_leaves_while_switched_off_and_all_of_it_afterwards(card):
    for offset, off, on in ((DMATXCTL, 0, 1), (CTRL, 1 << 2, 0), (txq(0) + 0x28, 0, ENABLE)):
        card.write(offset, off)
        send(card, plain())
        assert card.sent_by_now() is None
        card.write(offset, on)
        assert card.sent() == plain()
    card.config_write(0x04, 3)
    send(card, plain())
    assert card.sent_by_now() is None
    card.config_write(0x04, 7)
    assert card.sent() == plain()


def test_impossible_ring_is_left_alone_and_reported_once(card):
    for _ in range(2):
        card.write(txq(0) + 0x18, 5000)
    card.until(card.log)
    assert len([line for line in card.log() if "transmit ring" in line]) == 1
    assert card.sent_by_now() is None


@pytest.mark.parametrize("l4,l4_type,field", [(TCP(sport=1, dport=2), L4_TCP, 16),
                                              (UDP(sport=1, dport=2), L4_UDP, 6)])
@pytest.mark.parametrize("payload", [b"", b"x", b"hello world"])
@pytest.mark.parametrize("version", [4, 6])
def test_checksums_are_inserted(card, version, l4, l4_type, field, payload):
    whole = bytes((ipv4() if version == 4 else ipv6()) / l4 / Raw(payload))
    l4_offset = 34 if version == 4 else 54
    frame = with_field(whole, l4_offset + field,
                       pseudo_sum(whole, 14, 6 if l4_type == L4_TCP else 17,
                                  len(whole) - l4_offset))
    if version == 4:
        frame = with_field(frame, 24, 0xBEEF)
    card.put_context(ip=l4_offset - 14, l4_type=l4_type, is_ipv4=version == 4)
    send(card, frame, options=TXSM | (IXSM if version == 4 else 0))
    assert card.sent() == whole.ljust(60, b"\0")


def test_udp_checksum_zero_is_sent_as_all_ones(card):
    whole = bytes(ipv4() / UDP(sport=1, dport=2) / Raw(b"\0\0"))
    rest = ones_complement(whole[34:40] + whole[42:]) + pseudo_sum(whole, 14, 17, 10)
    filler = 0xFFFF - ((rest & 0xFFFF) + (rest >> 16))
    frame = with_field(with_field(whole, 42, filler), 40, pseudo_sum(whole, 14, 17, 10))
    card.put_context(l4_type=L4_UDP)
    send(card, frame, options=TXSM)
    assert card.sent()[40:42] == b"\xff\xff"


def test_sctp_checksum_is_inserted(card):
    whole = bytes(ipv4() / SCTP(sport=1, dport=2) / Raw(b"1234"))
    card.put_context(l4_type=L4_SCTP)
    send(card, whole[:42] + b"\xaa" * 4 + whole[46:], options=TXSM)
    assert card.sent() == whole.ljust(60, b"\0")


def test_contexts_are_kept_and_there_are_two_of_them(card):
    card.write(DMATXCTL, 0x81000001)
    card.put_context(vlan=5, slot=0)
    card.put_context(vlan=6, slot=1)
    for options, tag in ((0, 5), (SECOND | CC, 6), (0, 5), (SECOND, 6)):
        send(card, plain(), command=VLE, options=options)
        assert card.sent() == plain()[:12] + struct.pack("!HH", 0x8100, tag) + plain()[12:]


def segments(card, frame, mss, header_bytes, **context):
    card.put_context(mss=mss, **context)
    index = send(card, frame, command=TSE, options=IXSM | TXSM,
                 payload_bytes=len(frame) - header_bytes, pieces=3)
    result = []
    rest = len(frame) - header_bytes
    while rest > 0:
        result.append(card.sent())
        rest -= mss
    assert card.until(lambda: card.is_tx_done(index))
    assert card.sent_by_now() is None
    return result


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("byte_count,mss", [(5000, 1448), (2896, 1448), (1, 1448), (1449, 1448),
                                            (64000, 1448), (3000, 1000)])
def test_tcp_is_segmented(card, version, byte_count, mss):
    payload = bytes(index * 11 & 0xFF for index in range(byte_count))
    options = [("NOP", None), ("NOP", None), ("Timestamp", (7, 8))]
    start = 0xFFFFF000
    tcp = TCP(sport=5, dport=6, seq=start, ack=9, flags="FPA", options=options)
    frame = bytes((ipv4(id=0xFFFE) if version == 4 else ipv6()) / tcp)
    l4_offset = 34 if version == 4 else 54
    # The driver leaves out all that depends on the segment's length.
    frame = with_field(frame, l4_offset + 16, pseudo_sum(frame, 14, 6, 0))
    frame = with_field(frame, 16 if version == 4 else 18, 0)
    sent = segments(card, frame + payload, mss, l4_offset + 32, ip=l4_offset - 14, l4=32,
                    is_ipv4=version == 4)
    assert b"".join(piece[l4_offset + 32:] for piece in sent) == payload
    for number, piece in enumerate(sent):
        packet = Ether(piece)
        is_last = number == len(sent) - 1
        assert is_intact(piece)
        assert packet[TCP].seq == (start + number * mss) & 0xFFFFFFFF
        # Reset masks: FIN and PSH belong to the last one.
        assert str(packet[TCP].flags) == ("FPA" if is_last else "A")
        if version == 4:
            assert packet[IP].id == (0xFFFE + number) & 0xFFFF


def test_flag_masks_of_segments_can_be_set(card):
    card.write(0x4A88, 0x0FFF << 16 | 0x0FF7)
    card.write(0x4A8C, 0x0F7F)
    tcp = TCP(sport=5, dport=6, flags="PCA")
    frame = bytes(ipv4() / tcp)
    frame = with_field(frame, 50, pseudo_sum(frame, 14, 6, 0))
    sent = segments(card, frame + bytes(300), 100, 54)
    assert [str(Ether(piece)[TCP].flags) for piece in sent] == ["AC", "PAC", "PA"]


def test_udp_is_segmented_into_datagrams(card):
    frame = bytes(ipv4(id=1) / UDP(sport=5, dport=6))
    frame = with_field(frame, 40, pseudo_sum(frame, 14, 17, 0))
    sent = segments(card, frame + bytes(range(250)), 100, 42, l4=8, l4_type=L4_UDP)
    assert [Ether(piece)[UDP].len for piece in sent] == [108, 108, 58]
    assert all(is_intact(piece) for piece in sent)
    assert [Ether(piece)[IP].id for piece in sent] == [1, 2, 3]


def test_segments_all_carry_the_tag(card):
    frame = bytes(ipv4() / TCP(sport=5, dport=6))
    frame = with_field(frame, 50, pseudo_sum(frame, 14, 6, 0))
    card.put_context(mss=100, vlan=9)
    send(card, frame + bytes(250), command=TSE | VLE, options=IXSM | TXSM, payload_bytes=250)
    for _ in range(3):
        piece = card.sent()
        assert piece[12:16] == b"\x81\0\0\x09"
        assert is_intact(piece[:12] + piece[16:])


@pytest.mark.parametrize("context,command,options", [
    ({"mac": 127, "ip": 511}, 0, TXSM), ({"mac": 127, "ip": 20}, 0, IXSM), ({"ip": 8}, 0, IXSM),
    ({"mss": 0}, TSE, TXSM), ({"mss": 100, "l4": 255}, TSE, TXSM), ({"mss": 100, "l4": 4}, TSE, TXSM),
    ({"mss": 100, "ip": 4}, TSE, TXSM), ({"mss": 100, "l4_type": 2}, TSE, TXSM),
    ({"mss": 100, "is_ipv4": False}, TSE, TXSM)])
def test_offload_beyond_the_packet_drops_it_and_completes_it(card, context, command, options):
    card.put_context(**context)
    index = send(card, plain(70), command=command, options=options)
    assert card.until(lambda: card.is_tx_done(index))
    assert card.sent_by_now() is None
    assert any("offload" in line for line in card.log())
    send(card, plain())
    assert card.sent() == plain()


@pytest.mark.parametrize("size", [0, 1, 13])
def test_frame_without_a_header_is_dropped_and_completed(card, size):
    index = card.put_descriptor(0, TX_BUFFERS, size | 3 << 20 | EOP | IFCS | RS | 1 << 29, 0)
    card.move_tail()
    assert card.until(lambda: card.is_tx_done(index))
    assert card.sent_by_now() is None


def test_ring_and_buffers_outside_memory_send_nothing(card):
    nowhere = 0x7FFF00000000
    index = card.put_descriptor(0, nowhere, 60 | 3 << 20 | EOP | IFCS | RS | 1 << 29, 60 << 14)
    card.move_tail()
    assert card.until(lambda: card.is_tx_done(index))
    card.write(txq(0) + 0x04, nowhere >> 32)
    card.write(txq(0) + 0x18, 9)
    assert card.sent_by_now() is None
    assert any("not in memory" in line for line in card.log())
    assert card.read(txq(0) + 0x10) == 1


def test_endless_packet_is_dropped_whole(card):
    card.start_tx(count=64)
    for _ in range(8):
        card.put_descriptor(0, TX_BUFFERS, 0xFFFF | 3 << 20 | 1 << 29, 0)
    index = send(card, plain())
    assert card.until(lambda: card.is_tx_done(index))
    assert card.sent_by_now() is None
    assert any("too long" in line for line in card.log())


def test_legacy_descriptor_sends_sums_and_tags(card):
    frame = bytes(ipv4() / UDP(sport=1, dport=2, chksum=0) / Raw(b"legacy!"))
    whole = bytes(ipv4() / UDP(sport=1, dport=2) / Raw(b"legacy!"))
    card.memory_write(TX_BUFFERS, with_field(frame, 40, pseudo_sum(frame, 14, 17, 15)))
    card.put_descriptor(0, TX_BUFFERS, len(frame) | 40 << 16 | EOP | IFCS | IC | RS, 34 << 8)
    index = card.put_descriptor(0, TX_BUFFERS, len(frame) | EOP | IFCS | RS | LEGACY_VLE, 7 << 16)
    card.move_tail()
    assert card.sent() == whole.ljust(60, b"\0")
    assert card.sent()[12:16] == b"\x81\0\0\x07"
    assert card.until(lambda: card.is_tx_done(index))


@pytest.mark.parametrize("field,start", [(200, 34), (40, 200)])
def test_legacy_checksum_beyond_the_frame_drops_it(card, field, start):
    card.memory_write(TX_BUFFERS, plain())
    index = card.put_descriptor(0, TX_BUFFERS, 60 | field << 16 | EOP | IC | RS, start << 8)
    card.move_tail()
    assert card.until(lambda: card.is_tx_done(index))
    assert card.sent_by_now() is None


def test_all_queues_send(card):
    for queue in (1, 63, 64, 127):
        card.start_tx(queue)
        card.put_frame(plain(60, queue), queue=queue)
        card.move_tail(queue)
        assert card.sent() == plain(60, queue)


def test_counters_count_what_left(card):
    card.write(0x8600, 3)
    for size in (60, 1000):
        send(card, plain(size))
        card.sent()
    send(card, b"\xff" * 6 + MAC + b"\x88\xb5" + bytes(46))
    card.sent()
    assert [card.read(offset) for offset in (GPTC, PTC64, BPTC)] == [3, 2, 1]
    assert card.read(GOTCL) == 64 + 1004 + 64
    assert (card.read(QPTC), card.read(QPTC + 0x40 * 3)) == (0, 3)
    assert card.read(GPTC) == 0


def test_loop_back_returns_frames_and_keeps_the_wire_out(card):
    card.open_receiver()
    card.start_rx()
    card.write(HLREG0, card.read(HLREG0) | 1 << 15)
    card.send(MAC + PEER + b"\x88\xb5wire".ljust(50, b"\0"))
    frame = MAC + MAC + b"\x88\xb5loop".ljust(50, b"\0")
    send(card, frame)
    assert card.receive().data[14:18] == b"loop"
    assert card.sent_by_now() is None
