# SPDX-License-Identifier: MIT
"""Floods of SYNs, acknowledgements and resets: new clients are served and those that are connected
stay so. How many in what time is `make bench-floods`' to say: here a busy host may take its time."""

import pytest

from flood import Flood, KeptConnection
from harness import BUILD, Hosted, TapNetwork, curl, wait_until

RATE = 20000
NEW_CLIENTS = 20
REQUESTS = 50
# More than entries for handshakes: then cookies stand for them (net/transport/tcp/half_open.h).
SYNS_LEAST = 20000


@pytest.fixture(name="served", params=["machine", "hosted"])
def fixture_served(request):
    """Talus in QEMU, four nodes; and as Linux processes with sanitizers and slow checks, two."""
    if request.param == "machine":
        talus = request.getfixturevalue("talus")
        yield talus
        assert "panic" not in talus.console.lower(), talus.last_lines()
        return
    with TapNetwork() as network, \
            Hosted(network, BUILD / "sanitized" / "hosted" / "talus", 2) as talus:
        yield talus


def total(talus, name, **labels):
    return sum(talus.counter(name, **labels).values())


def flood(talus, kind, is_enough):
    """Serve old and new clients in such a flood, until is_enough(flood)."""
    with KeptConnection(talus.network) as kept:
        kept.ask()
        with Flood(talus.network, kind, RATE, victim=kept.name) as running:
            wait_until(lambda: is_enough(running), f"enough of the {kind} flood",
                       lambda: f"{running.sent_count} sent\n{talus.last_lines()}")
            for _ in range(NEW_CLIENTS):
                assert curl(talus, "/4b") == b"pika"
            for _ in range(REQUESTS):
                kept.ask()
        kept.ask()
    assert curl(talus, "/4b") == b"pika"
    assert set(talus.counter("node_up").values()) == {1}


def test_a_syn_flood_keeps_nobody_out(served):
    """Cookies stand for the handshakes that find no entry, and come back from real clients. Half of
    the SYNs pretend to be of the connection that is there."""
    def is_enough(running):
        return running.sent_count >= SYNS_LEAST and total(served, "tcp_cookies_total",
                                                          result="sent") > 0

    flood(served, "syn", is_enough)
    wait_until(lambda: total(served, "tcp_cookies_total", result="returned") > 0, "a cookie")
    assert total(served, "tcp_connections_max") > 0
    console = served.console() if callable(served.console) else served.console
    assert "SYN flood" in console


@pytest.mark.parametrize("kind", ["ack", "rst"])
def test_a_flood_of_segments_without_connection_keeps_nobody_out(served, kind):
    """Nor does it end the connection that half of them pretend to belong to (RFC 5961)."""
    flood(served, kind, lambda running: running.sent_count >= SYNS_LEAST)
