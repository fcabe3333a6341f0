# SPDX-License-Identifier: MIT
"""Figure 7: service time percentiles of the balancing schemes under imbalance."""

import percentiles
from measures.imbalance import HOW, IMBALANCE, UNDISTURBED
from measures.simulation import file
from pieces.figure5 import ASSUMED
from piece import AGREES, CONTRADICTS, OPEN, Finding, Piece, Plot, Shown, Table

GOOD, BAD = ("tournament:2", "filtered:2", "unfiltered:2"), ("unfiltered:100", "naive")
COLUMNS = ("scheme", "p50_us", "p90_us", "p95_us", "p99_us", "p999_us", "undisturbed_p99_us", "leaves_percentile",
           "local_percent")
HEADINGS = ("scheme", "50 %", "90 %", "95 %", "99 %", "99.9 %", "undisturbed 99 %", "leaves at", "local, %")


def findings(rows):
    found = []
    for scheme in (*GOOD, *BAD):
        row = rows.get(scheme)
        if row is None:
            found.append(Finding(OPEN, f"{scheme} is not in the data."))
            continue
        place = row["leaves_percentile"]
        at = (f"takes twice the undisturbed time from percentile {place:g} on" if place < 100 else
              "nowhere takes twice the undisturbed time")
        if scheme in GOOD:
            found.append(Finding(AGREES if place >= 99 else CONTRADICTS,
                                 f"{scheme} should degrade little until the 99th: it {at}; 99 % of "
                                 f"connections take at most {row['p99_us']:,.0f} us (undisturbed "
                                 f"{row['undisturbed_p99_us']:,.0f})."))
        else:
            found.append(Finding(AGREES if place <= 85 else CONTRADICTS,
                                 f"{scheme} should leave the others before the 80th: it {at}."))
    return found


def many_cms(schemes):
    rows = [[row["scheme"], row["cms"], *(row[name] for name in COLUMNS[1:])]
            for row in sorted(schemes.rows, key=lambda row: (row["scheme"], row["cms"]))]
    return Table("The same on larger machines, not in the "
                 "paper", ["scheme", "CMs", *HEADINGS[1:]], rows)


def compare(curves):
    """The measured schemes, by the time at the 95th percentile."""
    times = {name: percentiles.at(points, 95) for name, points in curves.items()}
    good, bad = max(times[name] for name in GOOD), min(times[name] for name in BAD)
    return Finding(AGREES if good < bad else CONTRADICTS,
                   f"On the running system the slowest of {', '.join(GOOD)} takes {good / 1000:.1f} ms at the 95th percentile, the "
                   f"faster of {' and '.join(BAD)} {bad / 1000:.1f} ms.")


def show(data, summary, schemes, imbalance):
    data.require("scheme", "percentile", "service_us")
    summary.require(*COLUMNS)
    schemes.require("cms", *COLUMNS)
    curves = {}
    for row in data.rows:
        curves.setdefault(row["scheme"], []).append(row)
    curves = {name: percentiles.curve(rows) for name, rows in curves.items()}
    table = Table("Service times in microseconds, and where a scheme leaves the undisturbed "
                  "curve", list(HEADINGS),
                  [[row[name] for name in COLUMNS] for row in summary.rows])
    plot = Plot("figure7", "Service time over percentiles for each balancing scheme, on "
                           "logarithmic axes.",
                percentiles.draw(curves))
    found = findings({row["scheme"]: row for row in summary.rows})
    tables, shown = [table, many_cms(schemes)], [plot]
    if imbalance:
        real, measured, picture = percentiles.measured(imbalance, (*GOOD, *BAD, UNDISTURBED), "figure7-measured")
        tables.append(measured)
        shown.append(picture)
        found.append(compare(real))
    return Shown(tables, shown, found)


PIECE = Piece(
    "figure7", "Figure 7: balancing schemes under imbalance", "5.3", (
        "Service time over percentiles for five schemes. “Tournament 2, Filtered 2, and Unfiltered "
        "2 perform similarly and degrade little until the 99th percentile. Unfiltered 100 and "
        "Naive perform poorly, diverging before 80th percentile.”",),
    "virtual time; the running system",
    "The set-up of figure 5 with each scheme; a scheme leaves the undisturbed curve at the first "
    "percentile at which it takes twice as long as without delays. " + HOW,
    ASSUMED, (file("fig7"), file("fig7_summary"), file("schemes")), show, (IMBALANCE,))
