# SPDX-License-Identifier: MIT
"""What a campaign has found, from its results.json: README.md's tables, and its plot."""

import json

from . import plot
from .course import BIN_S, BINS_BEFORE
from .figures import FREE_MEMORY
from .kinds import KINDS

# Upper bounds of the histogram's classes, in milliseconds. The first: no new connection waited at all.
CLASSES_MS = (0, 5, 10, 20, 50, 100, 200, 1000, 5000)


def histogram(values_ms):
    """How many are at most each of CLASSES_MS, and above the class before; the rest at the end."""
    counts = [0] * (len(CLASSES_MS) + 1)
    for value in values_ms:
        place = next((i for i, bound in enumerate(CLASSES_MS) if value <= bound), len(CLASSES_MS))
        counts[place] += 1
    return counts


def class_titles():
    return ["none", *map(str, CLASSES_MS[1:]), "more"]


def middle_and_most(values):
    """As text, in whole numbers."""
    values = sorted(value for value in values if value is not None)
    return f"{values[len(values) // 2]:.0f}, {values[-1]:.0f}" if values else "-"


def grouped(results, key):
    groups = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return groups


def is_noticed(result):
    return KINDS[result["kind"]].is_noticed


def is_ended_at_once(result):
    return result["has_died"] and not is_noticed(result) and not KINDS[result["kind"]].is_machines


def rates(results):
    """Answers in each tenth of a second around the fault, in percent of those before; as far as all have seen."""
    before = sum(sum(result["bins"][:BINS_BEFORE]) / BINS_BEFORE for result in results)
    length = min((len(result["bins"]) for result in results), default=0)
    return [100 * sum(result["bins"][place] for result in results) / before for place in range(length if before else 0)]


def throughput(results):
    """In the first tenth of a second and in the first half second behind the fault, as text."""
    values = rates(results)[BINS_BEFORE:]
    half = round(0.5 / BIN_S)
    return f"{values[0]:.0f}, {sum(values[:half]) / half:.0f} %" if len(values) >= half else "-"


def cost(results):
    """Connections owned, and lost; those of others, which should be none, are told apart."""
    unowned = sum(result["unowned_lost"] for result in results)
    lost = sum(result["lost"] for result in results) - unowned
    return [str(sum(result["owned"] for result in results)), f"{lost}, and {unowned}" if unowned else str(lost)]


def row(title, results):
    died = sum(result["has_died"] for result in results)
    return [title, str(len(results)), str(died), *cost(results),
            middle_and_most([result["down_ms"] for result in results]),
            middle_and_most([result["served_ms"] for result in results]), throughput(results)]


FIGURES = ["connections owned", "lost", "ms without the node", "ms until served", "answers"]
HEAD_BY_KIND = ["fault", "times", "nodes died", *FIGURES]
HEAD_OF_STOCKS = ["configuration", "faults so far", "the last of", "free memory, KiB less", "gauges",
                  "of which larger"]
HEAD_BY_NODE = ["a node that ended at once", "times", *FIGURES]


def markdown(rows, head):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in rows])


def by_kind(results):
    groups = grouped(results, lambda result: result["kind"])
    return [row(kind.title, groups[kind.name]) for kind in KINDS.values() if kind.name in groups]


def name_of_node(result):
    """Its roles, and what else is its own."""
    things = [name for name in ("card", "console") if result[f"has_{name}"]]
    return f"{result['configuration']}: {result['roles']}" + (f", has {' and '.join(things)}" if things else "")


def by_node(results):
    groups = grouped([result for result in results if is_ended_at_once(result)], name_of_node)
    order = list(grouped(results, lambda result: result["configuration"]))
    titles = sorted(groups, key=lambda title: (order.index(title.split(":")[0]), title))
    rows = [row(title, groups[title]) for title in titles]
    return [cells[:2] + cells[3:] for cells in rows]  # all have died


def classes(results):
    """(title, histogram) of what ends at once, and of what has to be noticed."""
    died = [result for result in results if result["has_died"]]
    return [("ended at once", histogram([r["served_ms"] for r in died if not is_noticed(r)])),
            ("had to be noticed", histogram([r["served_ms"] for r in died if is_noticed(r)]))]


def stock_changes(look):
    """What there was more of afterwards, as text."""
    before, after = look["before"], look["after"]
    rows = [f"{name} {before.get(name, 0):.0f} to {after[name]:.0f}" for name in sorted(after)
            if name != FREE_MEMORY and after[name] > before.get(name, 0)]
    return "; ".join(rows) or "none"


def stocks(look):
    kind = KINDS[look["kind"]].title if look["kind"] in KINDS else "all kinds"
    used_bytes = look["before"][FREE_MEMORY] - look["after"][FREE_MEMORY]
    return [look["configuration"], str(look["faults"]), kind, f"{used_bytes / 1024:+.0f}",
            str(len(look["after"])), stock_changes(look)]


def problems(data):
    rows = [f"- fault {r['number']} ({r['configuration']}, {r['kind']} of node {r['node']}, {r['roles']}): "
            f"{'; '.join(r['problems'])}" for r in data["results"] if r["problems"]]
    rows += [f"- fault {f['fault'][0]} ({f['configuration']}, {f['fault'][1]}, {f['fault'][2]}): no end"
             for f in data["failed"]]
    return "\n".join(["Not as expected:", "", *rows]) if rows else "All as expected."


def table(data):
    """The whole of it, as README.md has it."""
    results = data["results"]
    parts = [
        f"One run of {len(results)} faults, seed {data['seed']}, at {data['version']}, in "
        f"{data['took_s'] / 60:.0f} minutes on a machine without KVM. Two figures in milliseconds: the median, and "
        "the most; two of answers: in the first tenth of a second and the first half second behind the fault, "
        "against those before.",
        markdown(by_kind(results), HEAD_BY_KIND),
        markdown(by_node(results), HEAD_BY_NODE),
        "Nodes by when, in ms from the fault, the last new connection that had to wait began at the latest:",
        markdown([[title, *map(str, counts)] for title, counts in classes(results)], ["a node", *class_titles()])]
    if data["looks"]:
        parts += ["Memory and all other gauges of `/metrics`, over all nodes, before and after:",
                  markdown([stocks(look) for look in data["looks"]], HEAD_OF_STOCKS)]
    return "\n\n".join([*parts, problems(data)]) + "\n"


def picture(data):
    watched = [result for result in data["results"] if result["watch_s"] > 0 and result["has_died"]]
    at_once = grouped([result for result in watched if is_ended_at_once(result)],
                      lambda result: result["configuration"])
    lines = [(f"{name}: {len(group)} ended at once", rates(group)) for name, group in at_once.items()]
    noticed = [result for result in watched if is_noticed(result)]
    if noticed:
        lines.append((f"all: {len(noticed)} had to be noticed", rates(noticed)))
    return plot.draw(lines, class_titles(), classes(data["results"]))


def write(folder):
    """From its results.json: table.md and faults.svg."""
    data = json.loads((folder / "results.json").read_text(encoding="ascii"))
    (folder / "table.md").write_text(table(data), encoding="ascii")
    (folder / "faults.svg").write_text(picture(data), encoding="ascii")
