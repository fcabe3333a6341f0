# SPDX-License-Identifier: MIT
"""TCP over a wire that loses, delays, reorders and duplicates frames, both ways, by a seed."""

import hashlib
import random

import pytest

from harness import BadWire, Talus, curl, wait_until

FILE_BYTES = 1 << 20
WIRES = {
    "that is good": {},
    "that loses one frame in fifty": {"loss": 2, "seed": 3},
    "that loses one in ten, late": {"loss": 10, "delay_ms": 2, "seed": 5},
    "that reorders": {"reorder": 5, "reorder_by_ms": 4, "delay_ms": 1, "seed": 7},
    "that duplicates": {"duplicate": 10, "seed": 11},
    "that does it all": {"loss": 3, "reorder": 3, "reorder_by_ms": 3, "duplicate": 3,
                         "delay_ms": 2, "seed": 13},
}


@pytest.fixture(name="web", scope="module")
def _web(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    data = random.Random(1).randbytes(FILE_BYTES)
    (root / "file").write_bytes(data)
    with BadWire() as network, Talus(network=network, smp=2, root=root) as talus:
        yield talus, network, hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())
def test_downloads_arrive_intact_over_a_wire(web, wire):
    talus, network, digest = web
    network.change(**wire)
    assert hashlib.sha256(curl(talus, "/file")).hexdigest() == digest
    counts = network.change()
    seen = counts["to guest"], counts["to client"]
    # So the wire was what it is called, and carried the file.
    assert sum(one["seen"] for one in seen) > FILE_BYTES / 1460
    for name, fate in (("loss", "lost"), ("reorder", "reordered"), ("duplicate", "duplicated")):
        assert (sum(one[fate] for one in seen) > 0) == (name in wire)


def test_no_connection_is_left_behind(web):
    talus, _, _ = web
    # But the one that asks, and one that the client has just closed. A FIN that the wire has lost is
    # sent again after a time-out.
    wait_until(lambda: sum(talus.counter("tcp_connections").values()) <= 2,
               "the connections of the downloads to end")
