# SPDX-License-Identifier: MIT
"""The page: for each piece the paper's beside ours, how it was measured, and what was assumed."""

from html import escape

import text
from piece import Table

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d0d7de; --soft: #f4f6f8;
  --accent: #0b5cad; --good: #1a7f37; --bad: #b4460f; --open: #57606a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #14181d; --line: #3d444d;
  --soft: #1e242b; --accent: #6cb2ff; --good: #5fd07c; --bad: #ff9e6b; --open: #a9b4c0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 90rem; padding: 1rem 1.25rem 4rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; margin: 1rem 0 .25rem; } h2 { font-size: 1.25rem; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .35rem; } a { color: var(--accent); }
p, ul { margin: .4rem 0; max-width: 72ch; } ul { padding-left: 1.2rem; }
section { border-top: 2px solid var(--line); padding: 1.25rem 0; }
.beside { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); gap: 2rem; }
@media (max-width: 60rem) { .beside { grid-template-columns: minmax(0, 1fr); gap: .5rem; } }
.below { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 2rem; }
@media (max-width: 60rem) { .below { grid-template-columns: minmax(0, 1fr); } }
.below > div { font-size: .93rem; }
.paper { border-left: 4px solid var(--line); padding-left: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; margin: .4rem 0; }
caption { text-align: left; padding: .2rem 0; font-style: italic; }
th, td { padding: .22rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: bottom; } td { white-space: nowrap; }
table.pieces td { white-space: normal; }
th { background: var(--soft); } td.number, th.number { text-align: right;
  font-variant-numeric: tabular-nums; } td.number { white-space: nowrap; }
