# SPDX-License-Identifier: MIT
"""Flow director rules and RSS through Linux's ethtool, as a driver other than ours programs them."""

import pytest
from scapy.all import IP, TCP, UDP, Ether, raw

from linux_nic import (PROBE_MAC, QUEUES, alarms, counters, difference, guest_mac,
                       hardware_counters, inject, probe, queue_packets)

# As ethtool means it: a bit of 1 is ignored.
HIGH_FOUR_BITS = 0xF000
GROUPS = (0x000, 0x001, 0x123, 0xFFF)


def settle(guest, network):
    """Wait for the link, and tell both ends the other's address, so that no ARP intervenes."""
    guest.run("until [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do usleep 20000; done")
    host_mac = network.run("cat", f"/sys/class/net/{network.tap}/address", check=True).stdout
    network.run("ip", "neigh", "replace", network.guest_address, "lladdr", guest_mac(guest),
                "dev", network.tap, "nud", "permanent", check=True)
    guest.run(f"arp -i eth0 -s {network.host_address} {host_mac.strip()}")


@pytest.fixture(scope="module", autouse=True)
def exact_filters(guest, network):
    """Exact filters instead of sampling, and a known RSS key."""
    key = ("6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:d0:ca:2b:cb:ae:7b:30:b4:"
           "77:cb:2d:a3:80:30:f2:0c:6a:42:b7:3b:be:ac:01:fa")
    guest.run(f"ethtool -K eth0 ntuple on; ethtool -X eth0 hkey {key} equal {QUEUES}")
    settle(guest, network)


def add_rule(guest, group, queue, location, mask=HIGH_FOUR_BITS):
    """Returns what ethtool has to say: nothing, if all is well."""
    return guest.run(f"ethtool -N eth0 flow-type tcp4 src-port {group} m {mask:#x} "
                     f"action {queue} loc {location}").strip()


def toeplitz(key, data):
    """By its definition: the key bits at each set bit of the input, XORed."""
    key_bits = int.from_bytes(key, "big")
    result = 0
    for index in range(8 * len(data)):
        if data[index // 8] >> (7 - index % 8) & 1:
            result ^= key_bits >> (8 * len(key) - 32 - index) & 0xFFFFFFFF
    return result


def test_rss_spreads_connections_as_the_published_key_says(guest, network):
    key = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b4"
                        "77cb2da38030f20c6a42b73bbeac01fa")
    ports = list(range(30000, 30012))
    addresses = bytes([192, 0, 2, 1, 192, 0, 2, 2])
    wanted = [toeplitz(key, addresses + port.to_bytes(2, "big") + b"\0\x09") % 128 % QUEUES
              for port in ports]
    assert set(wanted) == set(range(QUEUES))
    assert [probe(guest, network, port) for port in ports] == wanted


def test_rules_steer_by_the_low_twelve_bits_of_the_source_port(guest, network):
    before = hardware_counters(guest, lambda now: True)
    for location, group in enumerate(GROUPS):
        assert add_rule(guest, group, location, location) == ""
    ports = [port for group in GROUPS for port in (group + 0x1000, group + 0xF000)]
    wanted = [queue for queue in range(QUEUES) for _ in range(2)]
    assert [probe(guest, network, port) for port in ports] == wanted
    after = hardware_counters(
        guest, lambda now: now["fdir_match"] - before["fdir_match"] >= len(ports))
    assert after["fdir_match"] - before["fdir_match"] == len(ports)


def test_neighbouring_ports_match_no_rule(guest, network):
    before = hardware_counters(guest, lambda now: True)
    for port in (0x1124, 0xF122, 0x2FFE):
        probe(guest, network, port)
    after = hardware_counters(guest, lambda now: now["fdir_miss"] - before["fdir_miss"] >= 3)
    assert after["fdir_miss"] - before["fdir_miss"] == 3
    assert after["fdir_match"] == before["fdir_match"]


def test_rule_with_another_mask_is_refused_by_the_driver(guest):
    # ethtool says so and ends with status 0 all the same.
    assert "Cannot insert RX class rule" in add_rule(guest, 0x55, 1, 100, mask=0xFF00)
    assert "Only one mask supported per port" in guest.run("dmesg")


def test_deleted_rule_no_longer_matches(guest, network):
    location = GROUPS.index(0x123)
    guest.run(f"ethtool -N eth0 delete {location}")
    before = hardware_counters(guest, lambda now: True)
    probe(guest, network, 0x2123)
    after = hardware_counters(guest, lambda now: now["fdir_miss"] > before["fdir_miss"])
    assert after["fdir_match"] == before["fdir_match"]
    assert add_rule(guest, 0x123, location, location) == ""
    assert probe(guest, network, 0x2123) == location


def test_rule_can_be_replaced_by_one_for_another_queue(guest, network):
    assert add_rule(guest, 0x001, 3, 1) == ""
    assert probe(guest, network, 0x3001) == 3


def test_drop_rule_drops(guest, network):
    assert add_rule(guest, 0x777, -1, 10) == ""
    before = hardware_counters(guest, lambda now: True)
    frame = Ether(src=PROBE_MAC, dst=guest_mac(guest)) / IP(src=network.host_address,
                                                            dst=network.guest_address)
    inject(network, raw(frame / TCP(sport=0x1777, dport=9, flags="S")))
    after = hardware_counters(guest, lambda now: now["fdir_match"] > before["fdir_match"])
    assert queue_packets(difference(after, before), "rx") == [0] * QUEUES
    guest.run("ethtool -N eth0 delete 10")
    probe(guest, network, 0x1777)


def test_rules_survive_a_reset_of_the_card(guest, network):
    """A new MTU makes the driver reset the card and program all of its rules again."""
    guest.run("ip link set eth0 mtu 1400; ip link set eth0 mtu 1500")
    settle(guest, network)
    assert probe(guest, network, 0x4123) == GROUPS.index(0x123)


def test_wrong_checksums_are_reported_and_right_ones_are_not(guest, network):
    frame = Ether(dst=guest_mac(guest)) / IP(src=network.host_address, dst=network.guest_address)
    before = counters(guest)
    inject(network, raw(frame / TCP(sport=5, dport=9) / b"right"))
    inject(network, raw(frame / UDP(sport=5, dport=9) / b"right"))
    inject(network, raw(frame / TCP(sport=5, dport=9, chksum=0x1234) / b"wrong"))
    frame[IP].chksum = 0x1234
    inject(network, raw(frame / TCP(sport=5, dport=9) / b"wrong"))
    seen = hardware_counters(
        guest, lambda now: sum(queue_packets(difference(now, before), "rx")) >= 4
        and now["rx_csum_offload_errors"] - before["rx_csum_offload_errors"] >= 2)
    assert difference(seen, before)["rx_csum_offload_errors"] == 2


def test_kernel_log_holds_nothing_alarming(guest):
    assert alarms(guest, expected=["Only one mask supported per port"]) == []
