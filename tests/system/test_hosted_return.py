# SPDX-License-Identifier: MIT
"""Nodes as Linux processes that end, and begin again: kernel/hosted/README.md."""

import os
import signal

import pytest

from harness import Hosted, TapNetwork, ab, wait_until
from harness.paths import BUILD

PROGRAMS = [BUILD / "hosted" / "talus", BUILD / "sanitized" / "hosted" / "talus"]
APPLICATIONS = "pika=TS1LS1CM1", "app=httpd:3"


@pytest.fixture(name="program", params=PROGRAMS, ids=["plain", "sanitized"])
def fixture_program(request):
    return request.param


@pytest.fixture(name="network")
def fixture_network():
    with TapNetwork() as made:
        yield made


def wait_until_it_serves(talus, node):
    before = talus.counter("http_requests_total").get(node, 0)

    def look():
        assert ab(talus, "/4b", 100, 8).failed == 0
        return talus.counter("http_requests_total").get(node, 0) > before

    wait_until(look, f"node {node} to serve", talus.last_lines)


def type_on(talus, line):
    talus.process.stdin.write(line + "\n")
    talus.process.stdin.flush()


def test_a_node_whose_process_was_killed_serves_again(network, program):
    with Hosted(network, program, 4, *APPLICATIONS, "restart=always") as talus:
        for incarnation in (2, 3):
            for node in (3, 1):
                os.kill(talus.node_processes()[node], signal.SIGKILL)
                talus.wait_for_line(f"talus: node{node} starts again as incarnation {incarnation}")
                wait_until_it_serves(talus, node)
        # Whoever has a stale number of its process would stop nobody, or somebody else.
        type_on(talus, "hang 3")
        os.kill(talus.node_processes()[3], signal.SIGSTOP)
        os.kill(talus.node_processes()[3], signal.SIGKILL)
        talus.wait_for_line("talus: node3 starts again as incarnation 4")
        wait_until_it_serves(talus, 3)


def test_a_node_that_parks_comes_back_when_it_is_wanted(network, program):
    with Hosted(network, program, 4, *APPLICATIONS, "drain=1") as talus:
        for incarnation in (2, 3):
            wait_until_it_serves(talus, 3)
            talus.lines.clear()
            type_on(talus, "nodes -node3")
            talus.wait_for_line("node3 is asleep")
            assert ab(talus, "/4b", 100, 8).failed == 0
            type_on(talus, "nodes +node3")
            talus.wait_for_line(f"talus: node3 starts again as incarnation {incarnation}")
        wait_until_it_serves(talus, 3)
        assert "ended by signal" not in talus.console()


def test_restart_no_leaves_it_dead(network):
    with Hosted(network, PROGRAMS[0], 4, *APPLICATIONS, "restart=no") as talus:
        os.kill(talus.node_processes()[3], signal.SIGKILL)
        talus.wait_for_line("node3 is dead")
        assert ab(talus, "/4b", 100, 8).failed == 0
        assert "starts again" not in talus.console()
