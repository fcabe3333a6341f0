# SPDX-License-Identifier: MIT
"""Table 4: what establishing a connection costs with one client, the CM with the rest or apart."""

from measures import native
from measures.single_client import SINGLE_CLIENT
from piece import AGREES, CONTRADICTS, Finding, Piece, Shown, Table

PAPER = Table("Microseconds, one client, concurrency "
              "1", ["configuration", "Tcm", "Tmsg", "Tinsg", "Ttotal"], [
    ["TS1LS1CM1", 0.31, 3.13, 7.12, 307], ["TS1LS1+CM1", 9.24, 3.67, 7.34, 311]])


def instruction_table(single):
    rows = [[row["configuration"], row["CM"], row["message"] + row["kernel"], row["TS"] + row["LS"], row["libc"] + row["app"],
             row["instructions"], row["messages"]] for row in single.rows]
    return Table("Guest instructions per connection, application on a node of its own", [
        "configuration", "CM", "messages and kernel", "TS and LS", "application and libc", "all", "messages sent"], rows)


def native_table(measured):
    rows = [[row["configuration"], row["nodes"], row["CM"], row["message"] + row["kernel"], row[native.SYSTEM],
             row["TS"] + row["LS"], row["libc"] + row["app"], 1e6 / row["requests_per_s"]] for row in measured.rows]
    return Table("Cycles per connection on this host's cores, and the whole of it in microseconds "
                 "(application on the TS's node)", [
        "configuration", "nodes", "CM", "messages and kernel", "system calls", "TS and LS", "application and libc",
        "Ttotal, us"], rows)


def show(single, measured):
    single.require("configuration", "CM", "message", "messages")
    measured.require("configuration", "CM", "message", native.SYSTEM, "requests_per_s")
    combined, split = single.rows
    messaging = split["message"] + split["kernel"] - combined["message"] - combined["kernel"]
    management = split["CM"] - combined["CM"]
    protocol = split["TS"] + split["LS"] - combined["TS"] - combined["LS"]
    near, far = (1e6 / row["requests_per_s"] for row in measured.rows)
    calls = measured.rows[1][native.SYSTEM] - measured.rows[0][native.SYSTEM]
    more = measured.rows[1]["cycles"] - measured.rows[0]["cycles"]
    findings = [
        Finding(AGREES if messaging > 2 * max(abs(management), abs(protocol)) else CONTRADICTS,
                "The price of a separate CM is communication: "
                f"{split['messages'] - combined['messages']:.1f} messages more a connection, "
                f"{messaging:,.0f} instructions more in messages and kernel, {management:+,.0f} in "
                f"the CM's own code, {protocol:+,.0f} in TCP."),
        Finding(AGREES if far > near else CONTRADICTS,
                f"A connection takes longer with it: {far:.1f} us natively beside {near:.1f} us, "
                f"{far - near:.1f} us more; the paper 311 beside 307, with 8.93 us more in Tcm. "
                f"{calls / max(1, more) * 100:.0f} % of the cycles that it costs more are system "
                "calls, by which a hosted node with nothing to do sleeps and is woken, where "
                "PIKA's servers polled. The paper's Ttotal has a network and its client in it, "
                "ours a client in memory.")]
    return Shown([instruction_table(single), native_table(measured)], [], findings)


PIECE = Piece(
    "table4", "Table 4: establishing a connection, CM combined or separate", "5.4", (
        PAPER, "“The significant difference between the two is in Tcm (8.93 us). This represents "
               "the additional communication cost.”"),
    "guest instructions; native cycles",
    "One client with one connection at a time asks for /4b, a connection each. First in QEMU with "
    "ab: instructions by whose code they are. Then the hosted build with its card in memory: "
    "cycles of the time-stamp counter of all nodes' processes, the least of seven runs, shared out "
    "by the samples that perf takes of one more (cpu-clock, 10 kHz); the card's and its client's "
    "are left out of the columns, but not of Ttotal. Native figures vary with what else the host "
    "does.",
    ("Tcm is an interval in the paper; here it is the CM's code, with messages and sleeps in "
     "columns of their own.",
     "Natively the application shares the TS's node, so that each node has one of this machine's "
     "two cores."),
    (SINGLE_CLIENT, native.SINGLE_CLIENT), show)
