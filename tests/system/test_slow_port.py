# SPDX-License-Identifier: MIT
"""A serial port slower than the log: nothing waits for it, and what it cannot carry is counted.

QEMU's port has no speed of its own: the second one leads into a pipe of one page, which is read
when a test likes. While it is not, the port's FIFO stays full.
"""

import re

import pytest

from harness import Gdb, Qmp, Talus, curl, symbol_vaddr, wait_until
from second_port import SecondPort

# Words that are no levels: a warning each.
BURST_LINES = 28
BURST = "log " + ",".join("x" * BURST_LINES) + "\n"


@pytest.fixture
def port(tmp_path):
    made = SecondPort(tmp_path)
    yield made
    made.close()


@pytest.fixture
def qmp_path(tmp_path):
    return tmp_path / "qmp"


@pytest.fixture
def talus(port, network, qmp_path):
    machine = Talus("--qemu-args", f"{port.qemu_args} {Qmp.qemu_args(qmp_path)}",
                    words="console=ttyS1 restart=no", network=network)
    machine.start(is_awaited=False)
    try:
        port.wait_for(r"listening on http://")
        # What else a node says of itself at its start: none of it must come while the port stands still.
        for node in range(4):
            port.wait_for(rf"node{node} boot: roles ")
        port.wait_for(r"ls: link is up")
        port.wait_for(r"clock: (TSC .* to a millionth|.* going on without it)")
        yield machine
    finally:
        machine.stop()


def wait_until_at_rest(qmp_path):
    """Until the machine has done all that it can with what was typed."""
    with Qmp(qmp_path) as qmp:
        qmp.wait_until_at_rest()


def dropped(talus):
    return talus.counter("console_lines_dropped_total", device="serial")[0]


def test_a_stopped_port_holds_nobody_and_is_told_what_it_missed(talus, port):
    port.stop_reading()
    port.type(60 * BURST)
    wait_until(lambda: dropped(talus) > 0, "lines to be dropped")
    for _ in range(20):
        assert len(curl(talus, "/4b")) == 4
    port.go_on_reading()
    told = port.wait_for(r"node0 console: (\d+) lines dropped: ")
    assert int(told[1]) <= dropped(talus)
    port.type("nodes\n")
    port.wait_for(r"(?s)\nnodes\nnode0 +running.*node3 +running.*httpd\n")
    ignored = [line for line in port.text.splitlines() if "ignored" in line]
    assert len(ignored) + int(told[1]) >= 60 * BURST_LINES
    for line in ignored:
        assert re.fullmatch(r"\[ *\d+\.\d{6}\] node0 log: log=: ignored `x`: levels are error, "
                            r"warning, info, debug; time", line), line


def test_every_command_is_answered_whole_after_a_stop(talus, port):
    """The answers wait for room: none of some hundred kilobytes is lost."""
    port.stop_reading()
    port.type(150 * "help\n")
    port.wait_until_full()
    port.go_on_reading()
    port.type("no such command\n")
    port.wait_for("`no` is no command")
    assert len(re.findall(r"^help +this list\n(?:\w+ +.*\n){10}reboot +start the machine again$",
                          port.text, re.MULTILINE)) == 150
    assert dropped(talus) == 0


def test_nodes_sleep_while_the_port_stands_still(talus, port, qmp_path):
    port.stop_reading()
    port.type(5 * BURST)
    wait_until_at_rest(qmp_path)
    assert len(curl(talus, "/4b")) == 4


def test_a_node_sleeps_while_what_was_typed_waits_for_the_port(talus, port, qmp_path):
    """The next command's answer finds no room, so its input stays in the port, whose interrupt
    would wake the node again and again."""
    port.stop_reading()
    port.type(150 * "help\n")
    port.wait_until_full()
    wait_until_at_rest(qmp_path)
    assert len(curl(talus, "/4b")) == 4
    port.go_on_reading()
    port.type("no such command\n")
    port.wait_for("`no` is no command")


def test_the_last_words_come_after_all_that_waits(talus, port, qmp_path):
    port.stop_reading()
    port.type(5 * BURST)
    wait_until_at_rest(qmp_path)
    port.type("poweroff\n")
    port.go_on_reading()
    assert talus.wait() == 0
    text = port.wait_for(r"(?s)ignored `x`.*node0 power: off")[0]
    assert len(re.findall("ignored `x`", text)) == 5 * BURST_LINES


def test_a_machine_can_be_switched_off_though_its_port_stands_still(talus, port):
    port.stop_reading()
    port.type(5 * BURST + "poweroff\n")
    assert talus.wait() == 0


def test_a_dying_nodes_last_words_come_after_all_that_waits(talus, port, qmp_path):
    port.stop_reading()
    port.type(5 * BURST)
    wait_until_at_rest(qmp_path)
    port.type("crash 0\n")
    port.go_on_reading()
    text = port.wait_for(r"(?s)ignored `x`.*node0 panic: node 0 halted\n.*node1 .*node0 is dead")[0]
    assert len(re.findall("ignored `x`", text)) == 5 * BURST_LINES


# Of a status page (kernel/message/status.h).
STATE_OFFSET = 64
NODE_RUNNING = 2


def test_a_dying_node_says_so_before_its_queue_drains(port, network, tmp_path):
    """The port may take seconds to do so. The next owner has the console as soon as it is free."""
    qmp_path, gdb_path = tmp_path / "qmp", tmp_path / "gdb"
    machine = Talus("--qemu-args", f"{port.qemu_args} {Qmp.qemu_args(qmp_path)} "
                                   f"{Gdb.qemu_args(gdb_path)}",
                    words="console=ttyS1 restart=no randomise=no", network=network)
    try:
        machine.start(is_awaited=False)
        port.wait_for(r"listening on http://")
        port.stop_reading()
        port.type(5 * BURST)
        wait_until_at_rest(qmp_path)
        with Gdb(gdb_path) as gdb:
            state = gdb.read(symbol_vaddr("status_own_page"), 8) + STATE_OFFSET
            assert gdb.read(state, 4) == NODE_RUNNING
            word = f"2,{state:x},4"
            drain = f"1,{symbol_vaddr('console_write_through'):x},1"
            assert gdb.ask(f"Z{word}") == gdb.ask(f"Z{drain}") == "OK"
            port.type("crash 0\n")
            assert "watch:" in gdb.ask("c")
            assert gdb.read(state, 4) > NODE_RUNNING
            assert gdb.ask(f"z{word}") == "OK"
            assert "watch:" not in gdb.ask("c")  # it comes by: the queue is still to drain
            assert gdb.ask(f"z{drain}") == gdb.ask("D") == "OK"
        port.go_on_reading()
        port.wait_for(r"node1 .*node0 is dead")
        port.type("nodes\n")
        port.wait_for(r"(?s)\nnodes\nnode0 +dead.*node3 +running.*httpd\n")
        assert len(curl(machine, "/4b")) == 4
    finally:
        machine.stop()
