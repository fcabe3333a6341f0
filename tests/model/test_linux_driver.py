# SPDX-License-Identifier: MIT
"""Linux's own ixgbe driver on the 82599 model: it binds, and moves data without damage.

The tests run in this order on one guest; the last ones look at what the driver and the model
had to say meanwhile.
"""

import hashlib
import re
import socket
import threading

from harness import WAIT_S
from linux_nic import (QUEUES, EchoResponder, alarms, counters, difference, hardware_counters,
                       pattern, queue_packets, receive_from_guest, send_to_guest)

TRANSFER_BYTES = 64 << 20
SHORT_TRANSFER_BYTES = 4 << 20


def test_driver_binds_and_brings_up_ten_gigabits(guest):
    assert "driver: ixgbe" in guest.run("ethtool -i eth0")
    settings = guest.run("ethtool eth0")
    assert "Speed: 10000Mb/s" in settings
    assert "Duplex: Full" in settings
    assert "Link detected: yes" in settings
    assert "NIC Link is Up 10 Gbps" in guest.run("dmesg")
    assert "52:54:00:12:34:56" in guest.run("cat /sys/class/net/eth0/address")
    assert re.search(r"Current.*Combined:\s+4", guest.run("ethtool -l eth0"), re.S)


def test_ping_passes_small_and_fragmented_packets(guest, network):
    for size in (0, 1, 56, 1472, 1473, 20000):
        text = guest.run(f"ping -c 2 -i 0.1 -s {size} {network.host_address}")
        assert "2 packets received" in text, f"{size} bytes: {text}"


def test_sixty_four_megabytes_arrive_intact_in_the_guest(guest, network):
    data = pattern(TRANSFER_BYTES)
    assert send_to_guest(guest, network, data) == hashlib.sha256(data).hexdigest()


def test_sixty_four_megabytes_arrive_intact_from_the_guest(guest, network):
    sent = guest.run(f"dd if=/dev/urandom of=/tmp/data bs=1M count={TRANSFER_BYTES >> 20} "
                     "2>/dev/null; sha256sum /tmp/data").split()[0]
    assert receive_from_guest(guest, network, "/tmp/data") == (sent, TRANSFER_BYTES)
    # So the card has cut the segments.
    assert "tcp-segmentation-offload: on" in guest.run("ethtool -k eth0")


def test_signature_filters_bring_a_connection_back_to_its_queue(guest):
    """The driver samples what it sends (ATR) and programs the flow director; it is on by default."""
    seen = hardware_counters(guest, lambda now: now["fdir_match"] > 1000)
    assert seen["fdir_match"] > 1000
    assert seen["fdir_overflow"] == 0


def test_many_connections_use_all_queues_in_both_directions(guest, network):
    guest.run("iperf3 -s -D >/dev/null 2>&1; "
              "until netstat -ltn | grep -q :5201; do usleep 20000; done")
    before = counters(guest)

    def connect_and_talk(port):
        with socket.socket() as client:
            client.settimeout(10)  # its queue of clients may be full
            client.bind((network.host_address, port))
            try:
                client.connect((network.guest_address, 5201))
                client.sendall(bytes(100))
            except OSError:
                pass  # iperf3 serves one client at a time; the packets have flown all the same
    network.inside(lambda: [connect_and_talk(port) for port in range(20000, 20064)])
    now = difference(counters(guest), before)
    assert all(queue_packets(now, "rx")), queue_packets(now, "rx")
    assert all(queue_packets(now, "tx")), queue_packets(now, "tx")
    assert len(queue_packets(now, "rx")) == QUEUES
    guest.run("killall iperf3", check=False)


