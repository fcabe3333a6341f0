# SPDX-License-Identifier: MIT
"""Memory that cannot be had costs the request that wants it, and nothing else. Talus as Linux
processes serves made-up clients (drivers/hosted/visitors.c) while each kind of memory that a node
takes under load fails, one kind after the other: the first object of it, the second and so on alone,
then several in a row; then all kinds in the order in which they are wanted (drivers/hosted/faults.h).
The program has the slow checks and the sanitizers."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from harness import BUILD, LONG_WAIT_S

pytestmark = pytest.mark.same_on_any_card("a card in memory")

PROGRAM = BUILD / "sanitized" / "hosted" / "talus"
REPORT = re.compile(r"runtime error|AddressSanitizer|exception|panic")

# The nodes' roles, and what the clients ask for: between them they want all that is wanted under
# load. What fails does so on the card's node.
LOADS = {
    "short": ((), "count=90,parallel=30"),
    "kept": ((), "count=160,parallel=80,kept=2"),
    "alone": ((), "count=2,parallel=1,path=/100k"),
    "long": ((), "count=12,parallel=6,path=/100k"),
    "halved": ((), "count=40,parallel=20,halved"),
    "generated": ((), "count=4,parallel=2,path=/metrics"),
    "lossy": ((), "count=60,parallel=30,path=/1k,loss=50"),
    "waiting": (("pika=TS1LS1CM1", "app=httpd:1"), "count=40,parallel=20,halved"),
    "split": (("pika=LS1+TS1CM1", "app=httpd:1"), "count=40,parallel=20"),
}

# Kinds that no load here wants on the card's node once clients have come, and what tries them.
ELSEWHERE = {
    # Taken at the start, which fails without them.
    "blocked_connections", "card_buffers", "closed_connections", "connection_buckets", "epoll",
    "card_resting", "half_open", "listener", "peers", "manager_tables", "polled_channels", "thread_stack",
    "watched_nodes", "xdp_frames",
    # lwIP has no connection of its own.
    "lwip_TCP_PCB", "lwip_TCP_PCB_LISTEN",
    # Fragments, DHCP and what speaks UDP: fuzz_frames and fuzz_dhcp let memory fail as they like.
    "lwip_FRAG_PBUF", "lwip_PBUF", "lwip_packet", "lwip_PBUF_POOL", "lwip_REASSDATA", "lwip_UDP_PCB",
    "group", "groups", "lwip_IGMP_GROUP",  # of IP: test_posix_groups.c, test_transport_groups.c
    "lwip_TCP_SEG",    # by what comes beyond a hole: test_tcp_lend.c
    "forward_rules", "forwarded_flow",  # by ports that are forwarded: test_forward_choice.c, test_forward_limits.c
    "splice", "spliced_stream",  # by forwarders; test_transport_splice.c has the first
    "active_open",     # by programs that connect: test_transport_active.c
    "channel_ring",    # at a node's first message: test_opening.c
    "heap_places",     # beyond 511 timers: test_timer.c
    "fault_probe", "fault_taken",  # by the command that takes memory away
    "picture",         # by who looks at /stats: test_picture.c
    "poll",            # by programs that poll(): test_socket_select.c
    "tcp_recovery",    # by what is lost, which differs from run to run: test_tcp_recovery.c
    # By programs that send large blocks: test_snapshot.c, test_tcp_snapshot.c.
    "snapshot", "snapshot_frames", "snapshot_tables", "tcp_send_snapshot",
    "tcp_timewait",    # by the first connection that we close, and then by many: test_tcp_timewait.c
    # By programs that use them: test_posix_waiting.c, test_datagram_port.c, test_transport_datagram.c.
    "byte_queue", "datagram", "datagram_membership", "datagram_port", "datagram_ports", "datagram_socket", "eventfd", "pipe",
    "socketpair", "timerfd",
    # By programs that ask for names: test_transport_dns.c, test_name_question.c.
    "dns_cached", "dns_query", "dns_request", "name_question",
    # By who looks from outside: test_link_capture_memory.c, test_capture_reader.c, test_syslog_sender.c.
    "capture_ring", "capture_reader", "syslog_queue",
    "posted_message",  # by who finds a channel full: test_dispatch_retry.c, test_dispatch_own.c
}


# Stay for ever, and which of them there are depends on what has failed: a list for each pool that was
# ever used, of some ten; the first block of TIME-WAIT's table, once we have closed first.
KEPT = {"pool_list": 10, "tcp_timewait": 2}


@dataclass
class Kind:
    """What a run says of a kind of memory, from when the first client had reached the server."""
    wanted: int
    failed: int
    left: int


@dataclass
class Run:
    """How a load went."""
    what: str
    kinds: dict
    counts: dict
    report: str  # why it cannot be right whatever the counts say


def run(load, *words):
    roles, card = LOADS[load]
    node_count = 1 + sum(int(number) for number in re.findall(r"(?:\+[A-Z]+|httpd:)(\d)", " ".join(roles)))
    process = subprocess.run(
        [PROGRAM, "--nodes", str(node_count), "--card", ",".join((f"memory:{card}", *words)),
         "net=192.0.2.10/24,gw=192.0.2.1", *roles],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=LONG_WAIT_S, check=False)
    said = process.stdout + process.stderr
    kinds = {name: Kind(*map(int, numbers)) for name, *numbers in
             re.findall(r"memory (\w+): (\d+) wanted, (\d+) failed, (\d+) left", said)}
    counts = {name: int(number) for number, name in
              re.findall(r"(\d+) (?:connections )?(wrong|refused|reset|given up|turned away)", said)}
    is_well = process.returncode == 0 and not REPORT.search(said) and kinds and counts
    return Run(f"{load} {' '.join(words)}", kinds, counts, "" if is_well else said)


def faults(wanted):
    """(First, count) of what shall fail of so many: some alone, and some in a row."""
    alone = sorted({1, 2, 3, wanted // 2} - {0})
    return [(first, 1) for first in alone if first <= wanted] + [(1, 5), (max(1, wanted // 3), 12)]


def faults_of_any(load, wanted):
    """Of all kinds in the order in which they are wanted: two in a row, so that what is wanted because
    something else has failed fails, too. Runs differ a little: all of them come as far as two thirds."""
    places = range(1, 33) if load == "alone" else range(1, wanted * 2 // 3, 1 + wanted // 20)
    return [(first, 2) for first in places]


@pytest.fixture(name="runs", scope="module")
def fixture_runs():
    """By load: the run without faults, and those with."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        without = dict(zip(LOADS, pool.map(lambda load: run(load, "fail=none"), LOADS)))
        tried = set()
        wanted = []
        for load, first in without.items():
            assert not first.report, first.report
            rest = "rest=" + ".".join(str(kind.left + KEPT.get(name, 0))
                                      for name, kind in first.kinds.items())
            total = sum(kind.wanted for kind in first.kinds.values())
            new = [name for name, kind in first.kinds.items()
                   if kind.wanted and name not in tried and name != "tcp_recovery"]
            plans = [(name, *fault) for name in new for fault in faults(first.kinds[name].wanted)]
            plans += [("any", *fault) for fault in faults_of_any(load, total)]
            tried.update(new)
            wanted += [(load, f"fail={name}:{number}:{count}", rest) for name, number, count in plans]
        done = list(pool.map(lambda words: (words[0], run(*words)), wanted))
    return {load: (without[load], [one for name, one in done if name == load]) for load in LOADS}


