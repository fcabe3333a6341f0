# SPDX-License-Identifier: MIT
"""Several machines behind one address (vip=): Linux's IPVS gives each connection to one of them by
its MAC address alone, and it answers the client itself. This host is the client."""

import socket

import pytest

from harness import WAIT_S, LinuxGuest, Switch, Talus, curl, wait_until
from harness.paths import GUEST

VIP = "192.0.2.100"
FETCHES = 12

# What keepalived does: who does not answer gets nothing more, and connections to it are reset.
HEALTH_CHECK = """#!/bin/sh
while usleep 200000; do
    for machine in "$@"; do
        printf "GET /healthz HTTP/1.0\\r\\n\\r\\n" | nc -w 2 "$machine" 80 | grep -q "^ok" ||
            ipvsadm -d -t VIP:80 -r "$machine"
    done
done
""".replace("VIP", VIP)


class Shared:
    """The address that the machines share, as curl() wants a machine."""

    address = VIP

    def __init__(self, network, machines):
        self.network = network
        self._machines = machines

    def last_lines(self):
        return "\n".join(machine.last_lines() for machine in self._machines)


@pytest.fixture(scope="module")
def switch():
    with Switch(3) as switch:
        yield switch


@pytest.fixture(scope="module")
def router(switch):
    port = switch.ports[2]
    with LinuxGuest(network=port, tree=GUEST / "router", smp=1, mem="256M") as guest:
        guest.run("sh /load-modules")
        guest.run("echo 1 >/proc/sys/net/ipv4/ip_forward")
        guest.run(f"ip addr add {VIP}/32 dev eth0")
        # Of a real server that has gone nothing is kept.
        guest.run("echo 1 >/proc/sys/net/ipv4/vs/expire_nodest_conn")
        guest.run(f"ipvsadm -A -t {VIP}:80 -s rr")
        for server in switch.ports[:2]:
            guest.run(f"ipvsadm -a -t {VIP}:80 -r {server.guest_address} -g")
        for line in HEALTH_CHECK.splitlines():
            guest.run(f"echo '{line}' >>/check")
        yield guest


def requests_of(machine):
    return sum(machine.counter("http_requests_total").values())


def mac_of(switch, address):
    """Who has answered this host's question for an address: None before."""
    words = switch.run("ip", "neigh", "show", address, check=True).stdout.split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else None


def test_two_machines_serve_one_address_and_one_goes_on_when_the_other_is_gone(switch, router):
    first, second = (Talus(words=f"vip={VIP} pika=TS1LS1CM1 app=httpd:1", network=port, smp=2)
                     for port in switch.ports[:2])
    with first, second:
        shared = Shared(switch.ports[0], (first, second, router))
        before = [requests_of(machine) for machine in (first, second)]
        for _ in range(FETCHES):
            assert curl(shared, "/4b") == b"pika"
        after = [requests_of(machine) for machine in (first, second)]
        # Each has served half of them, and the question for its counters.
        assert [b - a for a, b in zip(before, after)] == [FETCHES / 2 + 1] * 2
        # The router alone has said that it has the address.
        assert mac_of(switch, VIP) == switch.ports[2].mac
        assert mac_of(switch, switch.ports[0].guest_address) == switch.ports[0].mac

        # Round robin: of two connections one is the machine's that stays.
        kept = [switch.ports[0].inside(socket.create_connection, (VIP, 80), WAIT_S)
                for _ in range(2)]
        addresses = " ".join(port.guest_address for port in switch.ports[:2])
        router.run(f"sh /check {addresses} >/log 2>&1 &")
        first.stop()
        wait_until(lambda: f"{switch.ports[0].guest_address}:80" not in router.run("ipvsadm -L -n"),
                   "the router to see it", lambda: router.run("tail -n 20 /log; ipvsadm -L -n"))
        for _ in range(FETCHES):
            assert curl(shared, "/4b") == b"pika"
        answers = []
        for connection in kept:
            with connection:
                connection.settimeout(2)
                try:
                    connection.sendall(b"GET /4b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    answers.append(connection.recv(4096)[:15])
                except OSError:
                    answers.append(None)
        assert answers.count(b"HTTP/1.1 200 OK") == 1, answers


def test_the_health_page_says_that_it_serves(switch):
    with Talus(words="pika=TS1LS1CM1 app=httpd:1", network=switch.ports[0], smp=2) as machine:
        assert curl(machine, "/healthz") == b"ok\n"
