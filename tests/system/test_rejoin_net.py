# SPDX-License-Identifier: MIT
"""A node that dies costs the connections that it owned; when it is back its place is served again."""

import re
import time

import pytest

from harness import Network, Talus, curl, wait_until
from test_faults import ends_with_a_reset, serve, transport_server_of

NEW_CONNECTIONS = 60


def crash_and_return(machine, node):
    """Until the node runs again, in its next incarnation."""
    before = returns_of(machine, node)
    machine.type(f"crash {node}\n")
    wait_until(lambda: returns_of(machine, node) > before, f"node {node} to come back",
               machine.last_lines)


def returns_of(machine, node):
    return len(re.findall(rf"node{node} boot: came back as incarnation", machine.console))


def all_new_connections_are_served(machine):
    for _ in range(NEW_CONNECTIONS):
        assert len(curl(machine, "/4b")) == 4


def assert_nobody_is_dead(machine, node_count):
    assert machine.counter("node_up") == {node: 1 for node in range(node_count)}


# (words, cores, nodes that are crashed one after the other)
CONFIGURATIONS = [
    ("", 4, [1, 0, 3]),                             # not the driver; the driver; httpd
    ("pika=TS1LS1+CM2 app=httpd:2", 5, [1, 2]),     # each CM
    ("pika=TS2+LS2+CM1 app=httpd:1", 6, [0, 2, 4]),  # a TS, an LS, the only CM
    ("pika=TS1LS1CM1 app=httpd:1", 2, [0, 1]),      # the only server, the only application
    ("", 1, [0, 0]),                                # all there is
]


@pytest.mark.parametrize("words,node_count,victims", CONFIGURATIONS)
def test_after_a_return_all_new_connections_are_served(words, node_count, victims):
    with Network() as network, Talus(words=words, network=network, smp=node_count) as machine:
        for victim in victims:
            crash_and_return(machine, victim)
            # The last thing that the others are told is where the card steers to.
            wait_until(lambda: is_served(machine), "an answer", machine.last_lines)
            all_new_connections_are_served(machine)
            assert_nobody_is_dead(machine, node_count)


def is_served(machine):
    try:
        return len(curl(machine, "/4b")) == 4
    except Exception:  # refused, or reset, as long as nobody is there
        return False


@pytest.mark.parametrize("victim", [0, 1])
def test_connections_of_other_nodes_get_their_answers_all_the_time(victim):
    """Those that the substitute has opened meanwhile go on, too, when their flows are the other's again."""
    with Network() as network, Talus(words="restart=always", network=network) as machine:
        old = [machine.connect() for _ in range(24)]
        owners = [transport_server_of(connection.getsockname()[1]) for connection in old]
        assert set(owners) == {0, 1}
        for connection in old:
            assert len(serve(connection)) == 4
        crash_and_return(machine, victim)
        for connection, owner in zip(old, owners):
            if owner == victim:
                assert ends_with_a_reset(connection)
            else:
                assert len(serve(connection)) == 4
        new = [machine.connect() for _ in range(24)]
        for connection in new:
            assert len(serve(connection)) == 4
        # All have found their places; nothing is sent to a node that does not know it.
        time.sleep(1)
        for connection, owner in zip(old, owners):
            if owner != victim:
                assert len(serve(connection)) == 4
        for connection in new:
            assert len(serve(connection)) == 4
        for connection in old + new:
            connection.close()


def test_ten_deaths_leave_nothing_behind():
    with Network() as network, Talus(words="restart=always", network=network) as machine:
        def gauges():
            return {name: machine.counter(name)
                    for name in ("tcp_connections", "node_memory_free_bytes")}

        crash_and_return(machine, 1)
        all_new_connections_are_served(machine)
        before = gauges()
        for _ in range(10):
            crash_and_return(machine, 1)
            wait_until(lambda: is_served(machine), "an answer", machine.last_lines)
        all_new_connections_are_served(machine)
        after = gauges()
        assert sum(after["tcp_connections"].values()) <= sum(before["tcp_connections"].values()) + 1
        for node, free in before["node_memory_free_bytes"].items():
            assert after["node_memory_free_bytes"][node] > free - 1024 * 1024, (before, after)
        assert_nobody_is_dead(machine, 4)
