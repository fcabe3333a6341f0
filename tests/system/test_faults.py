# SPDX-License-Identifier: MIT
"""A node that faults takes down what it owns, and nothing else. Here it stays dead: test_rejoin.py has
what comes back."""

import errno
import os
import re
import signal
import socket
import time

import pytest

from harness import WAIT_S, Gdb, Network, Qmp, Talus, ab, card, curl, ping, symbol_vaddr, wait_until
from vcpu import QEMU_ARGS, Stalled


@pytest.fixture
def victim():
    """A machine of its own for each test: it is broken afterwards."""
    with Network() as network, Talus(words="restart=no", network=network) as machine:
        yield machine


def crash(machine, node):
    machine.type(f"crash {node}\n")
    machine.wait_for(rf"node{node} \S+: .*[Pp]age fault")


def test_a_page_fault_in_a_web_server_leaves_the_others_serving(victim):
    crash(victim, 3)
    for _ in range(20):
        assert len(curl(victim, "/4b")) == 4
    assert victim.counter("node_up") == {0: 1, 1: 1, 2: 1, 3: 0}
    load = ab(victim, "/4b", 1000, concurrency=8)
    assert load.failed == 0, load.output
    # The survivor does all the work, also what arrives at the other connection manager.
    answered = victim.counter("http_requests_total")
    assert answered[2] > 1000


def test_a_failing_node_says_where(victim):
    crash(victim, 2)
    report = victim.wait_for(r"node2 \S+: .*[Pp]age fault(.|\n)*?halted")[0]
    assert re.search(r"\brip\b", report, re.I)
    assert re.search(r"\brsp\b", report, re.I)
    assert re.search(r"\bcr2\b|address", report, re.I)
    # A backtrace with names.
    assert re.search(r"[a-z_]+\+0x[0-9a-f]+", report), report
    others = [line for line in victim.console.splitlines()
              if re.search(r"node[013] .*[Pp]age fault", line)]
    assert not others


