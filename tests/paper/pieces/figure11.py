# SPDX-License-Identifier: MIT
"""Figure 11: configurations compared."""

import plots
from measures.configurations import CONFIGURATIONS, GROUPS
from piece import AGREES, CONTRADICTS, OPEN, Finding, Piece, Plot, Shown, Table

COMBINED = "TS8LS8CM8"
PARTS = ("LS", "TS", "CM", "message", "kernel", "libc", "app")


def rate(row):
    """Connections for each million instructions of the node that has most to do."""
    return 1e6 / row["busiest_node"]


def rate_per_node(row):
    """The same for each node of the machine, as if one could buy nodes by the part."""
    return rate(row) / row["nodes"]


def draw(configurations):
    figure, (upper, lower) = plots.new(rows=2, size=(9.5, 8.2), sharex=True)
    rows = [row for group, _ in GROUPS for row in configurations.where(group=group)]
    places, place, last = [], 0.0, None
    for row in rows:
        place += 1.0 if row["group"] == last else 1.7
        places.append(place)
        last = row["group"]
    below = [0.0] * len(rows)
    for index, part in enumerate(PARTS):
        values = [row[part] for row in rows]
        upper.bar(places, values, 0.75, bottom=below, label=part, color=plots.COLOURS[index])
        below = [a + b for a, b in zip(below, values)]
    upper.set_ylabel("instructions per connection")
    upper.legend(ncol=len(PARTS), loc="upper center", bbox_to_anchor=(0.5, 1.14), fontsize=9)
    plots.thousands(upper)
    colours = [plots.COLOURS[[group for group, _ in GROUPS].index(row["group"])] for row in rows]
    bars = lower.bar(places, [rate(row) for row in rows], 0.75, color=colours)
    lower.bar_label(bars, [f"{row['nodes']}" for row in rows], fontsize=8, padding=2)
    lower.set_ylabel("connections per million instructions\nof the busiest node (above: nodes "
                     "used)")
    lower.set_xticks(places, [row["configuration"] for row in rows], rotation=45, ha="right")
    for group, _ in GROUPS:
        inside = [where for where, row in zip(places, rows) if row["group"] == group]
        if inside:
            lower.text(sum(inside) / len(inside), lower.get_ylim()[1] * 1.03, group, ha="center", fontsize=9)
    lower.grid(axis="x", visible=False)
    upper.grid(axis="x", visible=False)
    return figure