figure { margin: .5rem 0; background: #fff; padding: .4rem; border: 1px solid var(--line); }
figure img { display: block; max-width: 100%; height: auto; margin: auto; }
.files { font-size: .85rem; } .unit { font-size: .85rem; font-weight: normal; color: var(--open); }
.verdict { font-weight: 600; } .agrees { color: var(--good); } .contradicts { color: var(--bad); }
.open { color: var(--open); } .missing { border-left: 4px solid var(--bad); padding: .5rem 1rem;
  background: var(--soft); }
"""

VERDICTS = {"agrees": "Agrees", "contradicts": "Contradicts", "open": "Open"}


def table(one):
    numeric = [any(text.is_number(row[i]) for row in one.rows) for i in range(len(one.columns))]

    def cells(tag, values):
        return "".join(f'<{tag}{" class=" + chr(34) + "number" + chr(34) if is_right else ""}>'
                       f"{escape(text.cell(value))}</{tag}>"
                       for value, is_right in zip(values, numeric))

    rows = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in one.rows)
    return (f'<div class="wide"><table><caption>{escape(one.caption)}</caption>'
            f"<thead><tr>{cells('th', one.columns)}</tr></thead>\n<tbody>{rows}</tbody></table></div>")


def plot(one):
    return (f'<figure><img src="plots/{one.name}.svg" alt="{escape(one.alt)}"></figure>\n'
            f'<p class="files"><a href="plots/{one.name}.png">PNG</a> '
            f'<a href="plots/{one.name}.svg">SVG</a></p>')


def finding(one):
    return (f'<li><span class="verdict {one.verdict}">{VERDICTS[one.verdict]}:</span> '
            f"{escape(one.text)}</li>")


def ours(one, outcome):
    if outcome.reason is not None:
        return (f'<p class="missing"><strong>Missing.</strong> {escape(outcome.reason)}</p>')
    parts = [plot(part) for part in outcome.shown.plots]
    parts += [table(part) for part in outcome.shown.tables]
    parts += [f'<p class="missing"><strong>Missing in part.</strong> {escape(words)}</p>' for words in outcome.lacks]
    return "\n".join(parts)


# What the driver notes of each measurement; what else stands there, the measurement says of itself.
WHEN = ("measured", "version", "took", "quick")


def notes(outcome):
    """Where the data came from: file and notes of each measurement."""
    rows = []
    for name, data in outcome.data.items():
        when = "; ".join(f"{key} {data.notes[key]}" for key in WHEN if key in data.notes)
        more = "".join(f"<li>{escape(key)}: {escape(value)}</li>" for key, value in data.notes.items()
                       if key not in WHEN)
        more = f"<details><summary>settings</summary><ul>{more}</ul></details>" if more else ""
        rows.append(f'<li><a href="data/{name}.tsv">{name}.tsv</a>: {escape(when)}{more}</li>')
    return f"<h3>Data</h3><ul>{''.join(rows)}</ul>" if rows else ""


def all_assumed(one, outcome):
    """The piece's own words, then what the data say was assumed when they were made, each once."""
    notes_of_data = [f"{key}: {value}" for data in outcome.data.values()
                     for key, value in data.notes.items() if "assumed" in value]
    return [*one.assumed, *dict.fromkeys(notes_of_data)]


def section(one, outcome):
    paper = "\n".join(table(part) if isinstance(part, Table) else f"<p>{escape(part)}</p>"
                      for part in one.paper)
    findings = ""
    if outcome.reason is None and outcome.shown.findings:
        findings = ("<h3>Beside the paper</h3><ul>"
                    + "\n".join(map(finding, outcome.shown.findings)) + "</ul>")
    assumed = "".join(f"<li>{escape(words)}</li>" for words in all_assumed(one, outcome))
    assumed = f"<h3>Assumed</h3><ul>{assumed}</ul>" if assumed else ""
    return f"""<section id="{one.key}">
<h2>{escape(one.title)}</h2>
<div class="beside">
<div class="paper"><h3>The paper <span class="unit">section {one.section}</span></h3>
{paper}</div>
<div class="ours"><h3>Talus <span class="unit">{escape(one.unit)}</span></h3>
{ours(one, outcome)}</div>
</div>
<div class="below">
<div>{findings}</div>
<div><h3>How it was measured</h3><p>{escape(one.how)}</p>
{assumed}
{notes(outcome)}</div>
</div>
</section>
"""


def state(outcome):
    """What the table of contents says of a piece."""
    if outcome.reason is not None:
        return "missing", "missing"
    if outcome.lacks:
        return "missing", "missing in part"
    verdicts = [part.verdict for part in outcome.shown.findings]
    for verdict in ("contradicts", "open", "agrees"):
        if verdict in verdicts:
            count = verdicts.count("contradicts")
            return verdict, (f"{count} of {len(verdicts)} claims contradicted" if count
                             else "in part open" if verdict == "open" else "agrees")
    return "open", "shown"


def contents(pieces, outcomes):
    rows = []
    for one in pieces:
        kind, words = state(outcomes[one.key])
        rows.append(f'<tr><td><a href="#{one.key}">{escape(one.title)}</a></td>'
                    f"<td>{escape(one.unit)}</td>"
                    f'<td class="{"contradicts" if kind == "missing" else kind}">{words}</td></tr>')
    return ('<div class="wide"><table class="pieces"><thead><tr><th>Piece</th><th>Measured in</th><th>Result</th>'
            f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>")


def build(pieces, outcomes, heading):
    """The whole page as text. `heading` says how this page was made."""
    sections = "".join(section(one, outcomes[one.key]) for one in pieces)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>PIKA's evaluation on Talus</title>
<style>{STYLE}</style>
</head>
<body>
<h1>PIKA's evaluation on Talus</h1>
<p>The tables and figures of <em>PIKA: A Network Service for Multikernel Operating Systems</em>
(MIT-CSAIL-TR-2014-002), section 5, beside what Talus does. The paper's numbers are those of its text and
tables; where it has only a picture, its words stand here. {escape(heading)}</p>
<p>Three kinds of measure, and none is the paper's machine with 40 cores: <em>guest instructions</em> are counted
under QEMU and hardly depend on the host; <em>native cycles</em> are this host's, with Talus as Linux processes, and
vary with what else it does; <em>virtual time</em> is a simulation's around the real code, so its delays are its
model's. Compare shapes and ratios, not absolute numbers.</p>
{contents(pieces, outcomes)}
{sections}</body>
</html>
"""
