# SPDX-License-Identifier: MIT
"""A virtio card with a queue pair for each link server, under the distribution's own QEMU: frames
reach the node that owns their flow, by RSS or as they are sent, through deaths and returns."""

import contextlib
import re
import subprocess

import pytest

from harness import GuestMemory, Network, Qmp, Talus, ab, card, curl, wait_until

pytestmark = pytest.mark.same_on_any_card("each test says which card it has")

# (words, cores, link servers, those that die one after the other: not the driver of the card first)
COMBINED2 = ("", 4, 2, [1, 0, 1])
COMBINED4 = ("pika=TS4LS4CM4 app=httpd:4@ts", 4, 4, [2, 0, 1])
SPLIT2 = ("pika=TS2+LS2+CM1 app=httpd:1", 6, 2, [3, 2, 3])
SPLIT4 = ("pika=TS2+LS4+CM1 app=httpd:1", 8, 4, [5, 2])
BOTH_PORTS = ("pika=TS4LS4CM4 app=httpd:4@ts steer=xor6", 4, 4, [3])

# Of some thousand frames: those of a flow whose owner changes while they are on their way.
FORWARDED_MAX = 8


@pytest.fixture
def wide_network():
    with Network(is_multiqueue=True) as made:
        yield made


class QuietTalus(Talus):
    """Without what QEMU says of each table, in the midst of the console's lines."""

    errors = subprocess.DEVNULL


def virtio(network, words, cores, properties="", options=()):
    return QuietTalus(*card.VIRTIO_OPTIONS[:-1], f"virtio{properties}", *options, network=network, smp=cores,
                 words=words)


def total(talus, name, **labels):
    return sum(talus.counter(name, **labels).values())


def assert_serves(talus, requests=600):
    load = ab(talus, "/4b", requests, concurrency=16)
    assert load.failed == 0, load.output
    assert len(curl(talus, "/100k")) == 102400
    assert total(talus, "nic_queues_stopped_total") == 0


def receiving_nodes(talus, before):
    after = talus.counter("nic_rx_packets_total")
    return {node for node, count in after.items() if count - before.get(node, 0) > 20}


@contextlib.contextmanager
def load(talus):
    """wrk, with short connections, for as long as something else happens: some of them fail."""
    with subprocess.Popen(talus.network.command("wrk", "-t1", "-c16", "-d60s", "-H", "Connection: close",
                                                f"http://{talus.network.guest_address}/4b"),
                          stdout=subprocess.DEVNULL) as wrk:
        try:
            yield
        finally:
            wrk.terminate()


def crash_and_return(talus, node):
    count = returns_of(talus, node)
    talus.type(f"crash {node}\n")
    wait_until(lambda: returns_of(talus, node) > count, f"node {node} to come back", talus.last_lines)
    wait_until(lambda: ab(talus, "/4b", 60, concurrency=8).failed == 0, "the machine to serve again",
               talus.last_lines)


def returns_of(talus, node):
    return len(re.findall(rf"node{node} boot: came back as incarnation", talus.console))


def wait_for_steering(talus, queue_count, start=0):
    """The last word of its driver's log is of so many queues."""
    wait_until(lambda: re.findall(r"steers to (\d+) queues?, by 7 bits", talus.console[start:])[-1:]
               == [str(queue_count)], f"the card to steer to {queue_count} queues", talus.last_lines)


def assert_steered(talus, queue_count):
    """Each link server gets frames, of its own transport servers' flows alone."""
    received = talus.counter("nic_rx_packets_total")
    forwarded = total(talus, "steer_forwarded_total")
    assert_serves(talus)
    forwarded = total(talus, "steer_forwarded_total") - forwarded
    after = talus.counter("nic_rx_packets_total")
    assert sum(after[node] - received[node] > 20 for node in after) == queue_count, (received, after)
    assert forwarded <= FORWARDED_MAX


@pytest.mark.parametrize("words,cores,link_servers,victims",
                         [COMBINED2, COMBINED4, SPLIT2, SPLIT4, BOTH_PORTS])
def test_frames_reach_their_owners_node_through_deaths_and_returns(wide_network, words, cores,
                                                                   link_servers, victims):
    with virtio(wide_network, f"restart=always {words}", cores) as talus:
        assert f"{link_servers} queue pairs, steered by RSS" in talus.console
        wait_for_steering(talus, link_servers)
        assert_steered(talus, link_servers)
        for victim in victims:
            start = len(talus.console)
            with load(talus):
                crash_and_return(talus, victim)
                wait_for_steering(talus, link_servers, start)
            assert_steered(talus, link_servers)
        assert total(talus, "drops_total", reason="bad_message") == 0


