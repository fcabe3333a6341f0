# SPDX-License-Identifier: MIT
"""Figure 5: service time percentiles under load imbalance, beside one shared accept queue."""

import percentiles
from measures.imbalance import HOW, IMBALANCE
from measures.simulation import file
from piece import AGREES, CONTRADICTS, OPEN, Finding, Piece, Plot, Shown, Table

PIKA, LINUX, UNDISTURBED = "tournament:2", "linux", "undisturbed"
PLACES = (50, 80, 90, 95, 99, 99.9)
ASSUMED = (
    "The text gives neither the web servers' service times nor the delays.",
    "Service time: from the choice of an application for the connection to its close.")

# A web server that is always or slightly slow takes three times its usual time on the running system, and one
# that all avoid is slower still.
SLOWED_TIMES = 4.0
# The paper's experiment in seconds; a shorter one has the same phases, each as much shorter.
LENGTH_S = 5.0


def stretch(data):
    """How long this run is, over the paper's."""
    return float(data.notes.get("length of the experiment", "5 s").split()[0]) / LENGTH_S


def show(data, imbalance):
    data.require("system", "percentile", "service_us")
    curves = {name: percentiles.curve(data.where(system=name)) for name in (PIKA, LINUX, UNDISTURBED)
              if data.where(system=name)}
    rows = [[name, *(percentiles.at(points, place) for place in PLACES)] for name, points in curves.items()]
    findings = []
    if {PIKA, LINUX, UNDISTURBED} <= curves.keys():
        knee, linux_knee = (percentiles.leaves_at(curves[name], curves[UNDISTURBED]) for name in (PIKA, LINUX))
        findings.append(Finding(
            AGREES if knee is None or knee >= 99 else CONTRADICTS,
            f"“The knee occurs past the 99th percentile”: {PIKA} leaves twice the undisturbed time "
            "at "
            + (f"{knee:g} %." if knee else "no percentile measured.")))
        for place in (95, 99, 99.9):
            ours, theirs = (percentiles.at(curves[name], place) for name in (PIKA, LINUX))
            findings.append(Finding(
                AGREES if ours <= theirs else CONTRADICTS,
                f"“PIKA does better at higher percentiles” than one accept queue: {ours:,.0f} us "
                f"beside {theirs:,.0f} us at {place:g} %."
                + ("" if ours <= theirs else " A connection waits behind another one at a slow web "
                   "server that was chosen for both, and an estimate follows only after "
                   "connections have been slow; from one queue a web server takes the next when it "
                   "is free. What the paper measured of Linux includes its locks.")))
        findings.append(Finding(OPEN, "The one queue leaves twice the undisturbed time at " + (
            f"{linux_knee:g} %" if linux_knee else "no percentile measured") + "; the paper gives "
                                                                               "no number for "
                                                                               "Linux."))
    else:
        findings.append(Finding(OPEN, "Not all of the systems are in the data."))
    tables = [Table("Simulated: service time in microseconds at percentiles",
                    ["", *(f"{place:g} %" for place in PLACES)], rows)]
    shown = [Plot("figure5", "Service time over percentiles on logarithmic axes, for PIKA's tournament, Linux' one "
                  "queue, and without delays.", percentiles.draw(curves))]
    if imbalance:
        real, table, plot = percentiles.measured(imbalance, (PIKA, LINUX, UNDISTURBED), "figure5-measured")
        tables.append(table)
        shown.append(plot)
        knee = percentiles.leaves_at(real[PIKA], real[UNDISTURBED], SLOWED_TIMES)
        findings.append(Finding(AGREES if knee is None or knee >= 99 else CONTRADICTS,
                                f"On the running system {PIKA} leaves {SLOWED_TIMES:g} times the undisturbed time at "
                                + (f"{knee:g} %." if knee else "no percentile measured.") + " A median of 128 service times "
                                "needs 3.4 s of a server's connections there, two thirds of the shortest phase; in the paper's "
                                "experiment a fifteenth."))
        if LINUX in real:
            queue_knee = percentiles.leaves_at(real[LINUX], real[UNDISTURBED], SLOWED_TIMES)
            findings.append(Finding(OPEN, f"Measured, Linux's one queue leaves {SLOWED_TIMES:g} times the undisturbed time at "
                                    + (f"{queue_knee:g} %" if queue_knee else "no percentile measured")
                                    + ": a web server takes the next connection when it is free, however slow it is."))
    return Shown(tables, shown, findings)


PIECE = Piece(
    "figure5", "Figure 5: service times under imbalance, PIKA and Linux", "5.3", (
        "Service time over percentiles. “PIKA adapts to the load imbalance with minimal impact on "
        "service time (knee in curve occurs past 99th percentile).” The text gives no numbers.",
        "8 composite servers and 8 web servers, four of which are delayed; 30,000 connections a "
        "second."),
    "virtual time; the running system",
    "The real connection managers and balance code in a discrete-event simulation (tests/sim): 8 "
    "CMs with TSs, 8 web servers, 30,000 connections a second, delays injected as the paper "
    "describes. Linux is one accept queue for all web servers. " + HOW,
    ASSUMED, (file("fig5"),), show, (IMBALANCE,))
