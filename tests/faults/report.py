# SPDX-License-Identifier: MIT
"""What a campaign has found, as a table, a histogram and a plot."""

import sys
from pathlib import Path

from .kinds import KINDS
from .scene import BIN_S, BINS_BEFORE

# Upper bounds of the histogram's classes, in milliseconds.
CLASSES_MS = (5, 10, 20, 50, 100, 1000, 5000)


def histogram(values_ms):
    """How many are at most each of CLASSES_MS, and above the class before; the rest at the end."""
    counts = [0] * (len(CLASSES_MS) + 1)
    for value in values_ms:
        place = next((i for i, bound in enumerate(CLASSES_MS) if value <= bound), len(CLASSES_MS))
        counts[place] += 1
    return counts


def middle(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else None


def percentile(values, hundredth):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * hundredth // 100)] if ordered else None


def text_of(value):
    return "-" if value is None else f"{value:.1f}"


def dip(results):
    """Answers in the second behind the fault, in percent of as long before; all faults together."""
    second = round(1 / BIN_S)
    # A run that was over earlier has seen no more.
    before = sum(sum(result["bins"][:BINS_BEFORE]) * second / BINS_BEFORE for result in results)
    after = 0
    for result in results:
        behind = result["bins"][BINS_BEFORE:BINS_BEFORE + second]
        after += sum(behind) * second / len(behind) if behind else 0
    return None if before == 0 else 100 * after / before


def row(title, results):
    down = [result["down_ms"] for result in results if result["down_ms"] is not None]
    served = [result["served_ms"] for result in results]
    share = dip(results)
    return [title, str(len(results)), str(sum(result["has_died"] for result in results)),
            str(sum(result["owned"] for result in results)),
            str(sum(result["lost"] for result in results)),
            str(sum(result["unowned_lost"] for result in results)),
            f"{text_of(middle(down))} / {text_of(percentile(down, 99))}",
            f"{text_of(middle(served))} / {text_of(percentile(served, 99))}",
            "-" if share is None else f"{share:.0f} %"]


HEAD = ["faults", "number", "nodes died", "connections owned", "lost", "of others",
        "down, ms (median / 99 %)", "last new connection that waited, ms", "throughput"]


def markdown(rows, head):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in rows])


def grouped(results, key):
    groups = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return groups


def by_kind(results):
    return [(KINDS[name].title, group) for name, group in grouped(results, lambda r: r["kind"]).items()]


def by_roles(results):
    def key(result):
        return (result["configuration"], result["roles"])

    return [(f"{configuration}: {roles}", group)
            for (configuration, roles), group in sorted(grouped(results, key).items())]


def histogram_rows(results):
    rows = []
    for title, chosen in (("noticed at once", [r for r in results if not KINDS[r["kind"]].is_noticed]),
                          ("to be noticed by others", [r for r in results if KINDS[r["kind"]].is_noticed])):
        rows.append([title, *map(str, histogram([r["served_ms"] for r in chosen]))])
    return rows


def table(data):
    """The whole of it, as README.md can carry it."""
    results, memory = data["results"], data["memory"]
    bounds = [f"<= {bound} ms" for bound in CLASSES_MS] + ["more"]
    problems = [f"- fault {r['number']} ({r['configuration']}, {r['kind']} of node {r['node']}, {r['roles']}): "
                f"{'; '.join(r['problems'])}" for r in results if r["problems"]]
    return "\n\n".join([
        f"{len(results)} faults, seed {data['seed']}, {data['version']}",
        markdown([row(*item) for item in by_kind(results)], HEAD),
        markdown([row(*item) for item in by_roles(results)], HEAD),
        "New connections, from the fault to the last one that had to wait:",
        markdown(histogram_rows(results), ["a node whose end is", *bounds]),
        "Free memory of all nodes and connections there, after the first faults of a boot and at its end:",
        markdown([[m["configuration"], str(m["faults"]), f"{m['before']['node_memory_free_bytes'] / 1024:.0f}",
                   f"{m['after']['node_memory_free_bytes'] / 1024:.0f}", f"{m['before']['tcp_connections']:.0f}",
                   f"{m['after']['tcp_connections']:.0f}"] for m in memory],
                 ["configuration", "faults", "KiB before", "after", "connections before", "after"]),
        "Not as expected:\n\n" + "\n".join(problems) if problems else "All as expected."]) + "\n"


def plot(data, path):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "paper"))
    import plots  # after the path: matplotlib is needed for this alone

    figure, (times, rates) = plots.new(columns=2)
    for index, (title, group) in enumerate(by_roles(data["results"])):
        served = sorted(r["served_ms"] for r in group if r["has_died"] and not KINDS[r["kind"]].is_noticed)
        if served:
            colour = plots.COLOURS[index % len(plots.COLOURS)]
            times.step([max(ms, 1) for ms in served],
                       [100 * (i + 1) / len(served) for i in range(len(served))], where="post",
                       label=title, color=colour, linestyle="-" if index < len(plots.COLOURS) else "--")
    times.set_xscale("log")
    times.set_xlabel("ms from the fault to the last new connection that waited")
    times.set_ylabel("% of faults")
    plots.legend(times, fontsize=7)
    for index, (name, group) in enumerate(grouped(
            [r for r in data["results"] if r["has_died"] and not KINDS[r["kind"]].is_noticed],
            lambda r: r["configuration"]).items()):
        length = min(len(r["bins"]) for r in group)
        total = [sum(r["bins"][i] for r in group) for i in range(length)]
        base = sum(total[:BINS_BEFORE]) / BINS_BEFORE
        rates.step([(i - BINS_BEFORE) * BIN_S for i in range(length)],
                   [100 * value / base for value in total], where="post", label=name,
                   color=plots.COLOURS[index])
    rates.axvline(0, color=plots.REFERENCE, linewidth=0.8)
    rates.set_ylim(bottom=0)
    rates.set_xlabel("s from the fault")
    rates.set_ylabel("answers, % of those before")
    plots.legend(rates, fontsize=8)
    figure.savefig(path, metadata={"Date": None})
