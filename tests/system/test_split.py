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


def test_a_long_page_leaves_in_few_messages():
    """What lies in the boot archive is referred to, in segments that the card cuts: 71 frames on the
    wire would be as many messages, each with a copy."""
    with Network() as network, \
            Talus(words="pika=TS1+LS1+CM1 app=httpd:1", network=network, smp=4) as talus:
        page = curl(talus, "/100k")
        assert len(page) == 102400 and page.count(b"\n") > 100

        def counts():
            return [talus.counter(name)[node] for name, node in
                    (("channel_messages_total", 0), ("nic_tx_packets_total", 1))]

        before = counts()
        assert ab(talus, "/100k", 200, 8).failed == 0
        messages, frames = (new - old for old, new in zip(before, counts()))
        assert frames > 200 * 71
        assert messages < 200 * 35, messages
