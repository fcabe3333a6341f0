# SPDX-License-Identifier: MIT
"""A node that dies is built again on its own core, and rejoins; nobody else notices more than that.
(What happens to a node that stays dead is in test_faults.py.)"""

import os
import re
import signal
import time

import pytest

from harness import GuestMemory, KERNEL, Network, PLUGINS, Qmp, Reach, Talus, ab, curl, wait_until
from vcpu import QEMU_ARGS, Stalled

NODE_COUNT = 4
PAUSE_S = 2


def states(machine):
    """Of each node, as the console's owner tells it."""
    start = len(machine.console)
    machine.type("nodes\n")
    machine.wait_for(rf"^node{NODE_COUNT - 1} +\w+\s", start)
    return re.findall(r"^node\d +(\w+)", machine.console[start:], re.M)


def all_run(machine):
    wait_until(lambda: states(machine) == NODE_COUNT * ["running"], "all nodes to run",
               machine.last_lines)


def crash(machine, node, incarnation):
    """Returns when the node's next incarnation runs, and the console's owner has taken it up."""
    machine.type(f"crash {node}\n")
    machine.wait_for(rf"node{node} boot: came back as incarnation {incarnation} after [\d.]+ ms")
    all_run(machine)


@pytest.fixture
def machine():
    with Network() as network, Talus(network=network) as talus:
        yield talus


def test_an_application_node_comes_back_each_time_and_serves(machine):
    for incarnation in (2, 3):
        crash(machine, 3, incarnation)
        # What both incarnations have said is there, once and in order.
        before = machine.counter("http_requests_total")
        wait_until(lambda: ab(machine, "/4b", 200, concurrency=8).failed == 0
                   and machine.counter("http_requests_total")[3] > before[3],
                   "the node to serve again", machine.last_lines)
    lines = [line for line in machine.console.splitlines() if " node3 " in line]
    story = [word for line in lines
             for word in re.findall(r"asks for a page fault|node 3 halted|came back as incarnation \d", line)]
    assert story == ["asks for a page fault", "node 3 halted", "came back as incarnation 2",
                     "asks for a page fault", "node 3 halted", "came back as incarnation 3"]
    assert machine.counter("log_lines_lost_total") == dict.fromkeys(range(NODE_COUNT), 0)
    assert machine.counter("node_up") == dict.fromkeys(range(NODE_COUNT), 1)


def test_many_deaths_leave_the_others_memory_as_it_was():
    """After the first, which takes what is kept for the node's next incarnations."""
    with Network() as network, Talus(words="restart=always", network=network) as machine:
        def free():
            assert ab(machine, "/4b", 50, concurrency=4).failed == 0
            return machine.counter("node_memory_free_bytes")

        free()
        crash(machine, 3, 2)
        before = free()
        for incarnation in range(3, 13):
            crash(machine, 3, incarnation)
        after = free()
        for node in range(3):
            assert abs(after[node] - before[node]) < 1 << 20, (before, after)
        assert set(machine.counter("drops_total", reason="bad_message").values()) == {0}
        assert set(machine.counter("drops_total", reason="bad_ring").values()) == {0}


def test_one_that_dies_again_and_again_stays_down_longer_and_says_so(machine):
    for incarnation in (2, 3, 4):
        crash(machine, 3, incarnation)
    crash(machine, 3, 5)
    assert re.search(r"node3 boot: has died 4 times of late: down for 1 s", machine.console)
    down_ms = float(re.findall(r"came back as incarnation 5 after ([\d.]+) ms", machine.console)[0])
    assert down_ms >= 1000


def test_restart_no_leaves_it_dead():
    with Network() as network, Talus(words="restart=no", network=network) as machine:
        machine.type("crash 3\n")
        machine.wait_for("node0 dispatch: node3 is dead")
        assert ab(machine, "/4b", 300, concurrency=8).failed == 0
        assert states(machine)[3] == "dead"
        assert "came back" not in machine.console


def test_a_node_that_hangs_comes_back_and_a_machine_that_stands_still_loses_none(tmp_path):
    """Each says where it was; nobody sends it anything meanwhile. A node has a tenth of a second, and
    a pause is longer: of the emulator's clock too, or not."""
    with Network() as network, Talus("--qemu-args", Qmp.qemu_args(tmp_path / "qmp"),
                                     words="node_timeout=100", network=network) as talus, \
            Qmp(tmp_path / "qmp") as qmp:
        for node in (3, 0, 2):
            talus.type(f"hang {node}\n")
            talus.wait_for(rf"node{node} panic: .*exception 2(.|\n)*?node{node} panic: .*loop_for_ever")
            talus.wait_for(rf"node{node} boot: came back as incarnation 2")
            all_run(talus)
        for _ in range(2):
            qmp.run("stop")
            time.sleep(PAUSE_S)
            qmp.run("cont")
            os.kill(talus.qemu_pid(), signal.SIGSTOP)
            time.sleep(PAUSE_S)
            os.kill(talus.qemu_pid(), signal.SIGCONT)
            assert ab(talus, "/4b", 200, concurrency=8).failed == 0
        all_run(talus)
        assert len(re.findall("exception 2", talus.console)) == 3


def test_a_core_that_had_to_be_reset_comes_back_when_it_goes_on():
    """It hears neither an NMI nor INIT until then."""
    with Network() as network, Talus("--qemu-args", QEMU_ARGS, words="node_timeout=100",
                                     network=network) as talus:
        with Stalled(talus, 3):
            def is_given_up():
                ab(talus, "/4b", 20, concurrency=4)
                return "node3 does not stop: reset" in talus.console

            wait_until(is_given_up, "the others to give it up", talus.last_lines)
        talus.wait_for(r"node3 boot: came back as incarnation 2")
        all_run(talus)
        assert ab(talus, "/4b", 200, concurrency=8).failed == 0


def mapped_by(reach, node):
    """What the node's page tables map, but for the devices' registers."""
    return sorted((m.vaddr, m.paddr, m.page_count, m.is_writable, m.is_executable)
                  for m in reach.nodes[node].mappings)


def test_the_nodes_share_nothing_while_one_is_built_again(tmp_path):
    """But for what boot's code on its core reads of the image, which nobody else writes."""
    report = tmp_path / "sharing.txt"
    memory = GuestMemory(tmp_path, 1 << 30)
    arguments = (f"{Qmp.qemu_args(tmp_path / 'qmp')} {memory.qemu_args()} "
                 "-machine memory-backend=memory0")
    with Network() as network, \
            Talus("--qemu-args", arguments, network=network, mem="1G", kernel=KERNEL,
                  words="check=sharing", plugins=[f"{PLUGINS / 'sharing.so'},report={report}"]) as talus, \
            Qmp(tmp_path / "qmp") as qmp:
        def tables():
            qmp.run("stop")
            reach = Reach(qmp, memory)
            faults = reach.faults()
            own = mapped_by(reach, 3)
            qmp.run("cont")
            assert faults == []
            return own

        assert ab(talus, "/4b", 100, concurrency=8).failed == 0
        for incarnation in (2, 3):
            crash(talus, 3, incarnation)
            wait_until(lambda: ab(talus, "/4b", 100, concurrency=8).failed == 0, "all to serve")
            own = tables()
            if incarnation == 2:
                first = own
        # Its image lies where it lay, with the same rights.
        image = 0xFFFFFFFF80000000
        assert [m for m in own if m[0] >= image] == [m for m in first if m[0] >= image]
        assert len(curl(talus, "/4b")) == 4
        talus.type("poweroff\n")
        assert talus.wait() == 0
    assert report.read_text().splitlines()[-1] == "sharing: passed", report.read_text()
