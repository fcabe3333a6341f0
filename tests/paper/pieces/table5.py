# SPDX-License-Identifier: MIT
"""Table 5: what establishing a connection costs over all CM configurations."""

from measures.configurations import CONFIGURATIONS
from piece import AGREES, CONTRADICTS, Finding, Piece, Shown, Table

PAPER = Table("Microseconds, under a full load", ["configuration", "Tcm", "Tmsg", "Tinsg"], [
    ["TS8LS8CM8", 0.39, 3.26, 10.05], ["TS8LS8+CM1", 17.78, 5.17, 8.61], ["TS8LS8+CM2", 14.73, 4.96, 8.59],
    ["TS8LS8+CM4", 13.67, 4.99, 10.05], ["TS8LS8CM1", 6766.68, 5.91, 10.91], ["TS8LS8CM2", 39.73, 5.92, 11.57],
    ["TS8LS8CM4", 10.46, 5.18, 12.38]])
COMBINED = "TS8LS8CM8"
NAMES = [row[0] for row in PAPER.rows]


def queueing(rows):
    """Where Tcm is waiting, the CM's node must be as busy as any: then its queue grows under a full load."""
    full = [row["configuration"] for row in rows[1:] if row["busiest_cm"] >= 0.99 * row["busiest_node"]]
    expected = [row["configuration"] for row in rows[1:] if "+" not in row["configuration"]]
    apart = next(row for row in rows if row["configuration"] == "TS8LS8+CM1")
    return Finding(AGREES if full == expected else CONTRADICTS,
                   "“The queue length at the CM grows unbounded” in TS8LS8CM1: when load fills "
                   "the busiest node, the CM's node is that one in "
                   f"{', '.join(full) or 'no configuration'}, because it serves connections of its "
                   "own beside managing all. A single CM on a node of its own has "
                   f"{apart['busiest_cm'] / apart['busiest_node']:.2f} of the busiest node's work, "
                   "so its queue stays short; the paper's was overwhelmed.")


def show(configurations):
    configurations.require("configuration", "CM", "message", "TS", "LS", "messages", "instructions", "busiest_node", "busiest_cm")
    ours = [configurations.one(configuration=name) for name in NAMES]
    rows = [[row["configuration"], row["CM"], row["message"] + row["kernel"], row["TS"] + row["LS"], row["messages"],
             row["busiest_node"], row["busiest_cm"], row["busiest_cm"] / row["busiest_node"]] for row in ours]
    combined = ours[0]
    costs = [row["CM"] + row["message"] for row in ours]
    worst = max(range(1, len(ours)), key=lambda index: costs[index])
    rises = all(cost > costs[0] for cost in costs[1:])
    findings = [
        Finding(AGREES if rises else CONTRADICTS,
                "Connection management costs more with every other CM configuration"
                + (f": CM and messages take {costs[0]:,.0f} instructions combined, up to "
                   f"{costs[worst]:,.0f} "
                   f"({ours[worst]['configuration']})." if rises else ": not in all here.")),
        Finding(CONTRADICTS if max(row["CM"] for row in ours) < 3 * combined["CM"] else AGREES,
                "The paper's Tcm grows by 26 to 17,000 times. The CM's own instructions hardly "
                f"change here (at most {max(row['CM'] for row in ours):,.0f}, combined "
                f"{combined['CM']:,.0f}), nor should they: what grew in the paper was waiting, in "
                "the queue of a CM that is overwhelmed, and a count of instructions has no "
                "waiting in it."),
        queueing(ours)]
    return Shown([Table("Instructions per short connection by whose code they are; messages from "
                        "node to node", [
        "configuration", "CM", "messages and kernel", "TS and LS", "messages sent", "busiest node's", "busiest CM's",
        "CM's load"], rows)],
        [], findings)


PIECE = Piece(
    "table5", "Table 5: establishing a connection, over all CM configurations", "5.4", (
        PAPER, "Tcm: from a SYN's arrival at the LS to its hand-over to the TS. Tmsg: message "
        "passing. Tinsg: TCP/IP in the TS. “Time spent in the CM increases significantly with all "
        "split configurations.”"),
    "guest instructions",
    "The same runs as figure 11's. Instructions are those of a whole connection, with its request "
    "and its end, in the CM's code (net/manager), in channels and event loop (kernel/message, and "
    "the rest of the kernel), and in transport and link server.",
    ("The paper timed parts of a connection's way; code is counted here whole, because an emulated "
     "processor's time means nothing and two cores cannot run sixteen nodes natively.",
     "The subscripts of the first rows are read as 8: the copy of the paper prints some as 3."),
    (CONFIGURATIONS,), show)
