# SPDX-License-Identifier: MIT
"""Servers on nodes of their own."""

from harness import Network, Talus, curl


def test_the_first_connection_of_split_servers_finds_every_channel():
    with Network() as network, \
            Talus(words="pika=TS1+LS1+CM1 app=httpd:1", network=network, smp=4) as talus:
        assert len(curl(talus, "/4b")) == 4
        assert sum(talus.counter("drops_total", reason="channel_full").values()) == 0