def serve(connection, path="/4b"):
    """One request on a kept connection; the body of its answer."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: talus\r\n\r\n".encode())
    with connection.makefile("rb") as answer:
        assert answer.readline().startswith(b"HTTP/1.1 200")
        length = 0
        while (line := answer.readline().strip()) != b"":
            name, value = line.split(b":", 1)
            if name.lower() == b"content-length":
                length = int(value)
        return answer.read(length)


def web_server_of(connection):
    """Whose connection it is: the node that counts the requests that come on it."""
    def requests():
        text = serve(connection, "/metrics").decode()
        rows = re.findall(r'^talus_http_requests_total\{node="(\d+)".*\} (\d+)', text, re.M)
        return {int(node): int(count) for node, count in rows}

    before = requests()
    after = requests()
    owners = [node for node in after if after[node] != before[node]]
    assert len(owners) == 1, (before, after)
    return owners[0]


def ends_with_a_reset(connection):
    try:
        serve(connection)
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def test_connections_of_other_web_servers_go_on(victim):
    """Open connections are the survivor's or the victim's: the first go on, the second end."""
    connections = [victim.connect() for _ in range(24)]
    try:
        owners = [web_server_of(connection) for connection in connections]
        assert set(owners) == {2, 3}
        crash(victim, 3)
        victim.wait_for(r"node0 dispatch: node3 is dead")
        for connection, owner in zip(connections, owners):
            if owner == 2:
                assert len(serve(connection)) == 4
                assert web_server_of(connection) == 2
            else:
                assert ends_with_a_reset(connection)
    finally:
        for connection in connections:
            connection.close()


def transport_server_of(port):
    """By the client's port, as net/steering.h has it for two servers; where all cards are virtio's, folded."""
    if card.IS_FIRST:
        return (port & 4095) * 2531 % 4096 * 2 >> 12
    return ((port ^ port >> 5) & 127) * 79 % 128 * 2 >> 7


def test_the_next_servers_go_on_when_the_first_ones_die(victim):
    """Node 0 is the first of all servers: it speaks ARP, drives the NIC, and is a connection
    manager. With it dead, the network and both web servers are still reached."""
    connections = [victim.connect() for _ in range(24)]
    try:
        for connection in connections:
            assert len(serve(connection)) == 4
        victim.type("crash 0\n")
        victim.wait_for(r"node0 \S+: .*[Pp]age fault")
        victim.wait_for(f"node1 ls: {card.TAKEN_OVER}")
        # Whoever has forgotten the address asks for it, and is answered.
        victim.network.run("ip", "neigh", "flush", "dev", victim.network.tap, check=True)
        ping(victim)
        owners = [transport_server_of(connection.getsockname()[1]) for connection in connections]
        assert set(owners) == {0, 1}
        for connection, owner in zip(connections, owners):
            if owner == 1:
                assert len(serve(connection)) == 4
            else:
                assert ends_with_a_reset(connection)
            connection.close()
        before = victim.counter("http_requests_total")
        load = ab(victim, "/4b", 500, concurrency=8)
        assert load.failed == 0, load.output
        after = victim.counter("http_requests_total")
        # Both web servers work, also the one whose connection manager has died. How they share is
        # a matter of service times: the other one's last connections were open for long.
        assert after[2] > before[2] and after[3] > before[3]
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("manager", [1, 2])
def test_a_connection_manager_that_dies_alone_is_replaced_by_the_other(manager):
    """Nodes 1 and 2 are nothing else. Connections that are open need no manager; new ones go through
    the living one to both web servers, also to the one whose own manager has died."""
    with Network() as network, Talus(words="pika=TS1LS1+CM2 app=httpd:2 restart=no", network=network,
                                     smp=5) as machine:
        assert [machine.roles()[node] for node in range(5)] == ["LS TS", "CM", "CM", "httpd", "httpd"]
        connections = [machine.connect() for _ in range(12)]
        try:
            for connection in connections:
                assert len(serve(connection)) == 4
            crash(machine, manager)
            machine.wait_for(rf"node0 dispatch: node{manager} is dead")
            for connection in connections:
                assert len(serve(connection)) == 4
        finally:
            for connection in connections:
                connection.close()
        before = machine.counter("http_requests_total")
        load = ab(machine, "/4b", 500, concurrency=8)
        assert load.failed == 0, load.output
        after = machine.counter("http_requests_total")
        # How many each gets follows from how long each takes.
        assert after[3] > before[3] + 20 and after[4] > before[4] + 20
        assert machine.counter("node_up")[manager] == 0


# Longer than httpd waits for the rest of a request (20 s).
PAUSE_S = 25


def test_a_machine_that_stood_still_does_not_count_that_as_its_clients_idleness():
    """As when a host sleeps: the time-stamp counter goes on meanwhile, and jumps for the guest. (QMP's
    `stop` stops that of an emulated core, too, and so shows nothing.)"""
    with Network() as network, Talus(network=network) as machine:
        kept, begun = machine.connect(), machine.connect()
        with kept, begun:
            assert len(serve(kept)) == 4
            assert len(serve(begun)) == 4
            begun.sendall(b"GET /4b HTTP/1.1\r\nHo")
            # What came before is handled by then.
            assert len(serve(kept)) == 4
            os.kill(machine.qemu_pid(), signal.SIGSTOP)
            time.sleep(PAUSE_S)
            os.kill(machine.qemu_pid(), signal.SIGCONT)
            # The nodes find out what time it is, and whose time is over.
            for _ in range(20):
                assert len(curl(machine, "/4b")) == 4
            begun.sendall(b"st: talus\r\n\r\n")
            assert begun.recv(4096).startswith(b"HTTP/1.1 200")
            assert len(serve(kept)) == 4
        assert set(machine.counter("node_up").values()) == {1}


def test_a_node_that_hangs_is_stopped_and_the_others_serve_on_and_sleep(tmp_path):
    """Its watcher asks it whether it works. It says where it hung; what it was told goes elsewhere."""
    path = tmp_path / "qmp"
    with Network() as network, Talus("--qemu-args", Qmp.qemu_args(path), words="restart=no",
                                     network=network) as machine:
        machine.type("hang 3\n")
        machine.wait_for(r"node3 panic: .*NMI(.|\n)*loop_for_ever(.|\n)*node 3 halted")
        machine.wait_for(r"dispatch: node3 is dead")
        load = ab(machine, "/4b", 500, concurrency=8)
        assert load.failed == 0, load.output
        assert machine.counter("node_up") == {0: 1, 1: 1, 2: 1, 3: 0}
        assert len(re.findall(r"node\d panic", machine.console)) == \
            len(re.findall(r"node3 panic", machine.console))
        with Qmp(path) as qmp:
            qmp.wait_until_at_rest()


def test_a_core_that_stands_still_is_given_up_and_stays_away_when_it_goes_on():
    """It hears neither an NMI nor INIT until then, and its page still says that it runs and sleeps."""
    with Network() as network, Talus("--qemu-args", QEMU_ARGS, words="node_timeout=100 restart=no",
                                     network=network) as machine:
        with Stalled(machine, 3):
            def is_given_up():
                assert len(curl(machine, "/4b")) == 4
                return "node3 does not stop: reset" in machine.console

            wait_until(is_given_up, "the others to give it up", machine.last_lines)
            machine.wait_for(r"dispatch: node3 is dead")
        load = ab(machine, "/4b", 500, concurrency=8)
        assert load.failed == 0, load.output
        assert machine.counter("node_up") == {0: 1, 1: 1, 2: 1, 3: 0}


# Of a status page (kernel/message/status.h): whom its node has given up.
DECLARED_DEAD_OFFSET = 80


def test_a_node_gone_wild_that_declares_all_dead_stops_nobody(tmp_path):
    """Each of the others looks for itself, and counts three words that were false: one of itself."""
    path = tmp_path / "gdb"
    with Network() as network, Talus("--qemu-args", Gdb.qemu_args(path), network=network,
                                     words="node_timeout=100 randomise=no") as machine:
        with Gdb(path) as gdb:
            own = gdb.read(symbol_vaddr("status_own_page"), 8, core=3)
            gdb.write(own + DECLARED_DEAD_OFFSET, 0xF, 8, core=3)
            assert gdb.ask("D") == "OK"

        def all_have_looked():
            assert ab(machine, "/4b", 100, concurrency=8).failed == 0
            counts = machine.counter("drops_total", reason="false_death")
            return [counts[node] for node in range(4)] == [3, 3, 3, 0]

        wait_until(all_have_looked, "the others to look for themselves", machine.last_lines)
        assert set(machine.counter("node_up").values()) == {1}
        assert len(re.findall("works, although another node has given it up", machine.console)) == 3
        assert "declared dead" not in machine.console


def test_an_unknown_node_cannot_be_crashed(victim):
    victim.type("crash 64\ncrash\ncrash x\n")
    assert len(curl(victim, "/4b")) == 4
    assert set(victim.counter("node_up").values()) == {1}


def is_refused(machine):
    """Whether a connection is, at once."""
    def connect():
        with socket.socket() as connection:
            connection.settimeout(WAIT_S)
            return connection.connect_ex((machine.address, 80)) == errno.ECONNREFUSED

    return machine.network.inside(connect)


def test_without_any_web_server_connections_are_refused_and_the_rest_runs(victim):
    crash(victim, 2)
    crash(victim, 3)
    wait_until(lambda: is_refused(victim), "connections to be refused", victim.last_lines)
    ping(victim)
    victim.type("poweroff\n")
    assert victim.wait() == 0