def test_without_rss_each_node_sends_by_its_own_pair_and_serves(wide_network):
    """Then a flow's frames come back to the pair that it is sent by: what is forwarded is the first ones."""
    with virtio(wide_network, "restart=always", 4, ",rss=off") as talus:
        assert "2 queue pairs" in talus.console and "RSS" not in talus.console
        for victim in (None, 1, 0):
            if victim is not None:
                crash_and_return(talus, victim)
            sent = talus.counter("nic_tx_packets_total")
            received = total(talus, "nic_rx_packets_total")
            forwarded = total(talus, "steer_forwarded_total")
            load = ab(talus, "/4b", 2000, concurrency=16, keep_alive=True)
            assert load.failed == 0, load.output
            assert sum(count - sent[node] > 20
                       for node, count in talus.counter("nic_tx_packets_total").items()) == 2
            received = total(talus, "nic_rx_packets_total") - received
            assert total(talus, "steer_forwarded_total") - forwarded < received / 10


@pytest.mark.parametrize("properties", [",queue_reset=off", ",vectors=2", ",event_idx=off"])
def test_what_a_card_lacks_costs_no_node_its_queue(wide_network, properties):
    """Without reset of a queue alone all of the card is started anew: after a death, and a return."""
    with virtio(wide_network, "restart=always pika=TS3LS3CM3 app=httpd:1", 4, properties) as talus:
        wait_for_steering(talus, 3)
        for victim in (1, 0, 2):
            start = len(talus.console)
            crash_and_return(talus, victim)
            wait_for_steering(talus, 3, start)
            assert_steered(talus, 3)


def test_a_node_that_hangs_holds_the_others_up_only_until_it_is_stopped(wide_network):
    """Its pair runs dry, and QEMU holds all frames behind one for it."""
    with virtio(wide_network, "restart=always node_timeout=300 pika=TS3LS3CM3 app=httpd:1", 4) as talus:
        wait_for_steering(talus, 3)
        start = len(talus.console)
        count = returns_of(talus, 1)
        with load(talus):
            talus.type("hang 1\n")
            wait_until(lambda: returns_of(talus, 1) > count, "node 1 to come back", talus.last_lines)
            wait_for_steering(talus, 3, start)
        assert_steered(talus, 3)


def test_the_driver_may_die_while_another_link_server_comes_back(wide_network):
    with virtio(wide_network, "restart=always pika=TS3LS3CM3 app=httpd:1", 4) as talus:
        wait_for_steering(talus, 3)
        start = len(talus.console)
        talus.type("crash 1\n")
        talus.wait_for("node1 is dead")
        talus.type("crash 0\n")
        for victim in (0, 1):
            wait_until(lambda: returns_of(talus, victim) == 1, f"node {victim} to come back",
                       talus.last_lines)
        wait_for_steering(talus, 3, start)
        assert_steered(talus, 3)


def break_card(qmp, memory, pair_count):
    """Its receive rings name buffers that there are not: with the next frame QEMU gives the device up."""
    device = next(each["path"] for each in qmp.run("x-query-virtio") if each["name"] == "virtio-net")
    qmp.run("stop")
    for pair in range(pair_count):
        ring = qmp.run("x-query-virtio-queue-status", path=device, queue=2 * pair)
        memory.write(ring["vring-avail"] + 4, b"\xff" * (2 * ring["vring-num"]))
    qmp.run("cont")


def test_a_card_that_gives_up_is_started_anew_with_all_nodes_queues(wide_network, tmp_path):
    """And goes on steering to each; the fourth time within a minute it stays off."""
    memory = GuestMemory(tmp_path, 512 << 20)
    arguments = (f"{Qmp.qemu_args(tmp_path / 'qmp')} {memory.qemu_args()} "
                 "-machine memory-backend=memory0")
    with virtio(wide_network, "pika=TS3LS3CM3 app=httpd:1", 4,
                options=("--qemu-args", arguments, "--mem", "512M")) as talus, \
            Qmp(tmp_path / "qmp") as qmp:
        for restart in range(1, 4):
            wait_for_steering(talus, 3)
            start = len(talus.console)
            break_card(qmp, memory, 3)
            with load(talus):
                talus.wait_for("the NIC is started anew, for it has given up", start)
                wait_for_steering(talus, 3, start)
            assert total(talus, "nic_restarts_total") == restart
            received = talus.counter("nic_rx_packets_total")
            assert ab(talus, "/4b", 600, concurrency=16).failed == 0
            assert len(receiving_nodes(talus, received)) == 3
            assert total(talus, "drops_total", reason="bad_message") == 0
        break_card(qmp, memory, 3)
        with load(talus):
            talus.wait_for("going on without a network")
