# SPDX-License-Identifier: MIT
"""Frames that no honest host sends: none stops a node or the service, and drops are counted.

Everything random has a fixed seed: a failure comes again.
"""

import itertools
import random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from harness import curl, ping, wait_until
from wire import GUEST_MAC, PEER_ADDRESS, PEER_MAC, Peer, Wire

REQUEST = b"GET /4b HTTP/1.1\r\nHost: talus\r\nConnection: close\r\n\r\n"
BROADCAST_MAC = "ff:ff:ff:ff:ff:ff"
ETHERNET_HEADER_BYTES = 14


@pytest.fixture(scope="module")
def wire(talus):
    with Wire(talus.network) as opened:
        opened.introduce_peer()
        yield opened


@pytest.fixture(autouse=True)
def all_is_well_afterwards(talus):
    """After every test of this file all nodes run, none has said otherwise, and pages come."""
    yield
    body = curl(talus, "/4b")
    assert len(body) == 4
    for path in ("/4b", "/1k", "/100k"):
        assert curl(talus, path)
    assert set(talus.counter("node_up").values()) == {1}
    assert "panic" not in talus.console.lower(), talus.last_lines()


def ip(**fields):
    return (Ether(src=PEER_MAC, dst=GUEST_MAC)
            / IP(**{"src": PEER_ADDRESS, "dst": "192.0.2.2", **fields}))


def syn(port=40000, **fields):
    return TCP(**{"sport": port, "dport": 80, "flags": "S", "seq": 1, **fields})


def drops(talus, reason):
    return sum(talus.counter("drops_total", reason=reason).values())


def drops_of_all_reasons(talus):
    return sum(talus.counter("drops_total").values())


def assert_counted(talus, wire, frames, reasons, at_least=None):
    """Each of these frames appears in a drop counter of one of these reasons."""
    before = {reason: drops(talus, reason) for reason in reasons}
    count = wire.send_all(frames)
    expected = count if at_least is None else at_least
    after = {}

    # A node publishes some of its counts only when it next has other work.
    def are_counted():
        assert len(curl(talus, "/4b")) == 4
        after.update((reason, drops(talus, reason)) for reason in reasons)
        return sum(after.values()) - sum(before.values()) >= expected

    wait_until(are_counted, f"{expected} drops", lambda: f"{before} {after}")


def test_frames_cut_at_any_length_are_dropped_and_counted(talus, wire):
    whole = bytes(ip() / syn(options=[("MSS", 1460)]) / Raw(b"x" * 20))
    cut = [whole[:length] for length in range(ETHERNET_HEADER_BYTES, len(whole))]
    assert_counted(talus, wire, cut, ("truncated", "malformed", "checksum"))


def test_wrong_ip_lengths_are_dropped_and_counted(talus, wire):
    frames = [ip(ihl=ihl) / syn() for ihl in (0, 1, 4, 15)]
    frames += [ip(len=length) / syn() for length in (0, 1, 19, 21, 39, 1000, 65535)]
    assert_counted(talus, wire, frames, ("truncated", "malformed", "checksum"))


def test_other_ip_versions_are_dropped(wire):
    for version in (0, 5, 6, 15):
        wire.send(ip(version=version) / syn())


def test_wrong_ip_checksums_are_dropped_and_counted(talus, wire):
    frames = [ip(chksum=value) / syn(40100) for value in (0x0001, 0x1234, 0xFFFE)]
    assert_counted(talus, wire, frames, ("checksum",))


def test_wrong_tcp_checksums_are_dropped_and_counted(talus, wire):
    frames = [ip() / syn(40200 + n, chksum=n + 1) for n in range(20)]
    assert_counted(talus, wire, frames, ("checksum",))
    assert wire.receive_before_probe(lambda packet: TCP in packet
                                     and 40200 <= packet[TCP].dport < 40220) is None


def test_wrong_udp_and_icmp_checksums_are_dropped(wire):
    wire.send(ip() / UDP(sport=5000, dport=68, chksum=0x1111) / Raw(b"x" * 300))
    wire.send(ip() / ICMP(chksum=0x1111) / Raw(b"ping"))
    assert wire.receive_before_probe(
        lambda packet: ICMP in packet and packet[ICMP].type == 0) is None


def test_ping_is_answered(wire):
    wire.send(ip() / ICMP(id=7, seq=1) / Raw(b"hello"))
    answer = wire.receive(lambda packet: ICMP in packet and packet[ICMP].type == 0)
    assert answer is not None and bytes(answer[ICMP].payload)[:5] == b"hello"


