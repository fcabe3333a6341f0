# SPDX-License-Identifier: MIT
"""Talus on a virtio card, under the distribution's own QEMU: pages, load, the link, and a card that
lacks one feature after the other."""

import hashlib
import random
import re
import socket

import pytest

from harness import Qmp, Talus, ab, card, curl, ping, wait_until
from test_forward_stream import Server, connect, receive_all, serve_digest

pytestmark = pytest.mark.same_on_any_card("each test says which card it has")

# Bits of the features that both sides have agreed on, as the log has them.
FEATURES = {"csum": 0, "guest_csum": 1, "guest_tso4": 7, "host_tso4": 11, "mrg_rxbuf": 15, "status": 16, "ctrl_vq": 17,
            "guest_announce": 21, "event_idx": 29}


def virtio(network, *options, properties="", **others):
    return Talus(*card.VIRTIO_OPTIONS[:-1], f"virtio{properties}", *options, network=network, **others)


def agreed_features(talus):
    return int(re.search(r"virtio: features 0x([0-9a-f]+)", talus.console)[1], 16)


def assert_serves(talus, is_loaded=True):
    assert len(curl(talus, "/4b")) == 4
    assert len(curl(talus, "/100k")) == 102400
    if is_loaded:
        load = ab(talus, "/4b", 400, concurrency=16)
        assert load.failed == 0, load.output
    assert sum(talus.counter("nic_queues_stopped_total").values()) == 0
    assert sum(talus.counter("drops_total", reason="checksum").values()) == 0


def test_pages_are_served_and_the_link_goes_down_and_up(network, tmp_path):
    socket = tmp_path / "qmp"
    with virtio(network, "--qemu-args", Qmp.qemu_args(socket)) as talus:
        features = agreed_features(talus)
        assert all(features >> bit & 1 for bit in FEATURES.values()), hex(features)
        assert_serves(talus)
        load = ab(talus, "/100k", 60, concurrency=6, keep_alive=True)
        assert load.failed == 0, load.output
        ping(talus, 1400)
        with Qmp(socket) as qmp:
            start = len(talus.console)
            qmp.set_link(False)
            talus.wait_for("link is down", start)
            qmp.set_link(True)
            talus.wait_for("link is up", start)
            # As after a migration: the host asks that the address be made known, and is answered.
            qmp.ask_monitor("announce_self")
            wait_until(lambda: sum(talus.counter("nic_announcements_total").values()) >= 1,
                       "the address to be made known", talus.last_lines)
        assert "refuses command" not in talus.console and "no answer to command" not in talus.console
        assert_serves(talus)


@pytest.mark.parametrize("features", [("event_idx", "host_tso4"), ("csum", "mrg_rxbuf"),
                                      ("guest_csum", "status", "ctrl_vq")])
def test_a_card_that_lacks_features_serves_the_same(network, features):
    properties = "".join(f",{feature}=off" for feature in features)
    with virtio(network, properties=properties, smp=2) as talus:
        agreed = agreed_features(talus)
        for name, bit in FEATURES.items():
            is_lost = (name in features or (name == "host_tso4" and "csum" in features)
                       or (name == "guest_announce" and {"status", "ctrl_vq"} & set(features))
                       or (name == "guest_tso4" and {"guest_csum", "mrg_rxbuf"} & set(features)))
            assert (agreed >> bit & 1) != is_lost, (name, hex(agreed))
        assert_serves(talus)


def test_the_next_link_server_takes_the_card_over_when_its_node_dies(network):
    with virtio(network) as talus:
        assert_serves(talus, is_loaded=False)
        start = len(talus.console)
        talus.type("crash 0\n")
        talus.wait_for(r"node1 ls: virtio-net", start)
        talus.wait_for(r"node0 boot: came back as incarnation 2", start)
        wait_until(lambda: ab(talus, "/4b", 100, concurrency=8).failed == 0,
                   "the machine to serve again", talus.last_lines)
        assert_serves(talus)


def test_an_old_machine_and_a_card_without_interrupts_serve(network):
    with virtio(network, "--machine", "pc", properties=",vectors=0", smp=2) as talus:
        assert "frames are found by looking" in talus.console
        assert_serves(talus)


def test_a_card_for_new_drivers_only_with_longer_rings_serves(network):
    with virtio(network, smp=2,
                properties=",rx_queue_size=1024,disable-legacy=on,page-per-vq=on") as talus:
        assert "rings of 1024 and 256" in talus.console
        assert "(1af4:1041)" in talus.console
        assert_serves(talus, is_loaded=False)


def test_a_card_for_old_drivers_is_refused_by_name(network):
    machine = virtio(network, properties=",disable-modern=on,disable-legacy=off", smp=1)
    machine.start(is_awaited=False)
    try:
        machine.wait_for("for old drivers only")
        machine.wait_for("going on without a network")
    finally:
        machine.stop()


DIGEST, STREAM, COPIED, SEGMENT = 8090, 8001, 8002, 8003
UPLOAD_BYTES = 4 << 20


def upload(machine, port, content):
    with connect(machine, port) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        return receive_all(connection).decode("ascii")


# The host hands over segments of up to 64 KiB, of which the driver makes many that say the same: they are read by the
# transport server, copied by a program, and sent on as they are, where each one's sum is completed.
@pytest.mark.parametrize("features", [(), ("guest_tso4",), ("mrg_rxbuf",)])
def test_uploads_come_whole_in_long_segments_and_in_short_ones(network, features):
    content = random.Random(1).randbytes(UPLOAD_BYTES)
    target = f"--backends {network.host_address}:{DIGEST} --check none"
    words = ("app=forward:1@ts pika=TS1LS1CM1 -- --status 80"
             f" --listen {STREAM} {target} --listen {COPIED} {target} --mode copy"
             f" --listen {SEGMENT} {target} --mode segment")
    server = Server(network, DIGEST, serve_digest)
    properties = "".join(f",{feature}=off" for feature in features)
    try:
        with virtio(network, properties=properties, smp=1, words=words) as talus:
            for port in (STREAM, COPIED, SEGMENT):
                assert upload(talus, port, content) == hashlib.sha256(content).hexdigest(), port
            split = sum(talus.counter("nic_rx_split_total").values())
            assert (split > UPLOAD_BYTES >> 16) == (not features), split
            for reason in ("checksum", "malformed", "truncated"):
                assert sum(talus.counter("drops_total", reason=reason).values()) == 0, reason
            assert sum(talus.counter("nic_queues_stopped_total").values()) == 0
    finally:
        server.stop()