@pytest.mark.parametrize("load", LOADS)
def test_no_failure_stops_a_node(runs, load):
    for one in runs[load][1]:
        assert not one.report, f"{one.what}\n{one.report}"


@pytest.mark.parametrize("load", LOADS)
def test_each_object_that_cannot_be_had_costs_one_request_at_most(runs, load):
    """All others are answered whole, or a run would not end."""
    without, others = runs[load]
    for one in others:
        failed = sum(kind.failed for kind in one.kinds.values())
        lost = sum(one.counts[name] for name in ("reset", "turned away", "given up"))
        assert failed >= 1 and lost <= failed and one.counts["wrong"] == 0, (one.what, failed, one.counts)
        # Before the server has come up clients are refused.
        assert one.counts["refused"] <= 1, (one.what, one.counts, without.counts)


@pytest.mark.parametrize("load", LOADS)
def test_all_memory_is_given_back(runs, load):
    """No more is left of any kind than without faults."""
    without, others = runs[load]
    for one in others:
        left = {name: (kind.left, without.kinds[name].left) for name, kind in one.kinds.items()
                if kind.left > without.kinds[name].left + KEPT.get(name, 0)}
        assert not left, (one.what, left)


def test_each_kind_has_failed_or_is_known_to_be_tried_elsewhere(runs):
    """So that a new one is not forgotten: every kind of the program is in the list that it prints."""
    known = set(runs["short"][0].kinds)
    failed = {name for _, others in runs.values() for one in others
              for name, kind in one.kinds.items() if kind.failed}
    assert sorted(known - failed - ELSEWHERE) == []  # some of those fail here too, on some hosts
    assert sorted(ELSEWHERE - known) == []