def test_transfers_at_the_same_time_do_not_disturb_each_other(guest, network):
    pieces = [pattern(SHORT_TRANSFER_BYTES, seed) for seed in range(4)]
    wanted = sorted(hashlib.sha256(piece).hexdigest() for piece in pieces)
    guest.run("rm -f /tmp/sums; for p in 6000 6001 6002 6003; do "
              "(nc -l -p $p | sha256sum >>/tmp/sums) >/dev/null 2>&1 & done; "
              "until [ $(netstat -ltn | grep -c :600[0-3]) = 4 ]; do usleep 20000; done")

    def send(port, piece):
        with socket.create_connection((network.guest_address, port), timeout=WAIT_S) as connection:
            connection.sendall(piece)

    def send_all():
        threads = [threading.Thread(target=send, args=(6000 + i, piece))
                   for i, piece in enumerate(pieces)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    network.inside(send_all)
    sums = guest.run("until [ $(grep -c . /tmp/sums) = 4 ]; do usleep 50000; done; cat /tmp/sums")
    assert sorted(line.split()[0] for line in sums.splitlines()) == wanted


def test_transfers_survive_without_any_offload(guest, network):
    features = ("tx", "rx", "tso", "gso", "gro", "sg")
    guest.run("ethtool -K eth0 " + " ".join(f"{name} off" for name in features))
    try:
        data = pattern(SHORT_TRANSFER_BYTES)
        assert send_to_guest(guest, network, data) == hashlib.sha256(data).hexdigest()
        sent = guest.run(f"head -c {SHORT_TRANSFER_BYTES} /tmp/data >/tmp/part; "
                         "sha256sum /tmp/part").split()[0]
        assert receive_from_guest(guest, network, "/tmp/part") == (sent, SHORT_TRANSFER_BYTES)
    finally:
        guest.run("ethtool -K eth0 " + " ".join(f"{name} on" for name in features))


def test_jumbo_frames_fill_several_buffers(guest, network):
    network.run("ip", "link", "set", network.tap, "mtu", "9000", check=True)
    guest.run("ip link set eth0 mtu 9000")
    try:
        assert "2 packets received" in guest.run(
            f"ping -c 2 -i 0.1 -s 8972 {network.host_address}")
        data = pattern(SHORT_TRANSFER_BYTES)
        assert send_to_guest(guest, network, data) == hashlib.sha256(data).hexdigest()
        sent = guest.run("sha256sum /tmp/part").split()[0]
        assert receive_from_guest(guest, network, "/tmp/part") == (sent, SHORT_TRANSFER_BYTES)
    finally:
        guest.run("ip link set eth0 mtu 1500")
        network.run("ip", "link", "set", network.tap, "mtu", "1500", check=True)


def test_tagged_frames_pass_with_tags_handled_by_the_card_or_not(guest, network):
    guest.run("modprobe 8021q; ip link add link eth0 name eth0.5 type vlan id 5; "
              "ip addr add 198.51.100.2/24 dev eth0.5; ip link set eth0.5 up; "
              "arp -i eth0.5 -s 198.51.100.1 02:00:00:00:00:05")
    try:
        for setting in ("on", "off"):
            guest.run(f"ethtool -K eth0 rxvlan {setting} txvlan {setting}")
            with EchoResponder(network, vlan=5):
                assert "2 packets received" in guest.run("ping -c 2 -i 0.1 -s 1400 198.51.100.1")
    finally:
        guest.run("ethtool -K eth0 rxvlan on txvlan on; ip link del eth0.5")


def test_ipv6_passes(guest, network):
    """Checksums and segmentation over IPv6 take other paths through the model."""
    guest.run("echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6; "
              "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; "
              "ip -6 addr add 2001:db8::2/64 dev eth0")
    network.run("sysctl", "-qw", f"net.ipv6.conf.{network.tap}.disable_ipv6=0", check=True)
    network.run("ip", "-6", "addr", "add", "2001:db8::1/64", "dev", network.tap, "nodad",
                check=True)
    sent = guest.run("sha256sum /tmp/part").split()[0]
    guest.run("nc -l -p 5003 </tmp/part >/dev/null 2>&1 & "
              "until netstat -ltn | grep -q :5003; do usleep 20000; done")

    def receive():
        digest = hashlib.sha256()
        with socket.create_connection(("2001:db8::2", 5003), timeout=WAIT_S) as connection:
            while piece := connection.recv(1 << 20):
                digest.update(piece)
        return digest.hexdigest()
    assert network.inside(receive) == sent


def test_interface_goes_down_and_up_again_and_again(guest, network):
    for _ in range(10):
        guest.run("ip link set eth0 down; ip link set eth0 up")
    guest.run("until [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do usleep 20000; done")
    assert "1 packets received" in guest.run(f"ping -c 1 {network.host_address}")


def test_pulled_plug_is_noticed_and_frames_sent_meanwhile_do_no_harm(guest, network, wire):
    wire.set_link(False)
    guest.run("until [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do usleep 20000; done")
    assert "NIC Link is Down" in guest.run("dmesg")
    guest.run(f"ping -c 2 -i 0.1 -W 1 {network.host_address}", check=False)
    wire.set_link(True)
    guest.run("until [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do usleep 20000; done")
    assert "1 packets received" in guest.run(f"ping -c 1 {network.host_address}")


def test_driver_can_be_removed_and_loaded_again(guest, network):
    guest.run("rmmod ixgbe; modprobe ixgbe; ip link set eth0 up; "
              f"ip addr add {network.guest_address}/24 dev eth0")
    guest.run("until [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do usleep 20000; done")
    assert "1 packets received" in guest.run(f"ping -c 1 {network.host_address}")


def test_drivers_own_self_test_passes(guest):
    """Registers, NVM, loop-back and link."""
    text = guest.run("ethtool -t eth0 offline")
    assert "The test result is PASS" in text, text


def test_kernel_log_holds_nothing_alarming(guest):
    """But for a reset after the plug was pulled, if a frame was just on its way: the card stops then,
    and by a reset the driver gets back what it holds. It says so beforehand, each time."""
    reason = "initiating reset to clear Tx work after link loss"
    announced = guest.run("dmesg").count(reason)
    resets = [line for line in alarms(guest) if "Reset adapter" in line]
    assert len(resets) == announced
    assert alarms(guest, expected=("Reset adapter",)) == []


def test_model_saw_no_mistake_of_the_driver(model_log):
    """What the driver sets and the model does not do: bits for precision time, nothing else."""
    reports = [line for line in model_log.read_text().splitlines() if "ixgbe82599" in line]
    assert [line for line in reports if "register 0x08c" not in line] == []
