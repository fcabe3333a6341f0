# SPDX-License-Identifier: MIT
"""Nodes that go and come back, and a machine that ends: nobody's connection is lost by it."""

import errno
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Network, Qmp, Talus, ab, curl, wait_until, wrk
from harness.waiting import WAIT_S

# What an application, a TS and a CM count of their work.
SERVED = {"talus_http_requests_total", "talus_tcp_connections_accepted_total", "talus_cm_assigned_total",
          "talus_cm_assigned_remote_total"}
REQUEST = b"GET /4b HTTP/1.1\r\nHost: talus\r\n\r\n"


def ask(machine, command):
    """What `nodes ...` answers, up to the next prompt's worth: a line that a nonsense command ends."""
    start = len(machine.console)
    machine.type(f"{command}\nend\n")
    machine.wait_for("`end` is no command", start)
    return machine.console[start:]


def states(machine):
    return re.findall(r"^node\d+ +(\w+) +APIC", ask(machine, "nodes"), re.M)


def wait_for_states(machine, wanted):
    wait_until(lambda: states(machine) == wanted, f"the nodes to be {wanted}", machine.last_lines)


def receive_all(connection):
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def is_halted_for_a_while(qmp, nodes):
    """Also while the other nodes work."""
    for _ in range(20):
        halted = qmp.halted()
        if not all(halted[node] for node in nodes):
            return False
        time.sleep(0.01)
    return True


# (words, cores, those that go)
CONFIGURATIONS = [
    ("pika=TS3LS3CM3 app=httpd:3", 6, [2, 5]),
    ("pika=TS2LS2+CM2 app=httpd:2", 6, [1, 3, 5]),
]


@pytest.mark.parametrize("words,node_count,going", CONFIGURATIONS)
def test_under_load_nodes_go_and_come_back_and_no_connection_is_lost(tmp_path, words, node_count, going):
    all_running = node_count * ["running"]
    fewer = ["asleep" if node in going else "running" for node in range(node_count)]
    path = tmp_path / "qmp"
    is_over = []

    def ask_with_new_connections(machine):
        failed = 0
        while not is_over:
            failed += ab(machine, "/4b", 100, concurrency=4).failed
        return failed

    with Network() as network, \
            Talus("--qemu-args", Qmp.qemu_args(path), words=words, network=network,
                  smp=node_count) as machine, \
            Qmp(path) as qmp, ThreadPoolExecutor(2) as pool:
        assert "can go, not 6" in ask(machine, "nodes -6")
        assert "0 nodes are asleep or on their way, not 1" in ask(machine, "nodes +1")
        assert "node0 stays" in ask(machine, "nodes -node0")
        kept_alive = pool.submit(wrk, machine, "/4b", 8, 5)
        new = pool.submit(ask_with_new_connections, machine)
        try:
            for _ in range(2):
                machine.type(f"nodes -{len(going)}\n")
                wait_for_states(machine, fewer)
                assert is_halted_for_a_while(qmp, going)
                assert len(curl(machine, "/4b")) == 4
                machine.type(f"nodes +{len(going)}\n")
                wait_for_states(machine, all_running)
            assert kept_alive.result().failed == 0
        finally:
            is_over.append(True)
        assert new.result() == 0
        assert set(machine.counter("drain_resets_total").values()) == {0}
        assert set(machine.counter("drops_total", reason="bad_message").values()) == {0}
        assert " is dead" not in machine.console
        assert "times of late" not in machine.console  # sleep is no failure

        # Their counters have begun anew with them.
        def have_all_served():
            ab(machine, "/4b", 200, concurrency=8)
            rows = machine.metrics()
            return all(any(value > 0 for name, labels, value in rows
                           if labels.get("node") == str(node) and name in SERVED)
                       for node in going)

        wait_until(have_all_served, "all to serve again", machine.last_lines)


def begin_requests(connections):
    for connection in connections:
        connection.settimeout(WAIT_S)
        connection.sendall(REQUEST[:20])


def test_a_node_that_goes_ends_with_its_last_connection():
    with Network() as network, \
            Talus(words="pika=TS2LS2CM2 app=httpd:2 drain=600", network=network) as machine:
        busy = [machine.connect() for _ in range(12)]
        idle = [machine.connect() for _ in range(12)]
        for connection in idle:
            connection.sendall(REQUEST)
            assert b" 200 OK" in connection.recv(4096)
        begin_requests(busy)
        machine.type("nodes -node1\n")
        wait_for_states(machine, ["running", "draining", "running", "running"])
        assert re.search(r"node1 .* [1-9]\d* connections left", ask(machine, "nodes"))
        ended = []
        for connection in busy:
            connection.sendall(REQUEST[20:])
            answer = connection.recv(4096)
            assert b" 200 OK" in answer
            if b"Connection: close" in answer:
                ended.append(connection)
                assert connection.recv(4096) == b""
        assert 0 < len(ended) < len(busy)
        wait_for_states(machine, ["running", "asleep", "running", "running"])
        ended = []
        for connection in idle:
            connection.setblocking(False)
            try:
                assert connection.recv(4096) == b""
                ended.append(connection)
            except BlockingIOError:
                connection.settimeout(WAIT_S)
                connection.sendall(REQUEST)
                assert b" 200 OK" in connection.recv(4096)
        assert 0 < len(ended) < len(idle)
        assert "did not end" not in machine.console


def test_what_does_not_end_in_time_is_reset():
    with Network() as network, \
            Talus(words="pika=TS2LS2CM2 app=httpd:2 drain=1", network=network) as machine:
        stuck = [machine.connect() for _ in range(12)]
        begin_requests(stuck)
        machine.type("nodes -node1\n")
        count = int(machine.wait_for(r"node1 drain: (\d+) connections did not end in 1 s: reset")[1])
        wait_for_states(machine, ["running", "asleep", "running", "running"])
        reset = 0
        for connection in stuck:
            try:
                connection.sendall(REQUEST[20:])
                assert b" 200 OK" in connection.recv(4096)
            except ConnectionError:
                reset += 1
        assert reset == count and 0 < reset < len(stuck)


def test_the_power_button_lets_a_download_finish_and_refuses_what_is_new(tmp_path):
    path = tmp_path / "qmp"
    with Network() as network, \
            Talus("--qemu-args", Qmp.qemu_args(path), network=network, smp=1) as machine, \
            Qmp(path) as qmp:
        assert "0 nodes can go, not 1" in ask(machine, "nodes -1")

        def connect_slowly():
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(WAIT_S)
            connection.connect((machine.address, 80))
            return connection

        def connect_in_vain():
            with socket.socket() as connection:
                connection.settimeout(WAIT_S)
                return connection.connect_ex((machine.address, 80))

        with network.inside(connect_slowly) as connection:
            connection.sendall(b"GET /100k HTTP/1.0\r\n\r\n")
            begin = connection.recv(1000)
            assert b" 200 OK" in begin
            qmp.run("system_powerdown")
            machine.wait_for(r"node0 power: off when what is under way has ended, in 30 s at most")
            assert network.inside(connect_in_vain) == errno.ECONNREFUSED
            whole = begin + receive_all(connection)
        assert len(whole.split(b"\r\n\r\n", 1)[1]) == 102400
        assert machine.wait() == 0
    assert re.search(r"node0 power: off$", machine.console, re.M)
