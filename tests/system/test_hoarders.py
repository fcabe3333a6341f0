# SPDX-License-Identifier: MIT
"""One address that keeps all it can get, in each way there is, and another one that is served
meanwhile: the limits of net/README.md that are an address's own, from end to end."""

import pytest

from flood import KeptConnection
from harness import Network, Talus, curl, wait_until
from hoarder import Hoarder

# One transport server, and applications that take more connections together than it does, if each gets
# its part: by weights one may get most of what never ends, and answers 503 then.
WORDS = "balance=least pika=TS1LS1CM1 app=httpd:3 -- --idle 3600"
MEMORY = "144M"
# More than two thirds of its connections.
MANY = 30000
# Then nobody is let in any more: a busy host has stood still for 4 s, with a third of them in.
QUIET_S = 15
PUMP_S = 3


@pytest.fixture(scope="module")
def small():
    with Network() as network, Talus(network=network, smp=4, mem=MEMORY, words=WORDS) as machine:
        yield machine
        assert "panic" not in machine.console.lower(), machine.last_lines()


def total(talus, name, **labels):
    return sum(talus.counter(name, **labels).values())


def assert_others_are_served(talus, kept):
    for path, length in (("/4b", 4), ("/1k", 1024), ("/100k", 102400)):
        assert len(curl(talus, path)) == length
    for _ in range(20):
        kept.ask()


# Kind and number of connections; the counter that says that a limit was met; the first port.
CASES = (
    ("dead", 300, ("tcp_pinned_reset_total", {}), 2000),
    ("zero window", 300, ("tcp_pinned_reset_total", {}), 4000),
    ("one byte", 300, ("tcp_pinned_reset_total", {}), 6000),
    ("half closed", 300, ("tcp_pinned_reset_total", {}), 8000),
    ("holes", 200, ("tcp_holes_forgotten_total", {}), 10000),
    ("sack splitting", 100, ("tcp_sack_edges_ignored_total", {}), 12000),
    ("optimistic", 100, ("drops_total", {"reason": "protocol"}), 14000),
)


@pytest.mark.parametrize("kind, count, counter, first_port", CASES,
                         ids=[case[0].replace(" ", "_") for case in CASES])
def test_what_one_address_keeps_leaves_memory_to_others(small, kind, count, counter, first_port):
    name, labels = counter
    with KeptConnection(small.network) as kept:
        kept.ask()
        before = total(small, name, **labels)
        with Hoarder(small.network, first_port) as hoarder:
            assert hoarder.open(count, kind, QUIET_S) > count // 2

            def is_at_its_limit():
                if kind == "holes":
                    hoarder.fill_behind_holes()
                else:
                    hoarder.pump(PUMP_S)
                return total(small, name, **labels) > before

            wait_until(is_at_its_limit, f"{name} of {kind}", small.last_lines)
            assert_others_are_served(small, kept)
        assert_others_are_served(small, kept)


def test_idle_connections_of_one_address_leave_some_to_others(small):
    """Last, since it takes the machine a while to forget them."""
    most = total(small, "tcp_connections_max")
    with KeptConnection(small.network) as kept, Hoarder(small.network, 16000) as hoarder:
        kept.ask()
        opened = hoarder.open(MANY, "idle", QUIET_S)
        assert most / 2 < opened < most * 3 / 4, small.last_lines()
        assert total(small, "drops_total", reason="address_limit") > 0
        small.wait_for(r"one address has \d+ connections")
        assert_others_are_served(small, kept)
