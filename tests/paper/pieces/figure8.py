# SPDX-License-Identifier: MIT
"""Figure 8: scaling of the balancing schemes under a uniform load."""

import plots
from measures.simulation import file
from piece import AGREES, CONTRADICTS, OPEN, Finding, Piece, Plot, Shown, Table


def by_scheme(data):
    schemes = {}
    for row in sorted(data.rows, key=lambda row: row["cms"]):
        schemes.setdefault(row["scheme"], []).append(row)
    return schemes


def draw(data):
    figure, (rates, local) = plots.new(columns=2)
    for scheme, rows in by_scheme(data).items():
        counts = [row["cms"] for row in rows]
        rates.plot(counts, [row["connections_per_s"] / row["cms"] / 1000 for row in rows], marker="o", markersize=3.5, **plots.scheme(scheme))
        local.plot(counts, [row["local_percent"] for row in rows], marker="o", markersize=3.5, **plots.scheme(scheme))
    for axes in (rates, local):
        plots.powers_of_two(axes, data.column("cms"))
        axes.set_xlabel("CMs (one web server each)")
        axes.set_ylim(bottom=0)
    rates.set_ylabel("thousand connections/s for each CM")
    local.set_ylabel("connections that stay local, %")
    plots.legend(local)
    return figure


def price(data):
    """Why a scheme that gives connections away loses here, in the simulation's own words."""
    why = data.notes.get("why schemes lose more than in the paper")
    cost = data.notes.get("cost of a message")
    return f" A message costs {cost}." * bool(cost) + f" Why: {why}." * bool(why)


def table(caption, data):
    data.require("scheme", "cms", "connections_per_s", "ideal_per_s", "local_percent")
    return Table(caption, ["scheme", "CMs", "connections/s", "/ ideal", "local, %"], [
        [row["scheme"], row["cms"], row["connections_per_s"], row["connections_per_s"] / row["ideal_per_s"],
         row["local_percent"]] for row in data.rows])


def with_own_costs(data):
    """What it is with messages that cost what Talus' do."""
    most = max(data.column("cms"))
    naive = data.one(scheme="naive", cms=most)["connections_per_s"]
    ratios = {row["scheme"]: row["connections_per_s"] / naive for row in data.where(cms=most)}
    return Finding(OPEN, "With messages that cost as small a part of a connection as Talus' do, at "
                   f"{most} CMs tournament:2 has {ratios['tournament:2']:.2f} of naive's rate, "
                   f"unfiltered:2 {ratios['unfiltered:2']:.2f}.")


def show(data, own):
    tables = [table("Connections per second under a uniform load", data),
              table("The same with Talus' costs of messages", own)]
    findings = []
    naive = {row["cms"]: row["connections_per_s"] for row in data.where(scheme="naive")}
    for scheme, scheme_rows in by_scheme(data).items():
        last = scheme_rows[-1]
        if scheme == "naive" or last["cms"] not in naive:
            continue
        ratio = last["connections_per_s"] / naive[last["cms"]]
        if scheme == "unfiltered:2":
            findings.append(Finding(
                AGREES if ratio < 0.5 else CONTRADICTS,
                f"unfiltered:2 loses over 2 times at 32 cores in the paper; here it has {ratio:.2f} of naive's rate at "
                f"{last['cms']} CMs, and {last['local_percent']:.0f} % of its connections stay local."
                + ("" if ratio < 0.5 else price(data) + " It loses the locality, but the paper's loss has misses of "
                   "caches in it, of which the model knows nothing.")))
        else:
            findings.append(Finding(AGREES if ratio > 0.95 else CONTRADICTS,
                                    f"{scheme} should match naive: it has {ratio:.2f} of its rate "
                                    f"at {last['cms']} CMs, {last['local_percent']:.0f} % "
                                    "local." + ("" if ratio > 0.95 else price(data))))
    findings.append(with_own_costs(own))
    return Shown(tables,
                 [Plot("figure8", "Connections per second of each CM, and how many stay local, "
                                  "over the number of CMs for each scheme.",
                       draw(data))], findings)


PIECE = Piece(
    "figure8", "Figure 8: balancing schemes under a uniform load", "5.3", (
        "Connections per second over cores for five schemes. “All load balancing schemes except "
        "Unfiltered 2 match naive scaling.” Unfiltered 2: “a performance loss of over 2x at 32 "
        "cores”.",),
    "virtual time", "The simulation with all web servers alike: the highest constant rate that it keeps "
    "up with. Messages cost the processor time that the simulation's notes say: the paper's, and, below, "
    "Talus'.", ("What a connection to another node's application costs beyond "
                                    "its messages: nothing.",),
    (file("fig8"), file("fig8_talus")), show)
