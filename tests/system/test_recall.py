# SPDX-License-Identifier: MIT
"""Connections claimed in advance by a web server that does not come to take them: its TSs ask for them
back, and they go to the other one."""

import pytest

from harness import Hosted, TapNetwork, ab
from test_hosted import PLAIN

pytestmark = pytest.mark.same_on_any_card("Linux processes")

FAST, SLOW = 2, 3  # the web servers' nodes
# A scheme by which a manager whose own application is off its list takes the other one's.
WORDS = ("balance=least", "claim-timeout=20", "--", "--delay", f"{SLOW}:300000")


def total(talus, name):
    return sum(talus.counter(name).values())


def test_what_a_slow_web_server_has_not_taken_is_asked_back_and_goes_to_the_other():
    with TapNetwork() as network, Hosted(network, PLAIN, 4, *WORDS) as talus:
        assert total(talus, "accepts_declined_total") == 0
        load = ab(talus, "/4b", 60, concurrency=30)
        assert load.failed == 0, load.output
        # Granted, so its TSs could not give them to anybody else; and it had taken none of them.
        assert total(talus, "accept_timeouts_total") > 0
        assert total(talus, "accepts_declined_total") > 0
        requests = talus.counter("http_requests_total")
        assert requests[FAST] > requests[SLOW] > 0
