# SPDX-License-Identifier: MIT
"""Figure 4: scaling from 1 to 32 nodes."""

import plots
from measures.bench import KEPT, SHORT
from measures.scaling import LINUX, TALUS
from piece import AGREES, CONTRADICTS, OPEN, Finding, Piece, Plot, Shown, Table
from store import Data

LOADS = ((SHORT, "short-lived connections (a)"), (KEPT, "long-lived connections (b)"))
PEERS = (("talus", "Talus"), ("linux", "Linux + nginx"))


def ideal_rate(nodes, instructions):
    """Requests for each million instructions that each of so many cores executes."""
    return nodes * 1e6 / instructions


def draw(scaling):
    figure, both = plots.new(columns=2)
    for axes, (load, title) in zip(both, LOADS):
        base = None
        for index, (peer, name) in enumerate(PEERS):
            rows = scaling.where(peer=peer, load=load)
            if rows:
                nodes = [row["nodes"] for row in rows]
                rates = [ideal_rate(row["nodes"], row["instructions"]) for row in rows]
                axes.plot(nodes, rates, label=name, **plots.style(index))
                if peer == "talus":
                    base = next((rate / 2 for count, rate in zip(nodes, rates) if count == 2), None)
        counts = sorted(set(scaling.column("nodes")))
        if base:
            axes.plot(counts, [base * count for count in counts], color=plots.REFERENCE, linestyle=":",
                      linewidth=1.2, label="ideal: Talus at 2 nodes, times nodes / 2")
        plots.powers_of_two(axes, counts)
        axes.set_yscale("log")
        axes.set_title(title)
        axes.set_xlabel("nodes (Linux: cores)")
        axes.set_ylabel("requests per million instructions of each core")
        plots.legend(axes, loc="upper left", fontsize=8)
    return figure


def growth(scaling, load):
    base = scaling.one(peer="talus", nodes=2, load=load)["instructions"]
    last = max((row["nodes"] for row in scaling.where(peer="talus", load=load)))
    return last, scaling.one(peer="talus", nodes=last, load=load)["instructions"] / base


def findings(scaling):
    found = []
    for load, name in ((SHORT, "short-lived"), (KEPT, "long-lived")):
        last, times = growth(scaling, load)
        found.append(Finding(AGREES if times <= 1.15 else CONTRADICTS,
                             f"Near perfect scaling, {name}: a request costs {times:.2f} times as "
                             f"many instructions on {last} nodes as on 2."))
    linux = {row["nodes"]: row["instructions"] for row in scaling.where(peer="linux", load=SHORT)}
    talus = {row["nodes"]: row["instructions"] for row in scaling.where(peer="talus", load=SHORT)}
    if linux:
        last = max(set(linux) & set(talus))
        first = min(set(linux) & set(talus))
        found.append(Finding(
            AGREES if linux[last] / linux[first] > talus[last] / talus[first] else CONTRADICTS,
            f"Linux scales worse: its short connection costs {linux[last] / linux[first]:.2f} "
            f"times as much on {last} cores as on {first}; Talus' {talus[last] / talus[first]:.2f} "
            "times."))
        ratio = linux[first] / talus[first]
        found.append(Finding(
            CONTRADICTS if ratio > 1.5 else AGREES,
            f"“Competitive with Linux for small core counts”: here Linux takes {ratio:.1f} times the "
            f"instructions at {first}. PIKA's servers were processes of Linux, with its system calls "
            "and copies, and served by a small web server of their own; here a kernel and nginx, "
            "both general, stand beside one program that is both."))
    found.append(Finding(OPEN, "The paper's 1.9 million requests a second cannot be compared: an "
                         "emulated processor has no speed, waits for locks and misses of caches "
                         "cost no instructions, and the paper does not say of which kind its "
                         "requests were (192 connections outstanding at 307 us each would be 0.63 "
                         "million short ones)."))
    return found


def show(talus, linux):
    scaling = Data(talus.columns, talus.rows + (linux.rows if linux else []))
    scaling.require("peer", "nodes", "load", "instructions", "busiest_node", "messages")
    rows = []
    for peer, name in PEERS:
        for load, _ in LOADS:
            for row in scaling.where(peer=peer, load=load):
                rows.append([name, load, row["nodes"], row["instructions"], row["requests_per_s"],
                             row["messages"] if peer == "talus" else None, row["failed"]])
    table = Table("Instructions per request, all nodes together", [
        "", "load", "nodes", "instructions", "requests/s here", "messages between nodes", "failed"], rows)
    plot = Plot("figure4", "Requests per million instructions of each core over the number of "
                "nodes, for short and long-lived connections, Talus and Linux, with a straight "
                "line for perfect scaling.", draw(scaling))
    return Shown([table], [plot], findings(scaling))


PIECE = Piece(
    "figure4", "Figure 4: scaling with the number of cores", "5.2", (
        "Throughput over cores, for short-lived (a) and long-lived connections (b), PIKA, Linux "
        "and “Ideal” (Linux at two cores, scaled up). The text gives one number: 1.9 M requests/s "
        "on a high number of cores.",
        "“PIKA achieves near perfect scaling, chiefly because the use of individual accept queues "
        "by each CM removes the main source of contention.” “PIKA achieves performance competitive "
        "with Linux for small core counts while significantly outperforming it for large core "
        "counts.”"),
    "guest instructions",
    "make bench: all instructions that all virtual cores execute, idle loops too, divided by the "
    "requests; load in proportion to the nodes (16 connections for each server node, from ab). "
    "Half of the nodes are combined servers, half web servers. The Linux guest (nginx, the same "
    "QEMU, the same 82599 model) beside it. The plot turns them into the rate of a machine whose "
    "cores all execute instructions at the same speed. Requests/s are those of an emulated "
    "processor on this host.",
    ("Instructions stand for time. What contention costs Linux beyond instructions (waiting for a "
     "lock spins, and so is seen; a line's way between caches is not) is left out, so Linux' curve "
     "here flatters it.",
     "The default configuration and load balancing of this version; a short connection is one "
     "request for 4 bytes."),
    (TALUS,), show, (LINUX,))
