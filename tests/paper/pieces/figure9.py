# SPDX-License-Identifier: MIT
"""Figure 9: which web server gets the connections over the experiment."""

import plots
from measures.simulation import file
from pieces.figure5 import ASSUMED, LENGTH_S, stretch
from piece import AGREES, CONTRADICTS, Finding, Piece, Plot, Shown, Table

# When the text says that the imbalance changes, and what is looked at between.
TICKS_S = (0.5, 1.0, 1.5, 3.0, 4.0)
MEANS_S = ((0.1, 0.5), (0.55, 0.95), (1.1, 1.5), (1.6, 2.9), (3.1, 3.9), (4.1, 4.9))
REQUESTS_PER_S = 30000


def slices(data):
    """(times, {web server: rates}), as an area plot wants them."""
    times = sorted(set(data.column("time_s")))
    rates = {}
    for row in data.rows:
        rates.setdefault(row["web_server"], {})[row["time_s"]] = row["connections_per_s"]
    return times, {server: [values.get(time, 0) for time in times] for server, values in sorted(rates.items())}


def mean(times, rates, begin_s, end_s):
    inside = [rate for time, rate in zip(times, rates) if begin_s <= time < end_s]
    return sum(inside) / len(inside) if inside else 0


def draw(times, rates, by):
    figure, axes = plots.new()
    axes.stackplot(times, rates.values(), labels=[f"#{server}" for server in rates], colors=plots.COLOURS)
    for tick in (tick * by for tick in TICKS_S):
        axes.axvline(tick, color=plots.REFERENCE, linewidth=0.8, linestyle=":")
    axes.set_xlabel("s (dotted: the imbalance changes)")
    axes.set_ylabel("connections/s")
    plots.thousands(axes)
    axes.set_xlim(times[0], times[-1])
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], title="web server", fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def show(data):
    data.require("time_s", "web_server", "connections_per_s")
    times, rates = slices(data)
    by = stretch(data)
    total = [sum(values) for values in zip(*rates.values())]
    # Connections that began before the first slice end in it, and the last ones have no successors.
    steady = [value for time, value in zip(times, total) if 0.2 * by <= time <= (LENGTH_S - 0.1) * by]
    spans = [(begin * by, end * by) for begin, end in MEANS_S]
    rows = [[f"#{server}", *(mean(times, values, *span) for span in spans)] for server, values in rates.items()]
    first, delayed, recovered = (mean(times, rates[1], *span) for span in spans[:3])
    slow, back = delayed / max(1, first), recovered / max(1, first)
    return Shown(
        [Table("Connections per second of each web server, means", [
            "web server", *(f"{begin:.2g} to {end:.2g} s" for begin, end in spans)], rows)],
        [Plot("figure9", "Connections per second over time, stacked by web server; dotted lines "
                         "where the imbalance changes.",
              draw(times, rates, by))],
        [Finding(AGREES if min(steady) > 0.9 * REQUESTS_PER_S else CONTRADICTS,
                 f"“Throughput is maintained at request rate”: at least {min(steady):,.0f} of "
                 f"{REQUESTS_PER_S:,} connections a second."),
         Finding(AGREES if slow < 0.5 else CONTRADICTS,
                 f"#1 “receives sharply fewer connections” while it is slow: {slow:.2f} times as "
                 "many."),
         Finding(AGREES if 0.8 < back < 1.25 else CONTRADICTS, f"It regains its rate: {back:.2f} "
                                                               "times after it recovered.")])


PIECE = Piece(
    "figure9", "Figure 9: throughput over time, by web server", "5.3", (
        "Connections per second over time under imbalance, by which web server got them. "
        "“Throughput is maintained at request rate throughout the experiment, with minor "
        "fluctuations when the load changes.” At 0.5 s #1 “slows and receives sharply fewer "
        "connections”, at 1 s it recovers; #3 likewise at 1.5 s and 4 s.",),
    "virtual time", "The run of figure 5 with tournament:2.", ASSUMED, (file("fig9"),), show)
