# SPDX-License-Identifier: MIT
"""Table 2: messages and threads."""

from measures.messages import MESSAGES
from piece import AGREES, CONTRADICTS, OPEN, Finding, Piece, Shown, Table

PAPER = Table("Latency in cycles, and cache misses of a round "
              "trip", ["", "socket", "cycles", "misses"], [
    ["Shared memory, one line", "on", 186, 2.00], ["", "off", "564 (?)", 2.00],
    ["Synchronous, messaging", "on", 597, 2.95], ["", "off", 1898, 3.13],
    ["Synchronous, dispatch", "on", 706, None], ["", "off", 2058, None],
    ["Concurrent, messaging", "on", 150, 2.00], ["", "off", 370, 2.60],
    ["Concurrent, dispatch", "on", 378, None], ["", "off", 857, None],
    ["Microthread", "", 26, None]])

# The paper's row, ours, and the paper's cycles within a socket.
ROWS = (("Shared memory, one line", "one line, there and back", 186),
        ("Shared memory, two lines", "two lines, there and back", None),
        ("Synchronous, messaging", "round trip", 597),
        ("Synchronous, dispatch", "round trip, dispatched", 706),
        ("Concurrent, messaging", "32 in flight", 150),
        ("Concurrent, dispatch", "32 in flight, dispatched", 378),
        ("A stream, one way", "streaming", None),
        ("Message of 4 KiB", "message of 4 KiB", None),
        ("memcpy() of 4 KiB", "memcpy of 4 KiB", None),
        ("Microthread", "thread that does not yield", 26),
        ("Microthread that yields and is resumed", "yield and resume", None))


def show(messages):
    messages.require("measure", "tenth", "median", "disturbed")
    cycles = {row["measure"]: row["tenth"] for row in messages.rows}
    one = cycles["one line, there and back"]
    rows = [[name, cycles[ours], messages.one(measure=ours)["median"], cycles[ours] / one,
             paper / 186 if paper else None] for name, ours, paper in ROWS]
    two, trip = cycles["two lines, there and back"], cycles["round trip"]
    dispatched, flight = cycles["round trip, dispatched"], cycles["32 in flight"]
    findings = [
        Finding(AGREES if trip / two <= 3.2 else CONTRADICTS,
                "Allocation and polling misses make the paper's round trip 3.2 times its one "
                f"line. Here a message is built in the receiver's ring, and costs {trip / two:.2f} "
                "times two lines there and back, which no full message can undercut."),
        Finding(AGREES if flight < trip else CONTRADICTS,
                f"With many in flight the misses are hidden: {flight} cycles each, beside {trip} "
                "synchronous."),
        Finding(AGREES if dispatched <= 1.5 * trip else CONTRADICTS,
                f"Dispatch adds a modest overhead: {dispatched} cycles beside {trip} "
                f"({dispatched / trip:.2f} times; the paper 1.18).")]
    if any(row["disturbed"] == "yes" for row in messages.rows):
        findings.append(Finding(OPEN, "Some lines were disturbed by other programs (their median "
                                "is half above the tenth): measure again on a quiet host."))
    return Shown([Table("Cycles of the time-stamp counter: worst of the best tenth, and median", [
        "", "tenth", "median", "/ one line", "paper's / one line"], rows)], [], findings)


PIECE = Piece(
    "table2", "Table 2: messages and threads", "5.1", (
        PAPER, "“Synchronous”: two processes, one message at a time. “Concurrent”: “many communicating processes”. "
        "“Dispatch adds modest overhead in all cases.” The copy of the paper at hand has no misses "
        "for the dispatch rows, and 564 is hardly legible."),
    "native cycles",
    "make bench-messages: two processes on two cores of this machine are two nodes and run the "
    "kernel's own channels, dispatcher and threads (tests/bench/messages.c), beside the least that "
    "C can do there with lines of the same size. All measures take turns in batches of some ten "
    "microseconds; the figure is the worst of the best tenth. On a host that other programs use, "
    "or whose virtual cores move, the figures vary by a factor of four: compare lines of one run.",
    ("The paper's processor is a Xeon E7-4850; its cycles are compared by their ratio to one line "
     "there and back.",
     "Off socket: this host has one socket, as far as it tells.",
     "Concurrent: 32 messages in flight between two nodes; the paper does not say how many, nor between "
     "how many processes."),
    (MESSAGES,), show)
