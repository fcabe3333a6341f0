# SPDX-License-Identifier: MIT
"""The card as the Linux guest shows it: its counters, and its host's end of the wire."""

import hashlib
import re
import socket
import struct
import threading

from scapy.all import IP, TCP, Ether, raw

from harness import WAIT_S, wait_until

QUEUES = 4
PROBE_MAC = "02:00:00:00:00:0a"

# <linux/if_packet.h>, <linux/if_ether.h>, RFC 792
SOL_PACKET = 263
PACKET_AUXDATA = 8
ETH_P_ALL = 3
ICMP_REPLY = 0
ICMP_REQUEST = 8


def counters(guest):
    """`ethtool -S`: name to value."""
    text = guest.run("ethtool -S eth0")
    return {name: int(value) for name, value in re.findall(r"^\s*(\S+): (\d+)$", text, re.M)}


def difference(later, earlier):
    return {name: later[name] - earlier[name] for name in later}


def queue_packets(counts, direction):
    return [counts[f"{direction}_queue_{queue}_packets"] for queue in range(QUEUES)]


def hardware_counters(guest, is_complete):
    """Counters once is_complete(counters) says so: the driver collects the card's own every 2 s."""
    def look():
        now = counters(guest)
        return now if is_complete(now) else None

    return wait_until(look, "the card's own counters", lambda: f"{counters(guest)}", period_s=0.2)


def alarms(guest, expected=()):
    """Kernel messages of level error or worse, and signs of trouble at any level."""
    trouble = re.compile(r"Call Trace|\bBUG\b|WARNING|NETDEV WATCHDOG|Tx Unit Hang|Reset adapter|"
                         r"hung task|ixgbe.*([Ff]ail|[Ee]rror|[Ii]nvalid|[Tt]imed out|not complete)")
    return [line for line in guest.run("dmesg -r").splitlines()
            if (re.match(r"<[0-3]>", line) or trouble.search(line))
            and not any(text in line for text in expected)]


def probe(guest, network, source_port, destination_port=9):
    """One SYN, which the guest's kernel answers with a reset: the queue that received it."""
    before = queue_packets(counters(guest), "rx")
    inject(network, raw(Ether(src=PROBE_MAC, dst=guest_mac(guest))
                        / IP(src=network.host_address, dst=network.guest_address)
                        / TCP(sport=source_port, dport=destination_port, flags="S")))

    def queues_that_received():
        after = queue_packets(counters(guest), "rx")
        return [queue for queue in range(QUEUES) if after[queue] > before[queue]]

    hit = wait_until(queues_that_received, f"a SYN from port {source_port} to be received")
    assert len(hit) == 1, hit
    return hit[0]


def guest_mac(guest):
    return guest.run("cat /sys/class/net/eth0/address").strip()


def inject(network, frame):
    """Put one frame on the wire as it is."""
    def send():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((network.tap, 0))
            wire.send(frame)
    network.inside(send)


def pattern(byte_count, seed=1):
    """Bytes that repeat in no power of two, so that a misplaced piece changes the checksum."""
    block = b"".join(struct.pack("<I", (seed + i) * 2654435761 & 0xffffffff) for i in range(65521))
    return (block * (byte_count // len(block) + 1))[:byte_count]


def send_to_guest(guest, network, data, port=5001):
    """Send data to the guest over TCP; returns the SHA-256 that the guest computed."""
    guest.run(f"rm -f /tmp/sum; (nc -l -p {port} | sha256sum >/tmp/sum.new && "
              "mv /tmp/sum.new /tmp/sum) >/dev/null 2>&1 & "
              f"until netstat -ltn | grep -q :{port}; do usleep 20000; done")

    def send():
        with socket.create_connection((network.guest_address, port), timeout=WAIT_S) as connection:
            connection.sendall(data)
    network.inside(send)
    return guest.run("until [ -e /tmp/sum ]; do usleep 50000; done; cat /tmp/sum").split()[0]


def receive_from_guest(guest, network, path, port=5002):
    """Fetch a file of the guest over TCP; returns the SHA-256 of what came, and its length."""
    guest.run(f"(nc -l -p {port} <{path}) >/dev/null 2>&1 & "
              f"until netstat -ltn | grep -q :{port}; do usleep 20000; done")

    def receive():
        digest, byte_count = hashlib.sha256(), 0
        with socket.create_connection((network.guest_address, port), timeout=WAIT_S) as connection:
            while piece := connection.recv(1 << 20):
                digest.update(piece)
                byte_count += len(piece)
        return digest.hexdigest(), byte_count
    return network.inside(receive)


class EchoResponder:
    """Answers pings in frames with a VLAN tag; the host's kernel need not know VLANs.

    Use with `with`. Frames without the tag, or with another one, get no answer.
    """

    def __init__(self, network, vlan):
        self._vlan = vlan
        self._is_stopping = False
        self._socket = network.inside(self._open, network.tap)
        self._thread = threading.Thread(target=self._answer)

    @staticmethod
    def _open(interface):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        wire.settimeout(0.1)
        wire.bind((interface, 0))
        return wire

    def _answer(self):
        while not self._is_stopping:
            try:
                # The kernel takes the tag out of the frame and hands it over beside it.
                frame, extras, _, _ = self._socket.recvmsg(65536, 64)
            except TimeoutError:
                continue
            tags = [struct.unpack_from("=IIIHHHH", data)[5] for level, kind, data in extras
                    if (level, kind) == (SOL_PACKET, PACKET_AUXDATA)]
            packet = frame[14:]
            is_ping = frame[12:14] == b"\x08\x00" and packet[9] == 1 and packet[20] == ICMP_REQUEST
            if tags == [self._vlan] and is_ping:
                self._socket.send(self._reply(frame))

    def _reply(self, frame):
        packet = frame[14:]
        # The checksum of a reply exceeds the request's by the type's 8, end-around.
        checksum = struct.unpack_from("!H", packet, 22)[0] + 0x0800
        checksum = (checksum & 0xffff) + (checksum >> 16)
        return (frame[6:12] + frame[:6] + struct.pack("!HHH", 0x8100, self._vlan, 0x0800)
                + packet[:12] + packet[16:20] + packet[12:16]
                + struct.pack("!BBH", ICMP_REPLY, 0, checksum) + packet[24:])

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_stopping = True
        self._thread.join()
        self._socket.close()