def findings(configurations):
    combined = configurations.one(configuration=COMBINED)
    others = [row for row in configurations.rows if row["configuration"] != COMBINED]
    cheaper = [row["configuration"] for row in others if row["instructions"] < combined["instructions"]]
    faster = [row["configuration"] for row in others if rate(row) > rate(combined)]
    denser = [row["configuration"] for row in others if rate_per_node(row) > rate_per_node(combined)]
    found = [Finding(CONTRADICTS if cheaper else AGREES,
                     "A connection takes fewest instructions combined "
                     f"({combined['instructions']:,.0f})"
                     + (", but fewer in "
                        f"{', '.join(cheaper)}." if cheaper else " of all configurations."))]
    if faster:
        best = max(others, key=rate)
        per_message = (best["message"] + best["kernel"] - combined["message"] - combined["kernel"]) / max(
            0.1, best["messages"] - combined["messages"])
        found.append(Finding(
            CONTRADICTS, "“The combined configuration outperforms all others”: not if nodes are "
            f"free. In {', '.join(faster)} the busiest node has less to do than a combined one, so "
            "a machine with that many cores would serve up to "
            f"{max(map(rate, others)) / rate(combined):.2f} times as many connections a second. "
            "The paper's split servers paid more than they saved by messages of 597 to 1,898 "
            f"cycles with misses; here each further message costs {per_message:,.0f} instructions, "
            "and what a line's way costs beyond instructions is not counted."))
    else:
        found.append(Finding(AGREES, "The combined servers' busiest node has least to do of all "
                                     "configurations."))
    found.append(Finding(CONTRADICTS if denser else AGREES,
                         "For each node used the combined configuration serves most"
                         + (", but for "
                            f"{', '.join(denser)}." if denser else ": splitting is a net "
                                                                             "loss of cores.")))
    few = configurations.where(group="separate LSs")
    if len(few) > 1:
        found.append(Finding(AGREES if rate(few[0]) < 0.7 * rate(combined) else CONTRADICTS,
                             "Separate LSs are the bottleneck while they are few: one LS allows "
                             f"{rate(few[0]) / rate(combined):.2f} of the combined rate, as many "
                             f"as TSs {rate(few[-1]) / rate(combined):.2f}."))
    subset = configurations.where(group="CMs in a subset")
    if subset:
        worst = rate(subset[0]) / rate(combined)
        found.append(Finding(AGREES if worst < 0.8 else CONTRADICTS,
                             "“Acute performance degradation” with few CMs in a subset: "
                             f"{subset[0]['configuration']} allows {worst:.2f} of the combined "
                             "rate. " + (
                                 "The node that is everybody's CM is the busiest, and the rest "
                                 "wait for it; how long their queues get, a count of instructions "
                                 "does not say." if worst < 0.8 else
                                 "Managing a connection is a small part of its cost, so one node "
                                 "does it for eight.")))
    if any(row["failed"] for row in configurations.rows):
        found.append(Finding(OPEN, "Some requests failed: " + ", ".join(
            f"{row['configuration']} "
            f"{row['failed']}" for row in configurations.rows if row["failed"]) + "."))
    return found


def show(configurations):
    configurations.require("group", "configuration", "nodes", "instructions", "busiest_node", *PARTS)
    combined = configurations.one(configuration=COMBINED)
    rows = [[row["configuration"], row["nodes"], row["instructions"], row["instructions"] / combined["instructions"],
             row["busiest_node"], row["busiest_roles"], rate(row) / rate(combined),
             rate_per_node(row) / rate_per_node(combined)]
            for group, _ in GROUPS for row in configurations.where(group=group)]
    table = Table("Instructions per short connection, and the rates that follow for cores of equal "
                  "speed", [
        "configuration", "nodes", "instructions", "/ combined", "busiest node's", "its roles", "rate / combined",
        "rate per node / combined"], rows)
    plot = Plot("figure11", "Two rows of bars, one for each configuration: instructions per "
                "connection by whose code they are, and connections for each million instructions "
                "of the busiest node.", draw(configurations))
    return Shown([table], [plot], findings(configurations))


PIECE = Piece(
    "figure11", "Figure 11: configurations compared", "5.4", (
        "Connections per second with eight TSs and eight applications held constant, in four "
        "groups: separate LSs, separate CMs, both separate, CMs in a subset; and the combined "
        "configuration. The text gives no numbers.",
        "“The combined configuration outperforms all others, while using fewer cores.” Separate "
        "LSs: “very poor until LS8”. Separate CMs: “not substantially” worse. Both: TS8+LS8+CM8 "
        "“is close to the baseline (but using twice as many cores)”. Subset: “acute performance "
        "degradation at CM1 and CM2”."),
    "guest instructions",
    "Each configuration boots in QEMU with eight web servers on nodes of their own; 128 "
    "connections at a time from four ab ask for /4b. All instructions of all nodes are counted by "
    "node and by whose code they are. A machine whose cores have equal speed is as fast as its "
    "busiest node allows, so the rate is 1 / that node's instructions.",
    ("Instructions stand for time: what misses of caches and queues cost beyond them is not seen.",
     "Which numbers of LSs and CMs the paper tried: 1, 2, 4 and 8 each, the same of both when both "
     "are separate.",
     "Idle rounds of the event loop are in it, as far as a node takes them before it sleeps."),
    (CONFIGURATIONS,), show)
