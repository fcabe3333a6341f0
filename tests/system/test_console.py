# SPDX-License-Identifier: MIT
"""The monitor on the serial console, and which devices the console uses."""

import re
import struct
import threading

import pytest

from harness import Qmp, Talus, card, curl, wait_until, wrk
from second_port import SecondPort


def ask(talus, command, answer):
    """Type a command; the match of what it answers."""
    start = len(talus.console)
    talus.type(command + "\n")
    return talus.wait_for(answer, start)


def test_help_lists_every_command(talus):
    text = ask(talus, "help", r"(?s)help .*reboot +\w")[0]
    for command in ("nodes", "net", "conns", "balance", "log", "get", "crash", "hang", "fault", "poweroff"):
        assert re.search(rf"^{command} +\w", text, re.MULTILINE), command


def test_nodes_says_what_each_is(talus):
    text = ask(talus, "nodes", r"(?s)node0 .*node3 +running +APIC id +3, .*httpd\n")[0]
    assert re.search(r"node1 +running +APIC id +1, +[1-9]\d* MiB, idle \d+\.\d{3} s, LS TS CM\n",
                     text)


def test_net_says_address_link_and_what_the_nic_has_carried(talus):
    before = ask(talus, "net", r"node0 +received (\d+) frames")
    assert len(curl(talus, "/4b")) == 4
    curl(talus, "/4b")
    after = ask(talus, "net", r"node0 +address 192\.0\.2\.2/24, gateway [0-9a-z.]+\n"
                rf"node0 +{card.LINK}, MAC 52:54:00:12:34:56\n"
                r"node0 +received (\d+) frames, [1-9]\d* bytes, 0 missed")
    both = ask(talus, "net", r"(?s)node0 +received (\d+) frames.*?node1 +received (\d+) frames")
    assert int(after[1]) >= int(before[1])
    assert int(both[1]) + int(both[2]) > 0


def accepted(talus):
    match = ask(talus, "conns", r"node0 +\d+ open, (\d+) accepted.*\nnode1 +\d+ open, (\d+) acc")
    return int(match[1]) + int(match[2])


def test_conns_counts_each_connection(talus):
    before = accepted(talus)
    for _ in range(5):
        curl(talus, "/4b")
    # A node that is interrupted may count a little later.
    wait_until(lambda: accepted(talus) >= before + 5, "connections to be counted")
    assert accepted(talus) == before + 5


def test_balance_counts_each_connection(talus):
    def given_out():
        assigned = r"CM: assigned (\d+) here, (\d+) to other CMs"
        return sum(map(int, ask(talus, "balance", rf"(?s){assigned}.*{assigned}").groups()))

    before = given_out()
    for _ in range(5):
        curl(talus, "/4b")
    wait_until(lambda: given_out() >= before + 5, "connections to be counted")
    assert given_out() == before + 5


def test_balance_says_the_scheme_and_what_became_of_claims(talus):
    ask(talus, "balance", r"(?s)scheme: \w.*node1 +TS: claims: \d+ confirmed, \d+ rejected; "
        r"\d+ connections not claimed in time")


def test_balance_says_what_each_manager_knows(talus):
    """Of its own application, and of the other's, which has been offered to it."""
    curl(talus, "/4b")
    for cm, own in ((0, 2), (1, 3)):
        for line in (rf"port 80: node{own} takes [\d.]+ us \((a guess|median of \d+)(, now slower)?\), "
                     r"\d+ open; \d+ assigned here, \d+ closed for other CMs",
                     rf"port 80: node{1 - cm} offers node{5 - own}, which takes "):
            ask(talus, "balance", rf"node{cm} +CM: {line}")


def test_net_counts_what_was_refused(talus):
    ask(talus, "net", r"(?s)node0 +refused \d+.*node1 +refused \d+")


