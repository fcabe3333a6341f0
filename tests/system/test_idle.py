# SPDX-License-Identifier: MIT
"""Nodes without work halt."""

import time

import pytest

from harness import Network, Qmp, Talus, curl, wait_until


@pytest.fixture(scope="module")
def qmp_path(tmp_path_factory):
    return tmp_path_factory.mktemp("idle") / "qmp"


@pytest.fixture(scope="module")
def talus(qmp_path):
    with Network() as network, \
            Talus("--qemu-args", Qmp.qemu_args(qmp_path), network=network) as machine:
        yield machine


@pytest.fixture(scope="module")
def qmp(talus, qmp_path):  # the machine's QEMU is what listens
    with Qmp(qmp_path) as connection:
        yield connection


def test_an_idle_system_leaves_the_host_alone(talus, qmp):
    """Four nodes halt, after the end of a connection and what boot left to do: one that polled, or
    had a tick every few milliseconds, would be found awake."""
    assert len(curl(talus, "/4b")) == 4
    qmp.wait_until_at_rest()


def test_a_lone_request_wakes_it(talus, qmp):
    for _ in range(5):
        qmp.wait_until_at_rest()
        assert len(curl(talus, "/4b")) == 4


def idle_s_of_awakened_nodes(talus):
    """A node counts its sleep when it wakes: so first wake them all."""
    for _ in range(12):
        curl(talus, "/4b")
    return talus.counter("node_idle_seconds_total")


def test_idle_time_is_counted(talus):
    """A second of it on each node, whatever time that takes: halted nodes need none of the host."""
    idle_before = idle_s_of_awakened_nodes(talus)

    def is_counted():
        time.sleep(2)
        idle_after = idle_s_of_awakened_nodes(talus)
        return all(idle_after[node] - before_s > 1 for node, before_s in idle_before.items())

    wait_until(is_counted, "each node's idle time to grow")