def test_wrong_tcp_header_lengths_are_dropped(talus, wire):
    frames = [ip() / syn(40300 + offset, dataofs=offset) for offset in (0, 1, 4, 6, 15)]
    # not_ours: without a whole header no node can tell whose flow it is.
    assert_counted(talus, wire, frames, ("truncated", "malformed", "checksum", "not_ours"))


ODD_TCP_OPTIONS = {
    "length zero": bytes([2, 0, 1, 1]),
    "length one": bytes([2, 1, 1, 1]),
    "past the end": bytes([2, 40, 5, 180]),
    "MSS of zero": bytes([2, 4, 0, 0]),
    "MSS of one": bytes([2, 4, 0, 1]),
    "MSS of the wrong length": bytes([2, 3, 5, 1]),
    "window scale of 255": bytes([3, 3, 255, 1]),
    "two window scales": bytes([3, 3, 2, 1, 3, 3, 14, 1]),
    "SACK blocks in a SYN": bytes([5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1]),
    "SACK of odd length": bytes([5, 7, 0, 0, 0, 1, 0, 1]),
    "timestamp too short": bytes([8, 4, 0, 0]),
    "unknown kinds": bytes([253, 4, 1, 2, 99, 2, 1, 1]),
    "forty bytes of no-operation": bytes([1]) * 40,
    "length in the last byte": bytes([1, 1, 1, 2]),
}


