# SPDX-License-Identifier: MIT
"""What comes to the queue of a link server that has died: net/link/README.md."""

import re
import socket
import threading
import time
from collections import deque

import pytest

from harness import WAIT_S, Network, Talus, ab, wait_until

pytestmark = pytest.mark.only_82599("it goes on when its driver's node has died, and steers")

DEATHS_MAX = 200
KNOCK_PERIOD_S = 0.0005
OPEN_MAX = 64


def knock(address, has_begun, is_over):
    """One new connection after the other, of which none is waited for."""
    opened = deque()
    while not is_over.is_set():
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex((address, 80))
        opened.append(connection)
        if len(opened) > OPEN_MAX:
            has_begun.set()
            opened.popleft().close()
        time.sleep(KNOCK_PERIOD_S)
    for connection in opened:
        connection.close()


def test_frames_for_a_dead_link_servers_queue_reach_a_living_one():
    """Both link servers die in turn under load: the one that drives the card, and the other."""
    with Network() as network, Talus(words="restart=always", network=network) as talus:
        has_begun, is_over = threading.Event(), threading.Event()

        thread = threading.Thread(target=network.inside, args=(knock, talus.address, has_begun, is_over))
        thread.start()
        try:
            assert has_begun.wait(WAIT_S)
            lives, taken = {0: 1, 1: 1}, {0: 0, 1: 0}
            for death in range(DEATHS_MAX):
                node = death % 2
                start = len(talus.console)
                lives[node] += 1
                talus.type(f"crash {node}\n")
                talus.wait_for(rf"node{node} boot: came back as incarnation {lives[node]} after", start)
                line = talus.wait_for(rf"node{1 - node} ls: (\d+) frames came to node{node}'s queue", start)
                taken[node] += int(line[1])
                talus.wait_for("the NIC steers to 2 queues", line.end())
                if all(taken.values()):
                    break
        finally:
            is_over.set()
            thread.join()
        assert all(taken.values()), taken
        wait_until(lambda: ab(talus, "/4b", 200, concurrency=8).failed == 0, "all to be served",
                   talus.last_lines)
        assert not re.search("out of memory|stays down|is lost", talus.console)
