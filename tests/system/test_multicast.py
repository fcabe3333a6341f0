# SPDX-License-Identifier: MIT
"""Groups of IP: the echo service in one, on both cards. The host sends to groups, reads the reports
on the wire, and asks as a router does; a bridge that snoops learns from the same reports."""

import contextlib
import itertools
import json
import re
import socket

import pytest
from scapy.contrib.igmp import IGMP
from scapy.layers.inet import IP, IPOption_Router_Alert
from scapy.layers.l2 import Ether

from harness import Network, Switch, Talus, card, wait_until
from wire import GUEST_MAC, PEER_ADDRESS, PEER_MAC, Wire

GROUP = "239.1.2.3"
# Of the same Ethernet address; and of another one with the same bit in the 82599's table.
SAME_MAC = "238.129.2.3"
SAME_BIT = "239.5.2.3"
NOBODYS = "239.9.9.9"
PORT = 7
PATIENCE_S = 0.3
WORDS = f"pika=TS2LS2CM2 app=echo:2 -- {PORT} {GROUP}"
JOINED = rf"echoes datagrams to group {GROUP}"
REPORT, LEAVE, QUERY = 0x16, 0x17, 0x11
ALL_SYSTEMS = "224.0.0.1"

numbers = itertools.count()


@contextlib.contextmanager
def serving(machine):
    machine.start(is_awaited=False)
    try:
        machine.wait_for(JOINED)
        yield machine
    finally:
        machine.stop()


pytestmark = pytest.mark.same_on_any_card("on both cards")

CARDS = {"82599": card.FIRST_OPTIONS, "virtio": card.VIRTIO_OPTIONS}


@pytest.fixture(name="machine", params=CARDS, scope="module")
def fixture_machine(request):
    with Network() as network, Wire(network) as wire:
        with serving(Talus(*CARDS[request.param], words=WORDS, network=network)) as machine:
            machine.wire, machine.model = wire, request.param
            yield machine


def exchange(network, group, data, ttl=1):
    """What comes back from whom, None in vain."""
    def try_once():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE_S)
            client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
            client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                              socket.inet_aton(network.host_address))
            client.sendto(data, (group, PORT))
            try:
                return client.recvfrom(65536)
            except socket.timeout:
                return None

    return network.inside(try_once)


def echo_comes(machine, group=GROUP):
    def has_come():
        data = b"%d" % next(numbers)
        answer = exchange(machine.network, group, data)
        return answer == (data, (machine.network.guest_address, PORT))

    wait_until(has_come, f"an echo of what was sent to {group}")


def is_report(frame, group=GROUP, kind=REPORT):
    return IGMP in frame and frame[IGMP].type == kind and frame[IGMP].gaddr == group


def query(wire, group, destination=ALL_SYSTEMS, source=PEER_ADDRESS):
    """As a router, or with 0.0.0.0 a switch, asks: who is in that group, or in any."""
    packet = IP(src=source, dst=destination, ttl=1, options=[IPOption_Router_Alert()])
    packet /= IGMP(type=QUERY, mrcode=2, gaddr=group)
    last = [int(part) for part in destination.split(".")]
    mac = f"01:00:5e:{last[1] & 0x7f:02x}:{last[2]:02x}:{last[3]:02x}"
    wire.send(Ether(src=PEER_MAC, dst=mac) / packet)


def refused(machine):
    """How many frames to groups nobody wants, of those that the card lets in."""
    start = len(machine.console)
    machine.type("net\n")
    machine.wait_for(r"(?s)node0 +refused.*node1 +refused [^\n]*\n", start)
    return sum(int(match[1]) for match in re.finditer(r"(\d+) no_group", machine.console[start:]))


def crash(machine, node):
    start = len(machine.console)
    machine.type(f"crash {node}\n")
    machine.wait_for(rf"node{node} \S+: came back as incarnation", start)


def test_what_is_sent_to_the_group_comes_and_is_answered(machine):
    echo_comes(machine)


def test_what_is_sent_to_others_is_dropped_by_the_card_or_counted(machine):
    """The 82599 knows groups by 12 bits, a virtio card by all that Ethernet has of them."""
    before = refused(machine)
    for group in (NOBODYS, SAME_BIT, SAME_MAC):
        assert exchange(machine.network, group, b"for nobody") is None
    echo_comes(machine)
    assert refused(machine) - before == (2 if machine.model == "82599" else 1)


@pytest.mark.parametrize("group, destination, source", [
    ("0.0.0.0", ALL_SYSTEMS, PEER_ADDRESS),
    ("0.0.0.0", ALL_SYSTEMS, "0.0.0.0"),
    (GROUP, GROUP, PEER_ADDRESS),
    (GROUP, GROUP, "0.0.0.0"),
])
def test_a_query_is_answered_by_a_report(machine, group, destination, source):
    query(machine.wire, group, destination, source)
    report = machine.wire.receive(is_report)
    assert report is not None
    assert report[Ether].src == GUEST_MAC
    assert report[Ether].dst == "01:00:5e:01:02:03"
    assert report[IP].dst == GROUP
    assert report[IP].ttl == 1
    assert report[IP].ihl == 6
    assert isinstance(report[IP].options[0], IPOption_Router_Alert)
    checked = IP(bytes(report[IP]))
    for layer in (IP, IGMP):
        del checked[layer].chksum
    assert bytes(IP(bytes(checked)))[:32] == bytes(report[IP])[:32]


def test_a_query_about_another_group_is_not_answered(machine):
    query(machine.wire, NOBODYS, NOBODYS)
    query(machine.wire, NOBODYS)
    query(machine.wire, GROUP, GROUP)
    report = machine.wire.receive(lambda frame: IGMP in frame)
    assert is_report(report)


def test_a_death_of_the_speaker_costs_datagrams_only(machine):
    """Both servers in turn: whoever speaks then says so to the network, and to the link server that
    drives the card now. A virtio card is not driven again by one who had no queue of it."""
    for node in (0, 1) if machine.model == "82599" else (0,):
        crash(machine, node)
        assert machine.wire.receive(is_report) is not None
        echo_comes(machine)


def test_a_dead_programs_group_is_left_and_joined_again(machine):
    """There are two programs, of which one has the port, and then the other or the same."""
    for node in (2, 3):
        crash(machine, node)
    assert machine.wire.receive(lambda frame: is_report(frame, kind=LEAVE)) is not None
    echo_comes(machine)


def mdb(switch):
    """What the bridge has learned: [(port, group)]."""
    rows = switch.run("bridge", "-json", "mdb", "show", check=True).stdout
    return [(entry["port"], entry["grp"]) for part in json.loads(rows) for entry in part["mdb"]]


def test_a_bridge_that_snoops_sends_to_members_only():
    with Switch(2) as switch:
        switch.run("ip", "link", "set", "br0", "type", "bridge", "mcast_snooping", 1,
                   "mcast_querier", 1, check=True)
        member, other = switch.ports
        with serving(Talus(words=WORDS, network=member)) as machine, Wire(other) as wire:
            wait_until(lambda: (member.tap, GROUP) in mdb(switch), "the bridge to learn of it")
            # What it knew is forgotten, and it asks, without an address of its own.
            for setting in (0, 1):
                switch.run("ip", "link", "set", "br0", "type", "bridge", "mcast_snooping", setting,
                           check=True)
            wait_until(lambda: (member.tap, GROUP) in mdb(switch), "an answer to the bridge")
            echo_comes(machine)
            assert wire.receive(lambda frame: IP in frame and frame[IP].dst == GROUP, 0.1) is None
