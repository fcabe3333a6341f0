# SPDX-License-Identifier: MIT
"""Tables and pieces as plain text."""

import textwrap

from piece import Table

WIDTH = 100


def cell(value):
    """A number with thousands apart, and no more digits than say something; None: there is none."""
    if value is None:
        return "-"
    if isinstance(value, bool) or isinstance(value, str):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def table(one):
    """A Table as lines: numbers right, words left."""
    rows = [[cell(value) for value in row] for row in one.rows]
    widths = [max(len(line[i]) for line in [*rows, one.columns]) for i in range(len(one.columns))]
    right = [any(is_number(row[i]) for row in one.rows) for i in range(len(one.columns))]

    def line(values):
        return "  ".join(value.rjust(width) if at_right else value.ljust(width)
                         for value, width, at_right in zip(values, widths, right)).rstrip()

    return [one.caption, "", line(one.columns), line(["-" * width for width in widths]),
            *map(line, rows)]


def paragraph(words, indent=""):
    return textwrap.wrap(" ".join(words.split()), WIDTH, initial_indent=indent,
                         subsequent_indent=" " * len(indent))


def piece(one, outcome):
    """All that the page says of a piece, but for its plots."""
    lines = [f"{one.title} (section {one.section})", "=" * WIDTH, "", "The paper:", ""]
    for part in one.paper:
        lines += (table(part) if isinstance(part, Table) else paragraph(part)) + [""]
    lines += [f"Ours ({one.unit}):", ""]
    if outcome.reason is not None:
        lines += paragraph(f"MISSING: {outcome.reason}") + [""]
    else:
        for part in outcome.shown.tables:
            lines += table(part) + [""]
        for words in outcome.lacks:
            lines += paragraph(words, "MISSING IN PART: ") + [""]
        for finding in outcome.shown.findings:
            lines += paragraph(finding.text, f"{finding.verdict}: ") + [""]
    lines += ["How it was measured:", *paragraph(one.how), ""]
    if one.assumed:
        lines += ["Assumed:"]
        for words in one.assumed:
            lines += paragraph(words, "- ")
    return "\n".join(lines).rstrip() + "\n"
