# SPDX-License-Identifier: MIT
"""Nodes without work halt."""

import time

from harness import curl

WATCH_S = 8


def test_an_idle_system_leaves_the_host_alone(talus):
    """Four nodes use less than a tenth of one of the host's cores: that they halt, not how fast."""
    assert len(curl(talus, "/4b")) == 4
    time.sleep(2)  # the connection's end, and what boot left to do
    before_s = talus.host_cpu_s()
    time.sleep(WATCH_S)
    used_s = talus.host_cpu_s() - before_s
    assert used_s < WATCH_S / 10, f"{used_s:.2f} s of {WATCH_S} s"


def test_a_lone_request_wakes_it(talus):
    for _ in range(5):
        time.sleep(0.5)
        assert len(curl(talus, "/4b", timeout_s=5)) == 4


def idle_s_of_awakened_nodes(talus):
    """A node counts its sleep when it wakes: so first wake them all."""
    for _ in range(12):
        curl(talus, "/4b")
    return talus.counter("node_idle_seconds_total")


def test_idle_time_is_counted(talus):
    idle_before = idle_s_of_awakened_nodes(talus)
    time.sleep(2)
    idle_after = idle_s_of_awakened_nodes(talus)
    for node, before_s in idle_before.items():
        assert idle_after[node] - before_s > 1, node
