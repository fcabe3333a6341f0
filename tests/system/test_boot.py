# SPDX-License-Identifier: MIT
"""Booting: any number of cores, with and without a NIC, and whatever the command line says."""

import re

import pytest

from harness import Gdb, Qmp, Talus, ab, curl, ping, symbol_vaddr
from harness.talus import READY
from vcpu import QEMU_ARGS, Stalled

EXPECTED_ROLES = {
    1: ["LS TS CM httpd"],
    2: ["LS TS CM", "httpd"],
    4: ["LS TS CM"] * 2 + ["httpd"] * 2,
    8: ["LS TS CM"] * 4 + ["httpd"] * 4,
}


def roles(talus, node_count=4):
    """The roles in the order of the nodes; the last lines may come after the ready line."""
    for node in range(node_count):
        talus.wait_for(rf"node{node} boot: roles .*\n")
    return [talus.roles()[node] for node in range(node_count)]


@pytest.mark.parametrize("smp", EXPECTED_ROLES)
def test_any_number_of_cores_boots_and_serves(network, smp):
    with Talus(network=network, smp=smp) as talus:
        assert roles(talus, smp) == EXPECTED_ROLES[smp]
        for _ in range(4):
            assert len(curl(talus, "/4b")) == 4
        up = talus.counter("node_up")
        assert up == {node: 1 for node in range(smp)}


def test_each_node_says_its_role_memory_and_configuration(talus):
    roles(talus)
    for node, expected in enumerate(EXPECTED_ROLES[4]):
        line = re.search(rf"^\[ *\d+\.\d{{6}}\] node{node} boot: roles (.*)$", talus.console, re.M)
        assert line, talus.console
        assert re.fullmatch(rf"{expected}, [1-9]\d* MiB, TS2LS2CM2 httpd:2", line[1])


def test_no_line_of_the_log_is_torn(talus):
    lines = talus.console.splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("["))
    for line in lines[first:]:
        assert re.match(r"\[ *\d+\.\d{6}\] node\d+ [\w-]+: ", line) or not line.strip(), line


@pytest.mark.parametrize("words, expected", [
    ("pika=TS1LS1CM1 app=httpd:3", ["LS TS CM", "httpd", "httpd", "httpd"]),
    ("pika=TS3LS3CM3 app=httpd:1", ["LS TS CM"] * 3 + ["httpd"]),
    ("app=httpd:4@ts", ["LS TS CM httpd"] * 4),
    # Split: servers that meet in messages only.
    ("pika=TS1LS1+CM1 app=httpd:2", ["LS TS", "CM", "httpd", "httpd"]),
    ("pika=TS1+LS1+CM1 app=httpd:1", ["TS", "LS", "CM", "httpd"]),
    ("pika=TS2LS2CM2 app=httpd:1", ["LS TS CM", "LS TS CM", "httpd", "idle"]),
])
def test_a_configuration_in_the_papers_notation_is_what_runs(network, words, expected):
    with Talus(network=network, words=words) as talus:
        assert roles(talus) == expected
        assert len(curl(talus, "/100k")) == 102400
        load = ab(talus, "/4b", 200, concurrency=8)
        assert load.failed == 0, load.output


def test_the_address_comes_by_dhcp():
    with Talus() as talus:
        assert re.search(r"listening on http://10\.0\.2\.15:80/", talus.console)
        assert len(curl(talus, "/4b")) == 4


def test_the_address_can_be_given(talus):
    assert re.search(r"listening on http://192\.0\.2\.2:80/", talus.console)
    assert talus.address == "192.0.2.2"
    for _ in range(3):
        ping(talus)


def test_bad_words_are_reported_and_ignored(network):
    words = "pika=TS9LS9CM9 nonsense frobnicate=7 log=verbose,,="
    with Talus(network=network, words=words) as talus:
        assert roles(talus) == EXPECTED_ROLES[4]
        assert "pika= needs more nodes than the machine has, 4" in talus.console
        for word in ("nonsense", "frobnicate", "using the default"):
            lines = [line for line in talus.console.splitlines()
                     if word in line and "command line: debug_exit" not in line]
            assert len(lines) == 1, (word, talus.console)
        assert len(curl(talus, "/4b")) == 4


def test_an_unknown_application_is_reported_and_the_default_runs(network):
    with Talus(network=network, words="app=webserver:2") as talus:
        assert "no application webserver" in talus.console
        assert roles(talus) == EXPECTED_ROLES[4]


def test_bad_network_words_are_reported(network):
    """The last net= counts: it cannot be understood, and nothing answers DHCP here."""
    machine = Talus(network=network, words="net=192.0.2.2/99")
    machine.start(is_awaited=False)
    try:
        machine.wait_for(r"^(?!.*command line:).*192\.0\.2\.2/99")
        machine.wait_for(r"node3 boot: roles")
        assert machine.is_running()
    finally:
        machine.stop()


