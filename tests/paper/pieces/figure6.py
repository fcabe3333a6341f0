# SPDX-License-Identifier: MIT
"""Figure 6: service times over the experiment, and the balancer's estimates of them."""

import plots
from measures.simulation import file
from pieces.figure5 import ASSUMED
from piece import AGREES, CONTRADICTS, Finding, Piece, Plot, Shown, Table


def draw(actual, estimates):
    figure, both = plots.new(columns=2, sharey=True)
    for axes, data, column, title in ((both[0], actual, "service_us", "service times (a)"),
                                      (both[1], estimates, "estimate_us", "the balancer's estimates (b)")):
        for index, server in enumerate(sorted(set(data.column("web_server")))):
            rows = sorted(data.where(web_server=server), key=lambda row: row["time_s"])
            rows = [row for row in rows if row[column] != "" and row[column] != 0]
            axes.plot([row["time_s"] for row in rows], [row[column] for row in rows], linewidth=1.3,
                      label=f"#{server}", color=plots.COLOURS[index % len(plots.COLOURS)])
        axes.set_yscale("log")
        axes.set_title(title)
        axes.set_xlabel("s")
    both[0].set_ylabel("us")
    plots.legend(both[1], title="web server", fontsize=8, ncol=2)
    return figure


def show(actual, estimates, errors):
    actual.require("time_s", "web_server", "service_us")
    estimates.require("time_s", "web_server", "estimate_us")
    errors.require("web_server", "median_error_percent", "p90_error_percent")
    worst = max(errors.column("median_error_percent"))
    rows = [[f"#{row['web_server']}", row["median_error_percent"], row["p90_error_percent"]] for row in errors.rows]
    return Shown(
        [Table("How far estimates are from the times of the same slice, per "
               "cent", ["web server", "median", "90 %"], rows)],
        [Plot("figure6", "Median service time of each web server over time, and beside it the "
                         "estimates of it.", draw(actual, estimates))],
        [Finding(AGREES if worst <= 15 else CONTRADICTS,
                 "“Nearly identical to the actual service times”: the worst web server's median "
                 f"error is {worst:.1f} %.")])


PIECE = Piece(
    "figure6", "Figure 6: service times and the estimates of them", "5.3", (
        "Service times of 8 web servers over the experiment (a), and PIKA's estimates (b): three "
        "have transient delays (#1 from 0.5 to 1 s, #3 from 1.5 to 4 s, #7 slightly from 3 s), one "
        "is always slow.",
        "“This is nearly identical to the actual service times (Figure 6a), demonstrating that "
        "PIKA has accurate knowledge.” Moving median of 128, sampled every 500 us."),
    "virtual time", "The run of figure 5 with tournament:2; medians of slices of time, and the "
                    "estimates at their ends.", ASSUMED,
    (file("fig6a"), file("fig6b"), file("fig6_error")), show)
