# SPDX-License-Identifier: MIT
"""Load balance between connection managers (PIKA 3.3): each scheme serves, and those that balance
give a slow web server less. What is counted are connections."""

import pytest

from harness import Network, Talus, ab, wait_until

FAST, SLOW = 2, 3  # the nodes of the web servers; each has a connection manager of its own
DELAY = f"-- --delay {SLOW}:40000"
REQUESTS = 200
SCHEMES = ["naive", "unfiltered:2", "unfiltered:100", "filtered:2", "tournament:2", "tournament:1",
           "sharp:2", "least"]


def part_of_the_slow(talus):
    """Its part of REQUESTS connections."""
    before = talus.counter("http_requests_total")
    load = ab(talus, "/4b", REQUESTS, concurrency=8)
    assert load.failed == 0, load.output
    after = talus.counter("http_requests_total")
    return (after[SLOW] - before[SLOW]) / (after[SLOW] - before[SLOW] + after[FAST] - before[FAST])


def shown_scheme(talus):
    start = len(talus.console)
    talus.type("balance\n")
    return talus.wait_for(r"scheme: (\S+)\s", start)[1]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_scheme_serves_and_is_shown(scheme):
    with Network() as network, \
            Talus(words=f"balance={scheme}", network=network, smp=4) as talus:
        assert shown_scheme(talus) == scheme
        load = ab(talus, "/4b", REQUESTS, concurrency=8)
        assert load.failed == 0, load.output
        assert sum(talus.counter("cm_assigned_total").values()) > 0
        assert set(talus.counter("cm_offer_period_seconds").values()) >= {0.00005}


def remote(talus):
    return sum(talus.counter("cm_assigned_remote_total").values())


def test_a_slow_web_server_keeps_its_part_under_naive():
    """The peers' ports, which are as good as random, say which manager gets a connection."""
    with Network() as network, \
            Talus(words=f"balance=naive {DELAY}", network=network, smp=4) as talus:
        part_of_the_slow(talus)  # until its service time is known
        before = remote(talus)
        assert part_of_the_slow(talus) > 0.3
        assert remote(talus) == before


def test_a_slow_web_server_gets_less_in_a_tournament():
    with Network() as network, \
            Talus(words=f"balance=tournament:2 {DELAY}", network=network, smp=4) as talus:
        # On a busy host a time may be anything, once.
        wait_until(lambda: part_of_the_slow(talus) < 0.3, "the slow one to get less")
        assert remote(talus) > 0


def test_a_wrong_word_is_reported_and_the_default_used():
    with Network() as network, \
            Talus(words="balance=fair offer-period=0", network=network, smp=4) as talus:
        assert "balance=fair is not naive" in talus.console
        assert "offer-period=0 is not 1us to 1000ms" in talus.console
        assert talus.console.count("balance=fair is not") == 1
        assert shown_scheme(talus) == "tournament:2"


def test_managers_without_applications_take_part():
    """One web server, whose own manager is one of two: the other one sends it all it gets."""
    with Network() as network, \
            Talus(words="pika=TS2LS2CM2 app=httpd:1", network=network, smp=3) as talus:
        load = ab(talus, "/4b", REQUESTS, concurrency=8)
        assert load.failed == 0, load.output
        assert sum(talus.counter("cm_assigned_remote_total").values()) > 0
        wait_until(lambda: sum(talus.counter("cm_offers_known").values()) == 1, "its offer to stand")