def test_log_changes_the_level_and_explains_itself(talus):
    ask(talus, "log warning,ls=info", r"log=warning,ls=info on all nodes")
    ask(talus, "log", r"log LEVEL: ")
    ask(talus, "log loud", r"log=: ignored `loud`")
    ask(talus, "log info", r"log=info on all nodes")


def refuse_a_request(talus):
    with talus.connect() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")


def test_log_debug_shows_debug_lines_of_every_node_until_it_is_taken_back(talus):
    start = len(talus.console)
    ask(talus, "log debug", r"log=debug on all nodes")
    for node in range(4):
        talus.wait_for(rf"node{node} log: log=debug", start)
    refuse_a_request(talus)
    talus.wait_for(r"node[23] httpd: a request was refused with 400", start)
    ask(talus, "log info", r"log=info on all nodes")
    # The next request that it answers has it behind the new level.
    wait_until(lambda: len(curl(talus, "/4b")) == 4, "an answer")
    start = len(talus.console)
    refuse_a_request(talus)
    ask(talus, "log warning,httpd=debug", r"log=warning,httpd=debug on all nodes")
    assert "refused with" not in talus.console[start:]
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
    with Talus(words="restart=no", network=network) as talus:
        ask(talus, "crash 3", r"node3 panic: node 3 halted")
        talus.wait_for(r"node3 is dead")
        ask(talus, "nodes", r"node3 +dead ")
        assert len(curl(talus, "/4b")) == 4


def test_the_next_node_takes_over_the_monitor(network):
    """One after the other, under load, down to the last."""
    with Talus(words="restart=no", network=network) as talus:
        for node in range(3):
            for _ in range(5 if node == 0 else 0):
                curl(talus, "/4b")
            ask(talus, f"crash {node}", rf"node{node + 1} dispatch: node{node} is dead")
            ask(talus, "nodes", rf"node{node} +dead .*\nnode{node + 1} +running")
        ask(talus, "poweroff", r"node3 power: off")
        assert talus.wait() == 0


def test_the_monitor_answers_after_its_node_died_under_load(network):
    with Talus(words="restart=no", network=network) as talus:
        requests = sum(talus.counter("http_requests_total").values())
        load = threading.Thread(target=wrk, args=(talus, "/4b", 16, 3), daemon=True)
        load.start()
        wait_until(lambda: sum(talus.counter("http_requests_total").values()) > requests + 100,
                   "load")
        ask(talus, "crash 0", r"node1 dispatch: node0 is dead")
        ask(talus, "nodes", r"node0 +dead .*\nnode1 +running")
        load.join()
        ask(talus, "conns", r"node1 +\d+ open")


def test_log_level_decides_what_is_logged(network):
    with Talus(words="restart=no", network=network) as talus:
        ask(talus, "log error", "log=error on all nodes")
        ask(talus, "crash 3", r"node3 panic: node 3 halted")
        assert "asks for a page fault" not in talus.console
        ask(talus, "log info", "log=info on all nodes")
        ask(talus, "crash 2", r"node2 monitor: node 0 asks for a page fault")


def test_reboot_resets_the_machine(network):
    """The launcher's QEMU ends at a reset, if it is not told otherwise."""
    with Talus("--qemu-args", "-action reboot=reset", network=network) as talus:
        reset = ask(talus, "reboot", r"node0 power: reset")
        talus.wait_for(r"listening on http://", reset.end())
        assert len(re.findall(r"listening on http://", talus.console)) == 2
        assert len(curl(talus, "/4b")) == 4
        ask(talus, "reboot", r"node0 power: reset")


def test_poweroff_switches_the_machine_off(network):
    with Talus(network=network) as talus:
        ask(talus, "poweroff", r"node0 power: off")
        assert talus.wait() == 0


