# SPDX-License-Identifier: MIT
"""Servers on nodes of their own."""

import pytest

from harness import Network, Talus, ab, curl


@pytest.mark.parametrize("servers,node_count", [("TS1+LS1+CM1", 4), ("TS4+LS2+CM1", 8)])
def test_the_first_frame_between_any_two_servers_arrives(servers, node_count):
    """Also between those of which one does not serve the other."""
    with Network() as network, \
            Talus(words=f"pika={servers} app=httpd:1", network=network, smp=node_count) as talus:
        assert len(curl(talus, "/4b")) == 4
        assert ab(talus, "/4b", 200, 32).failed == 0
        assert sum(talus.counter("drops_total", reason="channel_full").values()) == 0
