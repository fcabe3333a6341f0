# SPDX-License-Identifier: MIT
"""Load as benchmarks make it: no request fails, and the work is shared out."""

import os
import re

import pytest

from harness import Talus, ab, card, wait_until, wrk

STEERS = pytest.mark.only_82599("its flow director")


def growth(talus, name, load, **labels):
    """A counter's growth by node while `load` runs."""
    before = talus.counter(name, **labels)
    result = load()
    assert result.failed == 0, result.output
    after = talus.counter(name, **labels)
    return {node: after[node] - before[node] for node in after}


def nodes_with(talus, role):
    return {node for node, roles in talus.roles().items() if role in roles.split()}


def test_short_connections_do_not_fail(talus):
    load = ab(talus, "/4b", 5000, concurrency=16)
    assert load.failed == 0, load.output
    assert load.requests == 5000


def test_kept_alive_connections_do_not_fail(talus):
    load = ab(talus, "/4b", 5000, concurrency=16, keep_alive=True)
    assert load.failed == 0, load.output
    kept_alive = re.search(r"Keep-Alive requests: +(\d+)", load.output)
    # A connection ends after some number of requests; nearly all find it open.
    assert int(kept_alive[1]) > 4500, load.output


def test_large_pages_do_not_fail(talus):
    load = ab(talus, "/100k", 500, concurrency=8)
    assert load.failed == 0, load.output


def test_sixty_four_busy_connections_do_not_fail(talus):
    load = wrk(talus, "/4b", connections=64, duration_s=4)
    assert load.failed == 0, load.output
    assert load.requests > 0


@STEERS
def test_connections_land_on_every_link_server_by_source_port(talus):
    link_servers = nodes_with(talus, "LS")
    assert len(link_servers) == 2
    received = growth(talus, "nic_rx_packets_total",
                      lambda: ab(talus, "/4b", 1000, concurrency=8))
    total = sum(received.values())
    assert set(node for node, count in received.items() if count) == link_servers
    # Source ports come evenly, so no link server gets less than half of its share.
    assert min(received[node] for node in link_servers) > total / len(link_servers) / 2
    assert total > 1000 * 4


@STEERS
def test_the_nic_itself_steers_them(talus):
    """No frame of a flow needs to be handed to another node."""
    received = growth(talus, "steer_forwarded_total",
                      lambda: ab(talus, "/4b", 1000, concurrency=8))
    assert sum(received.values()) < 20


def test_connections_land_on_every_web_server(talus):
    web_servers = nodes_with(talus, "httpd")
    assert len(web_servers) == 2
    answered = growth(talus, "http_requests_total",
                      lambda: ab(talus, "/4b", 1000, concurrency=8))
    # How many each gets follows from how long each takes.
    assert set(node for node, count in answered.items() if count) == web_servers


def test_accepted_connections_are_all_closed_again(talus):
    ab(talus, "/4b", 200, concurrency=4)

    def are_closed():
        accepted = sum(talus.counter("tcp_connections_accepted_total").values())
        closed = sum(talus.counter("tcp_connections_closed_total").values())
        # The reading of the counters is itself a connection or two.
        return accepted - closed <= 4

    wait_until(are_closed, "the connections to be closed")


# How many connections come and go while memory and drops are watched: seconds on a host that has little
# else to do.
CONNECTION_COUNT = int(os.environ.get("CONNECTIONS", "50000"))
# What the allocator keeps from peaks of the load: some of its chunks of 64 KiB. The smallest block there is,
# lost with each connection, would be 400 KB on each of two nodes.
KEPT_BYTES = 4 * 64 * 1024


def drops(metrics):
    """What was dropped or missed, by reason, on all nodes."""
    return {(labels["node"], name, labels.get("reason")): value for name, labels, value in metrics
            if name in ("talus_drops_total", "talus_nic_rx_missed_total")}


def by_node(metrics, name, **labels):
    return {row["node"]: value for row_name, row, value in metrics
            if row_name == f"talus_{name}" and labels.items() <= row.items()}


def at_rest(talus):
    """/metrics when no connection is left but the one that asks."""
    metrics = []

    def are_over():
        metrics[:] = talus.metrics()
        return sum(value for name, _, value in metrics if name == "talus_tcp_connections") <= 2

    wait_until(are_over, "the connections to be over")
    return metrics


def test_fifty_thousand_connections_leave_memory_as_it_was_and_drop_nothing(talus):
    """The NIC's buffers are counted once a second, of each node that has a queue: what was counted last may be
    from under load, and those of the connection that asks are in use.
    """
    warm_up = ab(talus, "/4b", 3000, concurrency=64)
    assert warm_up.failed == 0, warm_up.output
    before = at_rest(talus)
    load = ab(talus, "/4b", CONNECTION_COUNT, concurrency=16)
    assert load.failed == 0, load.output
    assert load.requests == CONNECTION_COUNT
    after = at_rest(talus)

    accepted = by_node(after, "tcp_connections_accepted_total")
    assert (sum(accepted.values())
            - sum(by_node(before, "tcp_connections_accepted_total").values())) > CONNECTION_COUNT
    used_before = by_node(before, "node_memory_used_bytes")
    used_after = by_node(after, "node_memory_used_bytes")
    assert set(used_after) == {"0", "1", "2", "3"}
    for node, used in used_after.items():
        assert 0 < used_before[node] < by_node(after, "node_memory_bytes")[node]
        assert abs(used - used_before[node]) <= KEPT_BYTES, (node, used_before, used_after)
    used_buffers_before = by_node(before, "nic_rx_buffers", state="used")
    free, used = {}, {}
    with_queues = card.with_queues({"0", "1"})

    def are_given_back():
        metrics = talus.metrics()
        free.update(by_node(metrics, "nic_rx_buffers", state="free"))
        used.update(by_node(metrics, "nic_rx_buffers", state="used"))
        return all(used[node] <= used_buffers_before[node] + 8 for node in with_queues)

    wait_until(are_given_back, "the NIC's buffers to be given back",
               lambda: f"used before: {used_buffers_before}, now: {used}")
    for node in with_queues:
        assert free[node] + used[node] >= card.RX_BUFFERS_MIN
    assert drops(after) == drops(before)


def test_over_the_user_network_a_light_load_does_not_fail():
    """As a newcomer would, with `make run` and ab."""
    with Talus() as machine:
        load = ab(machine, "/4b", 400, concurrency=4)
        assert load.failed == 0, load.output
