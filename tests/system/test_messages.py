# SPDX-License-Identifier: MIT
"""How many messages from node to node a request takes: the table in net/README.md. Hosted, because
there four nodes are as quick as one; the messages are the same."""

import re

import pytest

from harness import ab, curl
from test_hosted import PLAIN, Hosted, TapNetwork

pytestmark = pytest.mark.same_on_any_card("Linux processes")

REQUESTS = 200

# Words, nodes, and the most that a short and a kept-alive request may take. Each row of the table
# has a tenth more, for requests that come in two frames and links that carry more than requests.
CONFIGURATIONS = [
    ("pika=TS1LS1CM1 app=httpd:1@ts", 1, 0, 0),
    # AVAILABLE, SEND and CLOSE; DATA and SEND. A renewal of grants for each eight connections.
    ("pika=TS1LS1CM1 app=httpd:1", 2, 3.3, 2.2),
    # The SYN's question to the CM and the answer, and a part of CONNECTION_CLOSED.
    ("pika=TS1LS1+CM1 app=httpd:1", 3, 6.1, 2.3),
    # Each frame to and from the LS.
    ("pika=TS1+LS1+CM1 app=httpd:1", 4, 13.9, 4.7),
]


def messages_sent(talus):
    metrics = curl(talus, "/metrics").decode()
    return sum(int(count) for count in
               re.findall(r"talus_channel_messages_total\{[^}]*\} (\d+)", metrics))


@pytest.mark.parametrize("words,node_count,short_most,kept_most", CONFIGURATIONS)
def test_a_request_takes_no_more_messages_than_it_needs(words, node_count, short_most, kept_most):
    with TapNetwork() as network, Hosted(network, PLAIN, node_count, *words.split()) as talus:
        assert ab(talus, "/4b", 20, 4).failed == 0  # channels are open
        before = messages_sent(talus)
        to_ask = messages_sent(talus) - before
        for keep_alive, most in ((False, short_most), (True, kept_most)):
            before = messages_sent(talus)
            assert ab(talus, "/4b", REQUESTS, 4, keep_alive=keep_alive).failed == 0
            count = (messages_sent(talus) - before - to_ask) / REQUESTS
            assert count <= most, f"{count} messages for a request, keep-alive {keep_alive}"
