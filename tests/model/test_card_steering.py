# SPDX-License-Identifier: MIT
"""Which queue a frame reaches: RSS, flow director, EtherType, 5-tuple and SYN filters."""

import pytest
from scapy.all import ARP, ICMP, IP, SCTP, TCP, UDP, Dot1Q, Ether, IPv6, Raw

from card import (EICR, FDIRCMD, FDIRCTRL, FDIRDIP4M, FDIRFREE, FDIRFSTAT, FDIRHASH, FDIRHKEY,
                  FDIRIPDA, FDIRIPSA, FDIRLEN, FDIRM, FDIRMATCH, FDIRMISS, FDIRPORT, FDIRSIP4M,
                  FDIRSKEY, FDIRTCPM, FDIRUDPM, FDIRUSTAT, FDIRVLAN, MAC, MRQC, PEER, RXCSUM, Card)

QUEUES = 16
FDIRIP6M = 0xEE74
PERFECT, REPORT, ALWAYS = 0x10, 0x20, 0x80
# Drop queue 127, flexible bytes at word 6 (the EtherType), lists of 10, warning at 64 left.
FDIR_REST = 0x4A067F00
ADD, REMOVE, QUERY = 1, 2, 3
VALID, UPDATE, IPV6, CLEARHT, DROP, LAST, COLLISION, QUEUE_EN = (
    1 << bit for bit in (2, 3, 7, 8, 9, 11, 12, 15))
UDP_FLOW, TCP_FLOW = 1 << 5, 2 << 5
FLM = 1 << 2
FDIR_LENGTH, FDIR_DROP, FDIR_COLLISION = 1, 2, 4
QPRDC = 0x1430

KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b4"
                    "77cb2da38030f20c6a42b73bbeac01fa")

