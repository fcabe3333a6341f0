# SPDX-License-Identifier: MIT
"""How all plots look, and what several of them draw."""

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: E402

# Okabe and Ito's colours, told apart by nearly everybody; black is kept for the reference.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7f6000", "#777777")
REFERENCE = "#000000"
MARKERS = "osD^vPX*"

matplotlib.rcParams.update({
    "figure.figsize": (7.2, 4.2), "figure.dpi": 120, "savefig.dpi": 120, "font.size": 10,
    "font.family": "DejaVu Sans", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.7, "axes.axisbelow": True,
    "legend.frameon": False, "lines.linewidth": 1.8, "lines.markersize": 5,
    # The same data give the same file.
    "svg.hashsalt": "talus", "svg.fonttype": "path",
})


def new(columns=1, rows=1, size=None, **options):
    """A figure and its axes."""
    size = size or (7.2 if columns == 1 else 5.0 * columns, 4.2 * rows)
    return pyplot.subplots(rows, columns, figsize=size, constrained_layout=True, **options)


def style(index):
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


# The same in all figures. `least` often does what `naive` does, so both must be seen.
_SCHEMES = {"naive": (0, "-"), "unfiltered:100": (1, "-"), "unfiltered:2": (2, "-"), "filtered:2": (3, "-"),
            "tournament:2": (4, "-"), "least": (7, "--"), "linux": (1, "-")}


def scheme(name):
    """The style of a balancing scheme's line."""
    index, line = _SCHEMES.get(name, (5, "-."))
    return {"color": COLOURS[index], "linestyle": line, "label": name}


def legend(axes, **options):
    """Only where there is something to tell apart."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        axes.legend(handles, labels, **options)


def powers_of_two(axes, values):
    """A logarithmic axis with each value named."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(values))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


# Figures 5 and 7 stretch the last percentiles: what is right of p lies at log(1 / (1 - p)).
PERCENTILE_TICKS = (0, 50, 80, 90, 95, 99, 99.9, 99.99)


def percentile_position(percentile):
    return 1 / max(1 - percentile / 100, 1e-6)


def percentile_axis(axes):
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([percentile_position(p) for p in PERCENTILE_TICKS]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(
        lambda position, _: f"{100 * (1 - 1 / position):.6g}"))
    axes.set_xlabel("percentile of connections (log scale)")


def thousands(axes):
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def save(plot, folder):
    """PNG and SVG of a Plot."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        plot.figure.savefig(folder / f"{plot.name}.{kind}", metadata=metadata)
    pyplot.close(plot.figure)
