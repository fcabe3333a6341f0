# SPDX-License-Identifier: MIT
"""Every notation of PIKA 5.4, on 8 and 16 nodes: each serves, each server takes part, nothing is
lost. As Linux processes, which is cheap; a few in QEMU, where the card steers."""

import re

import pytest

from harness import Network, Talus, ab, card, curl
from test_hosted import PLAIN, Hosted, QueuesNetwork

# For 8 nodes; twice as many of everything for 16.
NOTATIONS = [
    "TS4LS4CM4 httpd:4",          # combined
    "TS8LS8CM8 httpd:8@ts",       # with the applications on the same nodes
    "TS3LS3+CM2 httpd:3",         # managers on nodes of their own
    "TS4LS4+CM2 httpd:4@ts",
    "TS3+LS2+CM1 httpd:2",        # all on nodes of their own: fewer link servers
    "TS2+LS3+CM1 httpd:2",        # more link servers
    "TS3+LS3+CM2 httpd:3@ts",
    "TS4LS4CM2 httpd:4",          # managers on a subset of the composite servers
    "TS8LS8CM4 httpd:8@ts",
    "TS4LS2CM4 httpd:4",          # link servers on a subset
    "TS2LS4CM2 httpd:4",          # transport servers on a subset
    "TS2CM2+LS2 httpd:4",         # link servers apart
    "TS3+LS2CM2 httpd:3",         # transport servers apart
    "CM1+LS2+TS2 httpd:3",        # in another order
]
REQUESTS = 600

# What no load of honest clients may cause. Other drops are of what a network says by itself.
LOSSES = ("address_limit", "backlog_full", "bad_message", "bad_ring", "channel_full", "checksum",
          "malformed", "no_device", "no_memory", "not_ours", "receive_full", "table_full", "truncated",
          "tx_full")

# By what each role's nodes show that they took part.
WORK = {"LS": "nic_rx_packets_total", "TS": "tcp_connections_accepted_total",
        "CM": "cm_assigned_total", "httpd": "http_requests_total"}


def double(notation):
    return re.sub(r"\d+", lambda number: str(2 * int(number[0])), notation)


def nodes_by_role(notation):
    """Nodes are given out in the order of the terms, the applications last."""
    servers, application = notation.split()
    nodes, first = {}, 0
    for term in servers.split("+"):
        counts = {role: int(count) for role, count in re.findall(r"(TS|LS|CM)(\d+)", term)}
        nodes.update({role: range(first, first + count) for role, count in counts.items()})
        first += max(counts.values())
    count = int(re.search(r"\d+", application)[0])
    nodes["httpd"] = nodes["TS"][:count] if application.endswith("@ts") else range(first, first + count)
    return nodes


def words_of(notation):
    servers, application = notation.split()
    return f"pika={servers}", f"app={application}"


def check_pages(talus):
    for path, size in (("/4b", 4), ("/1k", 1024), ("/100k", 102400)):
        assert len(curl(talus, path)) == size
    assert ab(talus, "/1k", REQUESTS, 64).failed == 0
    assert ab(talus, "/100k", 64, 16, keep_alive=True).failed == 0


# On a host that does much else, a node that has begun late may get nothing of the first load.
LOADS_MAX = 10


def idle_nodes(metrics, notation):
    """Nodes that have done nothing in one of their roles, each with that role."""
    def count(name, node):
        return sum(value for row, labels, value in metrics
                   if row.removeprefix("talus_") == name and int(labels.get("node", -1)) == node)

    def work_of(role, node):
        return count(WORK[role], node) + (count("cm_assigned_remote_total", node) if role == "CM" else 0)

    return [(node, role) for role, nodes in nodes_by_role(notation).items() for node in nodes
            if work_of(role, node) == 0]


def check_work(talus, notation):
    for _ in range(LOADS_MAX):
        metrics = talus.metrics()
        if not idle_nodes(metrics, notation):
            break
        assert ab(talus, "/1k", REQUESTS, 64).failed == 0
    assert not idle_nodes(metrics, notation), "had nothing to do"
    losses = [(labels, value) for row, labels, value in metrics
              if row == "talus_drops_total" and labels["reason"] in LOSSES and value != 0]
    assert not losses


@pytest.mark.same_on_any_card("Linux processes")
@pytest.mark.parametrize("notation", [*NOTATIONS, *map(double, NOTATIONS)],
                         ids=lambda notation: notation.replace(" ", ","))
def test_each_notation_serves_with_all_its_servers(notation):
    node_count = 8 if notation in NOTATIONS else 16
    with QueuesNetwork() as network, \
            Hosted(network, PLAIN, node_count, *words_of(notation)) as talus:
        assert "using the default" not in talus.console()
        check_pages(talus)
        check_work(talus, notation)


# --- Steering by the card ---

STEERS = pytest.mark.only_82599("its flow director")


@STEERS
@pytest.mark.parametrize("notation,node_count,scheme", [
    ("TS4LS4CM4 httpd:4", 8, "source12"),
    ("TS2LS4CM2 httpd:4", 8, "xor6"),
    ("TS3+LS8+CM2 httpd:3@ts", 16, "source12"),
    ("TS8LS8CM4 httpd:8", 16, "xor6"),
])
def test_the_card_steers_so_that_nothing_is_forwarded(notation, node_count, scheme):
    """Every frame of a connection comes to a link server of the transport server that owns it."""
    with Network() as network, \
            Talus(words=" ".join((*words_of(notation), f"steer={scheme}")), network=network,
                  smp=node_count) as talus:
        # Filters are written while the first frames come in, which may be forwarded.
        talus.wait_for(f"the NIC steers to {len(nodes_by_role(notation)['LS'])} queues")
        before = talus.counter("steer_forwarded_total")
        check_pages(talus)
        assert talus.counter("steer_forwarded_total") == before
        check_work(talus, notation)


@STEERS
@pytest.mark.parametrize("dead", [0, 2], ids=["driving the card", "not driving it"])
@pytest.mark.parametrize("scheme", ["source12", "xor6"])
def test_a_dead_servers_flows_are_steered_to_those_that_live(scheme, dead):
    with Network() as network, \
            Talus(words=f"pika=TS4LS4CM4 app=httpd:4 steer={scheme} restart=no", network=network,
                  smp=8) as talus:
        talus.wait_for("the NIC steers to 4 queues")
        talus.type(f"crash {dead}\n")
        talus.wait_for("the NIC steers to 3 queues")
        assert ab(talus, "/1k", 100, 16).failed == 0
        before = talus.counter("steer_forwarded_total")
        assert ab(talus, "/1k", REQUESTS, 64).failed == 0
        after = talus.counter("steer_forwarded_total")
        assert all(after[node] == before[node] for node in range(8) if node != dead)
        accepted = talus.counter("tcp_connections_accepted_total")
        assert all(accepted[node] > 0 for node in range(4) if node != dead)


def test_a_wrong_scheme_is_reported_and_the_usual_one_taken():
    with Network() as network, \
            Talus(words="steer=xor7", network=network, smp=4) as talus:
        talus.wait_for("steer=: source12 or xor6 is expected; using source12")
        assert ab(talus, "/4b", 200, 16).failed == 0
        if card.STEERS:
            talus.wait_for("by 12 bits of the peer's port and 0 of ours")