RSS_VECTORS = [
    ("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323E8FC2, 0x51CCC178),
    ("199.92.111.2", 14230, "65.69.140.83", 4739, 0xD718262A, 0xC626B0EA),
    ("24.19.198.95", 12898, "12.22.207.184", 38024, 0xD2D0A5DE, 0x5C2B394A),
    ("38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xAFC7327F),
    ("153.39.163.191", 44251, "202.188.127.2", 1303, 0x5D1809C5, 0x10E828A2),
    ("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2CC18CD5, 0x40207D3D),
    ("3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0F0C461C, 0xDDE51BBF),
    ("3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x4B61E985,
     0x02D1FEEF),
]

# The hash of "TCP, low 12 bits of the source port": a constant, and one more for each bit.
GROUP_HASH = 0x0A52
GROUP_HASH_BITS = (0x0B78, 0x16F1, 0x0DE2, 0x1BC4, 0x1788, 0x0F11, 0x1E23, 0x1C47, 0x188E, 0x111C,
                   0x0239, 0x0472)


def group_hash(port_bits):
    value = GROUP_HASH
    for bit, constant in enumerate(GROUP_HASH_BITS):
        if port_bits >> bit & 1:
            value ^= constant
    return value


@pytest.fixture
def card():
    with Card() as made:
        made.open_receiver()
        for queue in range(QUEUES):
            made.start_rx(queue)
        yield made


def ethernet():
    return Ether(dst=MAC.hex(":"), src=PEER.hex(":"))


def ip(source, destination):
    return IPv6(src=source, dst=destination) if ":" in source else IP(src=source, dst=destination)


def packet(l4, source="192.0.2.1", destination="198.51.100.2"):
    return bytes(ethernet() / ip(source, destination) / l4).ljust(60, b"\0")


def syn(port, destination_port=80, **others):
    return packet(TCP(sport=port, dport=destination_port, flags="S"), **others)


def arrives(card, frame, queues=range(QUEUES)):
    card.send(bytes(frame))
    return card.receive_anywhere(queues)


def start_rss(card, mrqc=0x00330001, entries=16):
    for index in range(10):
        card.write(0xEB80 + 4 * index, int.from_bytes(KEY[4 * index:4 * index + 4], "little"))
    for index in range(32):
        card.write(0xEB00 + 4 * index, sum((4 * index + k) % entries << 8 * k for k in range(4)))
    card.write(MRQC, mrqc)


@pytest.mark.parametrize("vector", RSS_VECTORS)
def test_rss_hashes_ports_of_tcp_and_addresses_of_the_rest(card, vector):
    source, source_port, destination, destination_port, by_addresses, by_ports = vector
    is_v6 = ":" in source
    start_rss(card)
    ports = {"sport": source_port, "dport": destination_port}
    for l4, value, rss_type in ((TCP(**ports), by_ports, 3 if is_v6 else 1),
                                (UDP(**ports), by_addresses, 5 if is_v6 else 2)):
        queue, received = arrives(card, packet(l4, source, destination))
        assert (received.hash, received.rss_type) == (value, rss_type)
        assert queue == value % 128 % 16
    start_rss(card, 0x00F30001)
    queue, received = arrives(card, packet(UDP(**ports), source, destination))
    assert (received.hash, received.rss_type) == (by_ports, 8 if is_v6 else 7)


def test_rss_off_or_not_applicable_means_queue_zero_without_a_hash(card):
    start_rss(card, 0x00330000)
    assert arrives(card, syn(1))[0] == 0
    start_rss(card, 0x00010001)
    for frame in (packet(UDP(sport=1)), packet(ICMP()),
                  bytes(ethernet() / ARP()).ljust(60, b"\0")):
        queue, received = arrives(card, frame)
        assert (queue, received.rss_type, received.hash) == (0, 0, 0)


def test_hash_is_not_reported_without_pcsd(card):
    start_rss(card)
    card.write(RXCSUM, 0)
    _, received = arrives(card, syn(1234))
    assert received.rss_type == 0


def start_fdir(card, control, fdirm=0x37, tcp_mask=0xFFFF000F, udp_mask=0xFFFFFFFF,
               ip_mask=0xFFFFFFFF):
    for offset, value in ((FDIRM, fdirm), (FDIRSIP4M, ip_mask), (FDIRDIP4M, ip_mask),
                          (FDIRTCPM, tcp_mask), (FDIRUDPM, udp_mask), (FDIRIP6M, 0xFFFFFFFF),
                          (FDIRHKEY, 0x3DAD14E2), (FDIRSKEY, 0x174D3614),
                          (FDIRCTRL, FDIR_REST | control)):
        card.write(offset, value)
    assert card.read(FDIRCTRL) & 8


def program(card, command, hash_and_id, port=None):
    if port is not None:
        card.write(FDIRPORT, port)
    card.write(FDIRHASH, hash_and_id)
    card.write(FDIRCMD, command)
    assert card.read(FDIRCMD) & 3 == 0


def add_group(card, group, queue, flags=UPDATE | QUEUE_EN):
    program(card, ADD | TCP_FLOW | LAST | flags | queue << 16,
            group << 16 | group_hash(group), port=group)


def test_four_thousand_filters_steer_by_the_low_twelve_bits_of_the_source_port(card):
    start_fdir(card, PERFECT | 3)
    assert card.read(FDIRFREE) == 8190
    for group in range(4096):
        add_group(card, group, group % QUEUES)
    assert card.read(FDIRFREE) == 4094
    assert card.read(FDIRUSTAT) == 4096
    assert card.read(FDIRLEN) & 0x3F == 1
    ports = [1, 80, 80 + 4096, 80 + 15 * 4096, 0x123, 0xFFF, 0xFFFF, 12345, 0x1000]
    for port in ports:
        queue, received = arrives(card, syn(port))
        assert queue == port % 4096 % QUEUES
        assert received.status & FLM
    assert (card.read(FDIRMATCH), card.read(FDIRMISS)) == (len(ports), 0)


def test_other_traffic_passes_the_port_filters_by(card):
    start_rss(card)
    start_fdir(card, PERFECT | 3)
    for group in range(64):
        add_group(card, group, 9)
    for frame, is_miss in ((packet(UDP(sport=5, dport=5)), True), (packet(ICMP()), False),
                           (packet(TCP(sport=5), "2001:db8::1", "2001:db8::2"), True),
                           (packet(SCTP(sport=5, dport=6)), True),
                           (bytes(ethernet() / ARP()).ljust(60, b"\0"), False),
                           (bytes(ethernet() / IP(src="192.0.2.1", flags="MF", proto=6) /
                                  Raw(bytes(40))), False),
                           (syn(64), True)):
        _, received = arrives(card, frame)
        assert not received.status & FLM
        assert card.read(FDIRMISS) == is_miss
    assert card.read(FDIRMATCH) == 0


def test_update_moves_a_group_and_without_it_the_old_queue_stays(card):
    start_fdir(card, PERFECT | 3)
    add_group(card, 5, 1)
    assert arrives(card, syn(5))[0] == 1
    add_group(card, 5, 2)
    assert arrives(card, syn(5))[0] == 2
    assert card.read(FDIRUSTAT) == 1
    add_group(card, 5, 3, QUEUE_EN)
    queue, received = arrives(card, syn(5))
    assert (queue, received.errors & 7) == (2, FDIR_COLLISION)
    assert card.read(FDIRFREE) == 1 << 16 | 8189
    program(card, QUERY, 5 << 16 | group_hash(5))
    assert card.read(FDIRCMD) & (VALID | COLLISION) == VALID | COLLISION


def test_query_shows_the_filter_and_remove_takes_it_by_hash_and_index(card):
    start_fdir(card, PERFECT | 3)
    add_group(card, 0x123, 3)
    card.write(FDIRPORT, 0)
    program(card, QUERY, 0x123 << 16 | group_hash(0x123))
    assert card.read(FDIRCMD) & VALID
    assert card.read(FDIRCMD) >> 16 & 0x7F == 3
    assert card.read(FDIRPORT) == 0x123
    assert card.read(FDIRHASH) >> 15 & 1
    assert card.read(FDIRLEN) >> 8 & 0x3F == 1
    # Not by the fields: another index under the same hash is another filter.
    program(card, REMOVE, 0x124 << 16 | group_hash(0x123))
    assert card.read(FDIRFSTAT) == 1 << 8
    program(card, QUERY, 0x124 << 16 | group_hash(0x123))
    assert not card.read(FDIRCMD) & VALID
    program(card, REMOVE, 0x123 << 16 | group_hash(0x123))
    assert (card.read(FDIRUSTAT), card.read(FDIRFREE)) == (1 << 16 | 1, 8190)
    _, received = arrives(card, syn(0x123))
    assert not received.status & FLM


def test_filter_under_a_wrong_hash_is_never_found(card):
    start_fdir(card, PERFECT | 3)
    program(card, ADD | TCP_FLOW | LAST | QUEUE_EN | 3 << 16, 7 << 16 | group_hash(7) ^ 1, port=7)
    queue, received = arrives(card, syn(7))
    assert (queue, received.status & FLM) == (0, 0)


def test_filter_with_a_bit_in_an_ignored_place_never_matches(card):
    start_fdir(card, PERFECT | 3)
    card.write(FDIRIPSA, 0x010200C0)
    add_group(card, 7, 3)
    assert arrives(card, syn(7))[0] == 0


def test_hash_is_cut_to_the_size_of_the_table(card):
    """Linux always computes 13 bits, also for its table of 2048 buckets."""
    start_fdir(card, PERFECT | 1)
    add_group(card, 0xABC, 6)
    assert arrives(card, syn(0xABC))[0] == 6


def test_full_table_refuses_and_warns(card):
    start_fdir(card, PERFECT | 1)
    assert card.read(FDIRFREE) == 2046
    card.read(EICR)
    for group in range(2046 - 64 - 1):
        add_group(card, group, 1)
    assert not card.read(EICR) & 1 << 16
    add_group(card, 2046 - 64 - 1, 1)
    assert card.read(EICR) & 1 << 16
    for group in range(2046 - 64, 2048):
        add_group(card, group, 1)
    assert card.read(FDIRFREE) == 0
    assert card.read(FDIRFSTAT) == 2
    assert card.read(EICR) & 1 << 16
    _, received = arrives(card, syn(2047))
    assert not received.status & FLM
    program(card, REMOVE, 0 << 16 | group_hash(0))
    add_group(card, 2047, 4)
    assert arrives(card, syn(2047))[0] == 4


def test_clearing_empties_the_table(card):
    start_fdir(card, PERFECT | 1)
    add_group(card, 1, 4)
    card.write(FDIRFREE, 0)
    card.write(FDIRCMD, CLEARHT)
    card.write(FDIRCMD, 0)
    card.write(FDIRHASH, 0)
    card.write(FDIRCTRL, FDIR_REST | PERFECT | 1)
    assert card.read(FDIRCTRL) & 8
    assert card.read(FDIRFREE) == 2046
    assert arrives(card, syn(1))[0] == 0
    add_group(card, 1, 4)
    assert arrives(card, syn(1))[0] == 4


def test_table_that_is_off_takes_no_filter(card):
    add_group(card, 1, 4)
    assert card.read(FDIRFSTAT) == 1
    assert arrives(card, syn(1))[0] == 0


def test_drop_filter_drops_and_counts(card):
    start_fdir(card, PERFECT | 3)
    add_group(card, 9, 4, UPDATE | DROP)
    card.send(syn(9))
    assert card.until(lambda: card.read(QPRDC)) == 1
    assert card.read(FDIRMATCH) == 1


def test_filter_without_queue_leaves_the_choice_to_rss(card):
    start_rss(card)
    start_fdir(card, PERFECT | 3)
    without = arrives(card, syn(9))[0]
    add_group(card, 9, (without + 1) % QUEUES, UPDATE)
    queue, received = arrives(card, syn(9))
    assert (queue, received.status & FLM) == (without, FLM)


def computed_bucket(card, control, frame):
    """The bucket that the device computes for a frame, from its own report; empties the table."""
    card.write(FDIRCTRL, FDIR_REST | control | ALWAYS)
    _, received = arrives(card, frame)
    return received.hash >> 16


def test_place_beyond_the_list_limit_is_reported_and_not_dropped(card):
    start_fdir(card, PERFECT | 3, tcp_mask=0)
    bucket = computed_bucket(card, PERFECT | 3, syn(0x123))
    # Eleven strangers in the same bucket, then a filter that wants to drop the frame.
    for index in range(12):
        is_ours = index == 11
        program(card, ADD | TCP_FLOW | LAST | QUEUE_EN | (DROP if is_ours else 0) | 3 << 16,
                index << 16 | bucket, port=80 << 16 | (0x123 if is_ours else 1000 + index))
    assert card.read(FDIRLEN) & 0x3F == 12
    queue, received = arrives(card, syn(0x123))
    assert (queue, received.errors & 7) == (3, FDIR_LENGTH | FDIR_DROP)
    program(card, REMOVE, 11 << 16 | bucket)
    _, received = arrives(card, syn(0x123))
    assert received.errors & 7 == FDIR_LENGTH


@pytest.mark.parametrize("report,on_match,on_miss", [(0, 1, 1), (REPORT, 0xF, 1), (ALWAYS, 0xF, 0xF),
                                                     (REPORT | ALWAYS, 0xF, 0xF)])
def test_descriptor_reports_hash_or_filter(card, report, on_match, on_miss):
    start_rss(card)
    start_fdir(card, PERFECT | report | 3)
    add_group(card, 80, 5)
    _, matched = arrives(card, syn(80))
    assert matched.rss_type == on_match
    assert matched.status & FLM
    if on_match == 0xF:
        assert matched.hash == group_hash(80) << 16 | 80
    _, missed = arrives(card, syn(81))
    assert missed.rss_type == on_miss


def test_exact_filters_compare_every_unmasked_field(card):
    """192.0.2.1:12345 to 198.51.100.2:80, whose hash is a published example."""
    start_fdir(card, PERFECT | 3, fdirm=0x30, tcp_mask=0, ip_mask=0)
    for offset, value in ((FDIRIPSA, 0x010200C0), (FDIRIPDA, 0x026433C6), (FDIRVLAN, 0)):
        card.write(offset, value)
    program(card, ADD | TCP_FLOW | LAST | QUEUE_EN | 7 << 16, 1 << 16 | 0x1E18,
            port=80 << 16 | 12345)
    assert arrives(card, syn(12345))[0] == 7
    for other in (syn(12344), syn(12345, 81), syn(12345, source="192.0.2.2"),
                  syn(12345, destination="198.51.100.3"), packet(UDP(sport=12345, dport=80)),
                  bytes(ethernet() / Dot1Q(vlan=5) / IP(src="192.0.2.1", dst="198.51.100.2") /
                        TCP(sport=12345, dport=80))):
        assert arrives(card, other)[0] == 0
    card.write(FDIRVLAN, 5)
    program(card, ADD | TCP_FLOW | LAST | QUEUE_EN | 8 << 16, 2 << 16 | 0x090E,
            port=80 << 16 | 12345)
    tagged = ethernet() / Dot1Q(vlan=5) / IP(src="192.0.2.1", dst="198.51.100.2") / TCP(
        sport=12345, dport=80)
    assert arrives(card, bytes(tagged))[0] == 8


def test_udp_ports_have_a_mask_of_their_own(card):
    start_fdir(card, PERFECT | 3, tcp_mask=0xFFFFFFFF, udp_mask=0x0000FFFF)
    bucket = computed_bucket(card, PERFECT | 3, packet(UDP(sport=7, dport=53)))
    program(card, ADD | UDP_FLOW | LAST | QUEUE_EN | 6 << 16, 1 << 16 | bucket, port=53 << 16)
    assert arrives(card, packet(UDP(sport=999, dport=53)))[0] == 6
    assert arrives(card, packet(UDP(sport=999, dport=54)))[0] == 0


def test_signature_filters_match_by_hash_alone(card):
    """Linux's way (ATR): no mask is written, so the EtherType counts as flexible bytes."""
    start_fdir(card, 1, fdirm=0, tcp_mask=0, udp_mask=0, ip_mask=0)
    assert card.read(FDIRFREE) == 8190
    card.write(FDIRM, 0x10)
    # One store of 64 bits carries hash and command.
    signature, bucket = 0x09F2, 0x3E18
    card.write64(FDIRHASH, (LAST | UPDATE | ADD | TCP_FLOW | QUEUE_EN | 4 << 16) << 32 |
                 signature << 16 | bucket)
    queue, received = arrives(card, syn(12345))
    assert (queue, received.status & FLM) == (4, FLM)
    assert arrives(card, syn(12346))[0] == 0


def test_ether_type_filter_takes_arp_to_a_queue(card):
    card.write(0x5128 + 4 * 2, 1 << 31 | 0x0806)
    card.write(0xEC00 + 4 * 2, 1 << 31 | 11 << 16)
    frame = bytes(ethernet() / ARP()).ljust(60, b"\0")
    queue, received = arrives(card, frame)
    assert queue == 11
    assert received.packet_type == 1 << 11 | 2
    card.write(0xEC00 + 4 * 2, 11 << 16)
    assert arrives(card, frame)[0] == 0


def set_five_tuple(card, index, queue, ftqf, source=0, destination=0, ports=0):
    for table, value in ((0xE000, source), (0xE200, destination), (0xE400, ports),
                         (0xE800, 1 << 19 | queue << 21), (0xE600, 1 << 31 | ftqf)):
        card.write(table + 4 * index, value)


IGNORE_SOURCE, IGNORE_DESTINATION, IGNORE_SPORT, IGNORE_DPORT, IGNORE_PROTOCOL = (
    1 << bit for bit in range(25, 30))


def test_five_tuple_filters_go_before_the_flow_director_by_priority(card):
    start_fdir(card, PERFECT | 3)
    add_group(card, 5, 1)
    addresses = IGNORE_SOURCE | IGNORE_DESTINATION
    set_five_tuple(card, 0, 2, 1 << 2 | addresses | IGNORE_SPORT, ports=0x5000 << 16)
    assert arrives(card, syn(5))[0] == 2
    set_five_tuple(card, 100, 3, 7 << 2 | addresses | IGNORE_DPORT, ports=0x0500)
    assert arrives(card, syn(5))[0] == 3
    set_five_tuple(card, 101, 4, 7 << 2 | addresses | IGNORE_DPORT, ports=0x0500)
    assert arrives(card, syn(5))[0] == 3
    card.write(0xE600 + 400, 0)
    assert arrives(card, syn(5))[0] == 4
    assert arrives(card, packet(UDP(sport=5, dport=80)))[0] == 0
    assert card.read(FDIRMATCH) == 4


def test_five_tuple_filter_compares_whole_addresses(card):
    set_five_tuple(card, 3, 6, 1 << 2 | IGNORE_SPORT | IGNORE_DPORT | IGNORE_PROTOCOL,
                   source=0x010200C0, destination=0x026433C6)
    assert arrives(card, packet(ICMP()))[0] == 6
    assert arrives(card, packet(ICMP(), source="192.0.2.2"))[0] == 0


def test_syn_filter_and_its_priority(card):
    card.write(0xEC30, 1 | 5 << 1)
    assert arrives(card, syn(1))[0] == 5
    assert arrives(card, packet(TCP(sport=1, flags="A")))[0] == 0
    set_five_tuple(card, 0, 2, 1 << 2 | IGNORE_SOURCE | IGNORE_DESTINATION | IGNORE_SPORT,
                   ports=0x5000 << 16)
    assert arrives(card, syn(1))[0] == 2
    card.write(0xEC30, 1 << 31 | 1 | 5 << 1)
    assert arrives(card, syn(1))[0] == 5


@pytest.mark.parametrize("flags", ["S", "SA", "SF", "SEC"])
def test_syn_filter_takes_what_has_syn_before_flow_director_and_hash(card, flags):
    start_rss(card)
    start_fdir(card, PERFECT | 3)
    add_group(card, 0x123, 6)
    segment = packet(TCP(sport=0x123, dport=80, flags=flags))
    assert arrives(card, segment)[0] == 6
    card.write(0xEC30, 1 << 31 | 1 | 7 << 1)
    assert arrives(card, segment)[0] == 7
    assert arrives(card, packet(TCP(sport=0x123, dport=80, flags="A")))[0] == 6
    assert arrives(card, packet(UDP(sport=0x123, dport=80)))[0] != 7
    card.write(0xEC30, 0)
    assert arrives(card, segment)[0] == 6


def test_full_ring_of_syns_with_drop_enabled_loses_them_alone(card):
    card.start_rx(5, count=16, given=15)
    card.write(0xEC30, 1 << 31 | 1 | 5 << 1)
    for port in range(18):
        card.send(syn(port))
    assert arrives(card, packet(TCP(sport=1, flags="A")), [0])[0] == 0
    assert card.read(QPRDC) == 3
    assert [card.receive_anywhere([5])[0] for _ in range(15)] == [5] * 15


def test_last_queue_is_reached_by_a_filter(card):
    card.start_rx(127)
    start_fdir(card, PERFECT | 3)
    add_group(card, 5, 127)
    queue, _ = arrives(card, syn(5), [0, 127])
    assert queue == 127


def test_ipv6_filters_match_the_group_of_ports(card):
    start_fdir(card, PERFECT | 3)
    bucket = computed_bucket(card, PERFECT | 3,
                             packet(TCP(sport=0x1005), "2001:db8::1", "2001:db8::2"))
    program(card, ADD | IPV6 | TCP_FLOW | LAST | QUEUE_EN | 3 << 16, 5 << 16 | bucket, port=5)
    assert arrives(card, packet(TCP(sport=0xF005), "2001:db8::7", "2001:db8::2"))[0] == 3
    assert arrives(card, syn(5))[0] == 0