def test_a_line_of_the_log_does_not_run_into_what_is_being_typed(network, tmp_path):
    path = tmp_path / "qmp"
    with Talus("--qemu-args", Qmp.qemu_args(path), network=network) as talus, Qmp(path) as qmp:
        start = len(talus.console)
        talus.type("nod")
        talus.wait_for("nod", start)
        qmp.run("set_link", name="n0", up=False)
        talus.wait_for(r"^nod\n\[.*\] node0 ls: link is down\nnod", start)
        talus.type("es\n")
        talus.wait_for(r"^nodes\n(node\d .*\n){4}", start)


def test_what_is_typed_during_a_burst_of_log_is_answered(network):
    burst = "log " + ",".join("x" * 28) + "\n"
    with Talus(network=network) as talus:
        start = len(talus.console)
        talus.type(10 * burst + "nodes\n")
        talus.wait_for(r"^nodes\n(node\d .*\n){4}", start)
        ask(talus, "help", "start the machine again")  # answers are ahead of their round's log
        assert len(re.findall("ignored `x`", talus.console)) == 10 * 28


def test_the_console_can_be_another_port(network):
    """Nothing is on the first port but what QEMU itself says; the machine serves all the same."""
    talus = Talus(network=network, words="console=ttyS1,9600 console=ttyS7")
    talus.start(is_awaited=False)
    try:
        assert talus.first_answer_s() > 0
        assert "node0" not in talus.console
    finally:
        talus.stop()


def test_a_slow_port_carries_the_whole_log(network):
    with Talus(network=network, words="console=0x3f8,9600 console=ttyS9") as talus:
        assert "console=: ignored `ttyS9`" in talus.console
        ask(talus, "nodes", r"node3 +running")


# --- The port that firmware names (SPCR) ---

def spcr_args(folder, port, irq=3, baud_code=7, interface=0):
    """QEMU's arguments for such a table; QEMU makes its header."""
    address = struct.pack("<BBBBQ", 1, 8, 0, 1, port)  # an I/O port
    interrupt = struct.pack("<BBI", 1, irq, irq)       # of the old controller
    path = folder / "spcr"
    path.write_bytes(bytes([interface, 0, 0, 0]) + address + interrupt
                     + bytes([baud_code, 0, 1, 0, 0, 0]) + bytes([0xFF] * 4) + bytes(12))
    return f"-acpitable sig=SPCR,rev=2,data={path}"


def test_without_a_word_the_console_is_firmwares_port(network, tmp_path):
    path = tmp_path / "qmp"
    with SecondPort(tmp_path) as port:
        talus = Talus("--qemu-args", f"{port.qemu_args} {spcr_args(tmp_path, 0x2F8)} "
                      f"{Qmp.qemu_args(path)}", network=network)
        talus.start(is_awaited=False)
        try:
            port.wait_for(r"listening on http://")
            assert "node0" not in talus.console
            with Qmp(path) as qmp:
                qmp.wait_until_at_rest()
            port.type("nodes\n")  # the port's own interrupt wakes the node
            port.wait_for(r"node3 +running")
        finally:
            talus.stop()


@pytest.mark.parametrize("table, says", [
    ({"port": 0x3E8}, "no serial port at 0x3e8, which firmware names"),
    ({"port": 0}, "SPCR: an impossible port"),
    ({"port": 0x2F8, "interface": 3}, "SPCR: no 16550 at an I/O port: not used"),
])
def test_a_table_that_cannot_be_used_is_reported(network, tmp_path, table, says):
    with Talus("--qemu-args", spcr_args(tmp_path, **table), network=network) as talus:
        assert says in talus.console
        ask(talus, "nodes", r"node3 +running")


def test_a_word_wins_over_firmware(network, tmp_path):
    with Talus("--qemu-args", spcr_args(tmp_path, 0x2F8), words="console=ttyS0",
               network=network) as talus:
        ask(talus, "nodes", r"node3 +running")


def test_a_cut_table_is_reported(network, tmp_path):
    path = tmp_path / "spcr"
    path.write_bytes(bytes(8))
    with Talus("--qemu-args", f"-acpitable sig=SPCR,rev=2,data={path}", network=network) as talus:
        assert "SPCR: too short" in talus.console
