# SPDX-License-Identifier: MIT
"""Curves of percentiles, as figures 5 and 7 have them."""

import plots
from piece import Plot, Table


def curve(rows):
    """(percentile, microseconds) of a system's rows, in order."""
    return sorted((row["percentile"], row["service_us"]) for row in rows)


def at(points, percentile):
    """Microseconds at a percentile: of the first point that is not below it."""
    return next((us for place, us in points if place >= percentile - 1e-9), points[-1][1])


def leaves_at(points, reference, times=2.0):
    """The first percentile at which a curve is more than `times` the reference; None: nowhere."""
    return next((place for place, us in points if us > times * at(reference, place)), None)


def draw(curves):
    """`curves` by name; the name `undisturbed` is the reference, drawn dotted."""
    figure, axes = plots.new()
    names = [name for name in curves if name != "undisturbed"]
    for name in names:
        axes.plot([plots.percentile_position(place) for place, _ in curves[name]], [us for _, us in curves[name]],
                  **plots.scheme(name))
    if "undisturbed" in curves:
        points = curves["undisturbed"]
        axes.plot([plots.percentile_position(place) for place, _ in points], [us for _, us in points],
                  label="no delays injected", color=plots.REFERENCE, linestyle=":")
    plots.percentile_axis(axes)
    axes.set_yscale("log")
    axes.set_ylabel("service time, us")
    plots.legend(axes)
    return figure


def measured(imbalance, systems, name):
    """(curves, Table, Plot) of measurements on the running system, of these systems."""
    curves = {system: curve(imbalance.where(scheme=system)) for system in systems if imbalance.where(scheme=system)}
    places = (50, 80, 90, 95, 99, 99.9)
    rows = [[system, *(at(points, place) / 1000 for place in places), imbalance.where(scheme=system)[0]["failed"]]
            for system, points in curves.items()]
    table = Table("Measured on the running system, slowed down: milliseconds at percentiles", [
        "", *(f"{place:g} %" for place in places), "failed"], rows)
    return curves, table, Plot(name, "Times measured on the running system over percentiles, on logarithmic axes.",
                               draw(curves))
