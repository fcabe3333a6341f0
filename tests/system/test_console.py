# SPDX-License-Identifier: MIT
"""The monitor on the serial console, and which devices the console uses."""

import re

import pytest

from harness import Talus, curl


def ask(talus, command, answer, timeout_s=10):
    """Type a command; the match of what it answers."""
    start = len(talus.console)
    talus.type(command + "\n")
    return talus.wait_for(answer, timeout_s, start)


def test_help_lists_every_command(talus):
    text = ask(talus, "help", r"(?s)help .*reboot +\w")[0]
    for command in ("nodes", "net", "conns", "balance", "log", "crash", "poweroff"):
        assert re.search(rf"^{command} +\w", text, re.MULTILINE), command


def test_nodes_says_what_each_is(talus):
    text = ask(talus, "nodes", r"(?s)node0 .*node3 +running +APIC id +3, .*httpd\n")[0]
    assert re.search(r"node1 +running +APIC id +1, +[1-9]\d* MiB, idle \d+\.\d{3} s, LS TS CM\n",
                     text)


def test_net_says_address_link_and_what_the_nic_has_carried(talus):
    before = ask(talus, "net", r"node0 +received (\d+) frames")
    assert len(curl(talus, "/4b")) == 4
    curl(talus, "/4b")
    after = ask(talus, "net", r"node0 +address 192\.0\.2\.2/24\n"
                r"node0 +link up, 10000 Mbit/s\n"
                r"node0 +received (\d+) frames, [1-9]\d* bytes, 0 missed")
    both = ask(talus, "net", r"node0 +received (\d+) frames.*\nnode1 +received (\d+) frames")
    assert int(after[1]) >= int(before[1])
    assert int(both[1]) + int(both[2]) > 0


def accepted(talus):
    match = ask(talus, "conns", r"node0 +\d+ open, (\d+) accepted.*\nnode1 +\d+ open, (\d+) acc")
    return int(match[1]) + int(match[2])


def test_conns_counts_each_connection(talus):
    before = accepted(talus)
    for _ in range(5):
        curl(talus, "/4b")
    assert accepted(talus) == before + 5


def test_balance_counts_each_connection(talus):
    def given_out():
        match = ask(talus, "balance", r"(?s)CM: assigned (\d+) here.*CM: assigned (\d+) here")
        return int(match[1]) + int(match[2])

    before = given_out()
    for _ in range(5):
        curl(talus, "/4b")
    assert given_out() == before + 5


def test_log_changes_the_level_and_explains_itself(talus):
    ask(talus, "log debug", r"log=debug on all nodes")
    ask(talus, "log warning,ls=info", r"log=warning,ls=info on all nodes")
    ask(talus, "log", r"log LEVEL: ")
    ask(talus, "log loud", r"log=: ignored `loud`")
    ask(talus, "log info", r"log=info on all nodes")


@pytest.mark.parametrize("line, answer", [
    ("crash", "there is no node ``"),
    ("crash 4", "there is no node `4`"),
    ("crash 99999999999999999999", "there is no node"),
    ("crash -1", "there is no node"),
    ("x" * 500, r"`x{79}` is no command"),
    ("no\x1b[A\x07des", r"`no\[Ades` is no command"),
    ("nodex\bs", r"node3 +running"),
])
def test_lines_without_sense_are_answered(talus, line, answer):
    ask(talus, line, answer)
    assert len(curl(talus, "/4b")) == 4


def test_crash_ends_one_node(network):
    with Talus(network=network) as talus:
        ask(talus, "crash 3", r"node3 panic: node 3 halted")
        talus.wait_for(r"node3 is dead", 10)
        ask(talus, "nodes", r"node3 +dead ")
        assert len(curl(talus, "/4b")) == 4


def test_reboot_resets_the_machine(network):
    """The launcher's QEMU ends at a reset."""
    with Talus(network=network) as talus:
        ask(talus, "reboot", r"node0 power: reset")
        assert talus.wait(20) == 0


def test_the_console_can_be_another_port(network):
    """Nothing is on the first port but what QEMU itself says; the machine serves all the same."""
    talus = Talus(network=network, words="console=ttyS1,9600 console=ttyS7")
    talus.start(ready_timeout_s=0)
    try:
        assert talus.first_answer_s() > 0
        assert "node0" not in talus.console
    finally:
        talus.stop()


def test_a_slow_port_carries_the_whole_log(network):
    with Talus(network=network, words="console=0x3f8,9600 console=ttyS9") as talus:
        assert "console=: ignored `ttyS9`" in talus.console
        ask(talus, "nodes", r"node3 +running")