@pytest.mark.parametrize("nic", ["none", "e1000e"])
def test_without_a_nic_of_ours_it_says_so_and_runs(nic):
    machine = Talus("--nic", nic)
    machine.start(is_awaited=False)
    try:
        line = machine.wait_for(r"^\[.*\] node0 \w+: .*(no|No) .*82599.*$")[0]
        assert line
        machine.wait_for(r"node3 boot: roles httpd")
        machine.type("poweroff\n")
        assert machine.wait() == 0
    finally:
        machine.stop()


def test_poweroff_on_the_console_ends_qemu_with_status_0(network):
    with Talus(network=network) as talus:
        talus.type("poweroff\n")
        assert talus.wait() == 0


@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_the_power_button_is_a_clean_stop(tmp_path, machine):
    """Also while all nodes sleep: its interrupt wakes the console's owner."""
    path = tmp_path / "qmp"
    with Talus("--machine", machine, "--qemu-args", Qmp.qemu_args(path), smp=2) as talus:
        with Qmp(path) as qmp:
            qmp.wait_until_at_rest()
            qmp.run("system_powerdown")
            assert talus.wait() == 0
        assert re.search(r"node0 monitor: the power button has been pressed\n"
                         r".* node0 power: off\n", talus.console)


def test_the_console_explains_itself(talus):
    start = len(talus.console)
    talus.type("help\n")
    talus.wait_for(r"poweroff", start)
    talus.type("no such command\n")
    assert len(curl(talus, "/4b")) == 4


def test_little_memory_is_enough(network):
    with Talus(network=network, mem="128M") as talus:
        assert len(curl(talus, "/100k")) > 100_000
        assert roles(talus) == EXPECTED_ROLES[4]


def test_a_boot_that_panics_ends_the_emulator_with_its_status():
    """No node has started yet: the core that boots has to know of the exit by itself."""
    talus = Talus(words="panic=exit", mem="9M", smp=1)
    try:
        talus.start(is_awaited=False)
        talus.wait_for(r"node0 panic: .*too little for one node")
        assert talus.wait() == 2
    finally:
        talus.stop()


# A core's line in start_node_table (boot/start_node.h).
CORE_BYTES = 128
ORDER_OFFSET = 4
ORDER_BUILD = 2


def order_vaddr(index):
    """Where the core that boots writes what the core of that index is to do."""
    return symbol_vaddr("start_node_table") + index * CORE_BYTES + ORDER_OFFSET


def test_a_core_that_wakes_after_its_node_was_given_up_stays_out_of_it(tmp_path):
    """It stands still from the moment in which it is told to build its node."""
    path = tmp_path / "qmp"
    gdb_path = tmp_path / "gdb"
    watched = f"2,{order_vaddr(2):x},4"
    talus = Talus("--qemu-args", f"{Qmp.qemu_args(path)} {QEMU_ARGS} -S {Gdb.qemu_args(gdb_path)}")
    try:
        talus.start(is_awaited=False)
        with Qmp(path) as qmp, Gdb(gdb_path) as gdb:
            assert gdb.ask(f"Z{watched}") == "OK"
            order = 0
            while order != ORDER_BUILD:
                assert gdb.ask("c").startswith("T05")
                order = gdb.read(order_vaddr(2), 1)
            with Stalled(talus, 3):
                assert gdb.ask(f"z{watched}") == "OK"
                assert gdb.ask("D") == "OK"
                talus.wait_for("node 3 has not started")
                talus.wait_for(READY)
            qmp.wait_until_at_rest()
        assert len(curl(talus, "/4b")) == 4
        assert talus.counter("node_up") == {0: 1, 1: 1, 2: 1, 3: 0}
        assert "] node3 " not in talus.console
    finally:
        talus.stop()


RSP = 7  # gdb's number of it


def test_a_stack_of_boot_that_overflows_says_so(tmp_path):
    """What the core that boots does next, when it calls the others, finds no room."""
    gdb_path = tmp_path / "gdb"
    stop = f"1,{symbol_vaddr('reference_clock_now_us'):x},1"
    bottom = symbol_vaddr("boot_stack_guard") + 4096
    talus = Talus("--qemu-args", f"-S {Gdb.qemu_args(gdb_path)}")
    try:
        talus.start(is_awaited=False)
        with Gdb(gdb_path) as gdb:
            gdb.ask("qXfer:features:read:target.xml:0,fff")  # or it sets no register
            assert gdb.ask(f"Z{stop}") == "OK"
            assert gdb.ask("c").startswith("T05")
            assert gdb.ask(f"P{RSP:x}={bottom.to_bytes(8, 'little').hex()}") == "OK"
            assert gdb.ask(f"z{stop}") == "OK"
            assert gdb.ask("D") == "OK"
        talus.wait_for("page fault: .* a guard page: a stack has overflowed")
    finally:
        talus.stop()
