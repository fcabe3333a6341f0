# SPDX-License-Identifier: MIT
"""The campaign's plot as an SVG of our own: small, the same for the same data, and readable on a light
and on a dark page, as it follows the reader's choice and brings its own ground."""

from .course import BIN_S, BINS_BEFORE

WIDTH, HEIGHT = 880, 330
# Left, top, right and bottom of each half's axes.
RATES, BARS = (52, 64, 460, 282), (540, 64, 866, 282)
TOP_PERCENT = 150
# Okabe and Ito's colours, told apart by nearly everybody; lighter on a dark ground.
LIGHT = ("#0072b2", "#d55e00", "#009e73", "#aa4499")
DARK = ("#56b4e9", "#ff9d4d", "#2fd0a0", "#e5a1d0")

STYLE = """text{font:12px sans-serif;fill:var(--ink)}
.ground{fill:var(--ground)}
.title{font-weight:bold}
.axis{stroke:var(--ink);fill:none}
.grid{stroke:var(--grid);fill:none}
.line{fill:none;stroke-width:2}
.middle{text-anchor:middle}
.end{text-anchor:end}
.small{font-size:9.5px}"""


def variables(ink, ground, grid, colours):
    named = "".join(f"--c{index}:{colour};" for index, colour in enumerate(colours))
    return f"svg{{--ink:{ink};--ground:{ground};--grid:{grid};{named}}}"


def style():
    return "\n".join([variables("#222", "#fff", "#ddd", LIGHT),
                      f"@media(prefers-color-scheme:dark){{{variables('#ddd', '#161b22', '#3a4048', DARK)}}}",
                      STYLE])


def text(x, y, words, name="plain"):
    escaped = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{name}">{escaped}</text>'


def path(points, name, colour=None):
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    stroke = f' style="stroke:var(--c{colour})"' if colour is not None else ""
    return f'<polyline points="{steps}" class="{name}"{stroke}/>'


def legend(left, top, titles, step):
    """A row each."""
    parts = []
    for index, title in enumerate(titles):
        x, y = left + index % 2 * step, top + index // 2 * 16
        parts.append(f'<rect x="{x}" y="{y - 9}" width="14" height="9" style="fill:var(--c{index})"/>')
        parts.append(text(x + 19, y, title))
    return parts


def draw_rates(lines):
    """Each line: (title, percent in each bin). Steps, as each is a count over BIN_S."""
    left, top, right, bottom = RATES
    length = max((len(values) for _, values in lines), default=BINS_BEFORE + 1)

    def x(place):
        return left + (right - left) * place / length

    def y(percent):
        return bottom - (bottom - top) * min(percent, TOP_PERCENT) / TOP_PERCENT

    parts = [text(left, 18, "Answers around a node's end, % of those before", "title")]
    for percent in range(0, TOP_PERCENT, 25):
        parts += [path([(left, y(percent)), (right, y(percent))], "grid"),
                  text(left - 6, y(percent) + 4, str(percent), "end")]
    for place in range(0, length + 1, max(1, round(0.5 / BIN_S))):
        parts.append(text(x(place), bottom + 16, f"{(place - BINS_BEFORE) * BIN_S:g}", "middle"))
    parts.append(path([(x(BINS_BEFORE), top), (x(BINS_BEFORE), bottom)], "axis"))
    for index, (_, values) in enumerate(lines):
        steps = [(x(place + side), y(value)) for place, value in enumerate(values) for side in (0, 1)]
        parts.append(path(steps, "line", index))
    return [*parts, path([(left, bottom), (right, bottom)], "axis"),
            text((left + right) / 2, bottom + 34, "s from the fault", "middle"),
            *legend(left, 36, [title for title, _ in lines], 222)]


def draw_bars(titles, groups):
    """Each group: (title, how many in each class)."""
    left, top, right, bottom = BARS
    most = max((count for _, counts in groups for count in counts), default=0) or 1
    step = (right - left) / len(titles)
    width = (step - 6) / len(groups)
    parts = [text(left, 18, "The last new connection that had to wait", "title")]
    for place, title in enumerate(titles):
        parts.append(text(left + step * (place + 0.5), bottom + 16, title, "middle small"))
        for index, (_, counts) in enumerate(groups):
            x, height = left + step * place + 3 + width * index, (bottom - top - 14) * counts[place] / most
            if counts[place]:
                parts += [f'<rect x="{x:.1f}" y="{bottom - height:.1f}" width="{width:.1f}" '
                          f'height="{height:.1f}" style="fill:var(--c{index})"/>',
                          text(x + width / 2, bottom - height - 3, str(counts[place]), "middle small")]
    return [*parts, path([(left, bottom), (right, bottom)], "axis"),
            text((left + right) / 2, bottom + 34, "began so many ms after the fault, at most", "middle"),
            *legend(left, 36, [title for title, _ in groups], 150)]


def draw(lines, class_titles, groups):
    """The picture as text."""
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}">',
        f"<style>{style()}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" class="ground"/>',
        *draw_rates(lines), *draw_bars(class_titles, groups), "</svg>"]) + "\n"