@pytest.mark.parametrize("name", ODD_TCP_OPTIONS)
def test_odd_tcp_options_do_no_harm(wire, name):
    options = ODD_TCP_OPTIONS[name]
    port = 41000 + list(ODD_TCP_OPTIONS).index(name)
    segment = syn(port, dataofs=5 + len(options) // 4) / Raw(options)
    wire.send(ip() / segment)
    answer = wire.receive_before_probe(
        lambda packet: TCP in packet and packet[TCP].dport == port)
    if answer is not None and "S" in str(answer[TCP].flags):
        wire.send(ip() / TCP(sport=port, dport=80, flags="R", seq=2))


@pytest.mark.parametrize("flags", ["", "SF", "SR", "SFRPAU", "FPU", "F", "A", "SA", "R", "U"])
def test_odd_flags_do_no_harm(wire, flags):
    for port in (42000, 42001):
        wire.send(ip() / TCP(sport=port, dport=80, flags=flags, seq=9, ack=77))


def test_impossible_addresses_get_no_answer(wire):
    guest = wire.network.guest_address
    for source in (guest, "255.255.255.255", "224.0.0.1", "127.0.0.1", "0.0.0.0", "192.0.2.255"):
        wire.send(ip(src=source) / syn(43000))
        wire.send(ip(src=source) / ICMP() / Raw(b"x"))
    for target in ("255.255.255.255", "224.0.0.1", "192.0.2.255"):
        wire.send(Ether(src=PEER_MAC, dst=BROADCAST_MAC) / IP(src=PEER_ADDRESS, dst=target)
                  / syn(43001))
    # An attack that opens a connection of the guest with itself.
    wire.send(ip(src=guest) / TCP(sport=80, dport=80, flags="S"))
    assert wire.receive_before_probe(
        lambda packet: TCP in packet and packet[TCP].dport in (80, 43000, 43001)) is None


def test_a_port_that_nobody_serves_answers_with_a_reset(wire):
    wire.send(ip() / syn(44000, dport=81))
    answer = wire.receive(lambda packet: TCP in packet and packet[TCP].dport == 44000)
    assert answer is not None and "R" in str(answer[TCP].flags)


def test_odd_ip_options_do_no_harm(wire):
    for options in (b"\x07\x00\x00\x00", b"\x07\x01\x04\x00", b"\x83\x2c\x04\x00",
                    b"\x44\x28\x05\x00", b"\x94\x04\x00\x00", bytes([1]) * 40, b"\xff" * 4):
        header_words = 5 + len(options) // 4
        packet = ip(ihl=header_words, len=header_words * 4 + 20, proto=6)
        wire.send(packet / Raw(options + bytes(syn(44100))))


def fragment_of(offset_bytes, data, identification, more=True, **fields):
    return ip(id=identification, frag=offset_bytes // 8, flags="MF" if more else 0, proto=17,
              **fields) / Raw(data)


def test_overlapping_fragments_do_no_harm(wire):
    udp = bytes(UDP(sport=1, dport=9, len=72) / Raw(b"u" * 64))
    cases = [
        # The second inside the first, the second around the first, the same twice.
        [(0, udp[:48], True), (24, b"o" * 24, False)],
        [(24, b"o" * 16, True), (0, udp[:64], False)],
        [(0, udp[:32], True), (0, b"z" * 32, True), (32, udp[32:], False)],
        # A last fragment that ends before others, and two different ends.
        [(0, udp[:40], True), (8, b"e" * 8, False), (40, udp[40:], False)],
        [(0, udp[:8], True), (16, b"h" * 8, False)],
        # Without data, and not a multiple of eight.
        [(0, b"", True), (8, b"", False)],
        [(0, b"n" * 13, True), (8, b"n" * 5, False)],
    ]
    for identification, pieces in enumerate(cases, 100):
        for order in (pieces, list(reversed(pieces))):
            for offset, data, more in order:
                wire.send(fragment_of(offset, data, identification, more))


def test_fragments_past_the_largest_packet_do_no_harm(wire):
    for identification in range(200, 210):
        wire.send(fragment_of(0, b"p" * 1400, identification))
        wire.send(fragment_of(65528, b"d" * 1000, identification, more=False))


def test_fragments_that_never_complete_leave_the_service_alone(talus, wire):
    wire.send_all(fragment_of(0, b"i" * 1400, identification)
                  for identification in range(1000, 1600))
    assert len(curl(talus, "/100k")) == 100 * 1024


def test_a_fragmented_ping_is_answered_whole(wire):
    data = bytes(range(256)) * 10
    attempts = itertools.count()

    # Fragments of earlier tests may still hold the memory for reassembly.
    def is_answered():
        attempt = next(attempts)
        for piece in fragment(IP(src=PEER_ADDRESS, dst=wire.network.guest_address, id=9000 + attempt)
                              / ICMP(id=8, seq=attempt) / Raw(data), fragsize=1000):
            wire.send(Ether(src=PEER_MAC, dst=GUEST_MAC) / piece)
        pieces = {}
        while (packet := wire.receive(lambda packet: IP in packet and packet[IP].proto == 1
                                      and packet[IP].dst == PEER_ADDRESS, 2)) is not None:
            body = bytes(packet[IP].payload)[:packet[IP].len - 20]
            pieces[packet[IP].frag * 8] = body
            if sum(map(len, pieces.values())) == len(data) + 8:
                whole = b"".join(pieces[offset] for offset in sorted(pieces))
                assert whole[0] == 0 and whole[8:] == data
                return True
        return False

    wait_until(is_answered, "a whole answer")


def test_a_ping_larger_than_any_frame_is_answered(talus):
    for _ in range(3):
        ping(talus, payload_bytes=3000)


@pytest.mark.parametrize("port", [46010, 46011], ids=["flow of one node", "flow of the other"])
def test_a_fragmented_tcp_segment_reaches_its_connection(wire, port):
    """The NIC steers no fragments: put together on the first transport server, the segment goes
    on to the owner of its flow."""
    peer = Peer(wire, port).open()
    segment = peer.segment("PA", REQUEST)
    pieces = fragment(IP(bytes(segment[IP])), fragsize=48)
    assert len(pieces) > 1
    for piece in reversed(pieces):
        wire.send(Ether(src=PEER_MAC, dst=GUEST_MAC) / piece)
    assert b"200 OK" in peer.read_until_close()


def test_odd_arp_does_no_harm(talus, wire):
    guest = wire.network.guest_address
    for fields in ({"op": 0}, {"op": 9}, {"hwlen": 0}, {"hwlen": 255}, {"plen": 16}, {"hwtype": 6},
                   {"ptype": 0x86DD}, {"psrc": guest, "hwsrc": PEER_MAC},
                   {"psrc": "255.255.255.255"}, {"psrc": "0.0.0.0"}):
        for mac in (GUEST_MAC, BROADCAST_MAC):
            wire.send(Ether(src=PEER_MAC, dst=mac)
                      / ARP(**{"op": 1, "psrc": "192.0.2.78", "pdst": guest, **fields}))
    whole = bytes(Ether(src=PEER_MAC, dst=GUEST_MAC) / ARP(psrc=PEER_ADDRESS, pdst=guest))
    for length in range(ETHERNET_HEADER_BYTES, len(whole)):
        wire.send(whole[:length])
    # Another host's claim to the guest's address does not take it away.
    assert len(curl(talus, "/4b")) == 4


def test_protocols_that_are_not_spoken_do_no_harm(wire):
    ethernet = Ether(src=PEER_MAC, dst=GUEST_MAC)
    wire.send(ethernet / IPv6(src="fe80::1", dst="fe80::2") / ICMPv6EchoRequest())
    wire.send(ethernet / IPv6(src="fe80::1", dst="fe80::2", plen=65535) / Raw(b"x" * 8))
    wire.send(ethernet / Dot1Q(vlan=5) / IP(src=PEER_ADDRESS, dst="192.0.2.2") / syn(44200))
    wire.send(ip(proto=132) / Raw(b"\x00" * 40))
    wire.send(ip(proto=47) / Raw(b"\x00" * 40))
    for ethertype in (0x0000, 0x0026, 0x05DC, 0x88CC, 0x9000, 0xFFFF):
        wire.send(Ether(src=PEER_MAC, dst=GUEST_MAC, type=ethertype) / Raw(b"\x00" * 46))
    for length in (0, 7, 8, 9, 65535):
        wire.send(ip() / UDP(sport=53, dport=68, len=length) / Raw(b"x" * 20))


def test_malformed_dhcp_answers_do_no_harm(wire):
    generator = random.Random(67)
    for _ in range(200):
        body = bytearray(generator.randbytes(generator.randrange(0, 400)))
        body[0:1] = b"\x02"
        if len(body) > 240:
            body[236:240] = b"\x63\x82\x53\x63"
        wire.send(ip(src=wire.network.host_address) / UDP(sport=67, dport=68) / Raw(bytes(body)))


def test_random_frames_do_no_harm(wire):
    generator = random.Random(82599)
    wire.send_all(bytes.fromhex(GUEST_MAC.replace(":", "")) + generator.randbytes(
        generator.randrange(8, 1500)) for _ in range(1500))


@pytest.mark.parametrize("seed", range(4))
def test_frames_with_random_changes_do_no_harm(wire, seed):
    generator = random.Random(seed)
    models = [
        bytes(ip() / syn(45000, options=[("MSS", 1460), ("WScale", 7), ("SAckOK", b"")])),
        bytes(ip() / TCP(sport=45001, dport=80, flags="PA", seq=1, ack=1) / Raw(REQUEST)),
        bytes(ip() / UDP(sport=67, dport=68) / Raw(b"\x02" * 300)),
        bytes(ip() / ICMP() / Raw(b"x" * 64)),
        bytes(fragment_of(8, b"f" * 64, 77)),
        bytes(Ether(src=PEER_MAC, dst=BROADCAST_MAC) / ARP(pdst="192.0.2.2")),
    ]

    def changed():
        for _ in range(1000):
            frame = bytearray(generator.choice(models))
            for _ in range(generator.randrange(1, 5)):
                frame[generator.randrange(12, len(frame))] = generator.randrange(256)
            if generator.random() < 0.3:
                del frame[generator.randrange(ETHERNET_HEADER_BYTES, len(frame)):]
            if generator.random() < 0.2:
                frame += generator.randbytes(generator.randrange(1, 200))
            yield bytes(frame)

    wire.send_all(changed())


def test_segments_that_overlap_and_come_in_any_order_make_the_right_stream(wire):
    peer = Peer(wire, 46000).open()
    start = peer.next_sequence
    pieces = [(offset, offset + 11) for offset in range(0, len(REQUEST), 7)]
    random.Random(1).shuffle(pieces)
    for begin, end in pieces * 2:
        peer.send("PA", REQUEST[begin:end], sequence=start + begin)
    peer.next_sequence = start + len(REQUEST)
    assert peer.read_until_close().endswith(b"\r\n\r\n" + curl_bytes(wire))


def curl_bytes(wire):
    """/4b by an ordinary connection, for comparison."""
    done = wire.network.run("curl", "-s", f"http://{wire.network.guest_address}/4b")
    return done.stdout.encode()


def test_segments_outside_of_the_window_do_not_disturb_a_connection(wire):
    peer = Peer(wire, 46001).open()
    peer.send("R", sequence=peer.next_sequence + 100_000_000)
    peer.send("RA", sequence=peer.next_sequence - 5)
    peer.send("SA", sequence=peer.next_sequence - 1)
    peer.send("PA", b"GET /bad", sequence=peer.next_sequence - 50_000)
    peer.send("PA", b"GET /bad", sequence=peer.next_sequence + 10_000_000)
    peer.send("A", acknowledge=(peer.acknowledge + 1_000_000) % 2**32)
    peer.send("PAU", REQUEST, urgptr=9)
    assert b"200 OK" in peer.read_until_close()


def test_a_syn_flood_leaves_the_service_alone(talus, wire):
    wire.send_all((ip(src=f"192.0.2.{100 + n % 100}") / syn(1024 + n % 60000, seq=n))
                  for n in range(3000))
    for _ in range(3):
        assert len(curl(talus, "/4b")) == 4


def test_drops_are_visible_by_reason(talus):
    reasons = {labels["reason"] for name, labels, _ in talus.metrics()
               if name == "talus_drops_total"}
    assert {"checksum", "truncated", "malformed", "syn_limit"} <= reasons
    assert drops_of_all_reasons(talus) > 0
