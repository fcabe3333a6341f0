# SPDX-License-Identifier: MIT
"""Figure 10: how many connections stay local at the web server that is slightly slowed."""

import plots
from measures.simulation import file
from pieces.figure5 import ASSUMED, stretch
from piece import AGREES, CONTRADICTS, OPEN, Finding, Piece, Plot, Shown, Table

SLOWED_S = 3.0


def means(rows, by):
    """Local connections a second before and after the web server slows."""
    def mean(begin_s, end_s):
        inside = [row["local_per_s"] for row in rows if begin_s <= row["time_s"] < end_s]
        return sum(inside) / len(inside) if inside else 0

    end_s = max(row["time_s"] for row in rows)
    return mean(0.2 * by, (SLOWED_S - 0.05) * by), mean((SLOWED_S + 0.2) * by, end_s)


def show(data):
    data.require("scheme", "time_s", "local_per_s")
    by = stretch(data)
    schemes = {}
    for row in data.rows:
        schemes.setdefault(row["scheme"], []).append(row)
    figure, axes = plots.new()
    for scheme, rows in schemes.items():
        rows.sort(key=lambda row: row["time_s"])
        axes.plot([row["time_s"] for row in rows], [row["local_per_s"] for row in rows], linewidth=1.4,
                  **plots.scheme(scheme))
    axes.axvline(SLOWED_S * by, color=plots.REFERENCE, linewidth=0.8, linestyle=":")
    axes.set_xlabel("s (dotted: web server 7 slows slightly)")
    axes.set_ylabel("connections/s that stay local")
    axes.set_ylim(bottom=0)
    plots.legend(axes, loc="center left", bbox_to_anchor=(1, 0.5))
    values = {scheme: means(rows, by) for scheme, rows in schemes.items()}
    findings = []
    if {"tournament:2", "filtered:2", "unfiltered:2"} <= values.keys():
        tournament, filtered, unfiltered = (values[name] for name in ("tournament:2", "filtered:2", "unfiltered:2"))
        slight = tournament[1] / max(1, tournament[0])
        findings = [
            Finding(AGREES if unfiltered[0] < 0.7 * tournament[0] else CONTRADICTS,
                    f"unfiltered:2 has poor locality all the time: {unfiltered[0]:,.0f} local "
                    f"connections a second before 3 s, tournament:2 {tournament[0]:,.0f}."),
            Finding(AGREES if filtered[1] < 0.7 * filtered[0] else CONTRADICTS,
                    "filtered:2 prefers remote web servers greatly from 3 s on: from "
                    f"{filtered[0]:,.0f} to {filtered[1]:,.0f}."),
            Finding(AGREES if tournament[1] > filtered[1] else CONTRADICTS,
                    f"tournament:2 stays more local than filtered:2: {tournament[1]:,.0f} after 3 s."),
            Finding(AGREES if slight > 0.75 else CONTRADICTS,
                    f"tournament:2 shows “only a slight decrease”: {slight:.2f} times as many as before."
                    + ("" if slight > 0.75 else " How slight depends on how slow the web server gets, which the paper "
                       f"does not say; here {data.notes.get('delay of web server 7', 'unknown')}."))]
    else:
        findings.append(Finding(OPEN, "Not all three schemes are in the data."))
    table = Table("Local connections per second of web server 7", ["scheme", "before 3 s", "after"],
                  [[scheme, *pair] for scheme, pair in values.items()])
    return Shown([table], [Plot("figure10", "Connections that stay local at web server 7 over "
                                            "time, for each scheme.", figure)], findings)


PIECE = Piece(
    "figure10", "Figure 10: locality at a web server that is slightly slowed", "5.3", (
        "Connections assigned locally at web server #7 over time, for Tournament 2, Filtered 2 and "
        "Unfiltered 2. Unfiltered 2 is remote all the time; Filtered 2 “greatly prefers remote web "
        "servers” from 3 s on; Tournament 2 “shows only a slight decrease”.",),
    "virtual time", "The set-up of figure 5 with each of the "
                    "schemes.", ASSUMED, (file("fig10"),), show)
