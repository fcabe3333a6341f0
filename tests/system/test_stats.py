# SPDX-License-Identifier: MIT
"""/stats in a browser: hosted Talus under a little load, and Debian's Chromium. What is compared is
not pixels but elements: where they stand, whether they are whole, and what colours they have."""

import json
import re

import pytest

from harness import BUILD, REPOSITORY, Browser, Hosted, TapNetwork, ab, curl, wait_until

PROGRAM = BUILD / "hosted" / "talus"
TELEPHONE, SCREEN = 360, 1400

# Contrast of text (WCAG 2.2, 1.4.3), and of what is no text (1.4.11).
TEXT_CONTRAST, SHAPE_CONTRAST = 4.5, 3.0


@pytest.fixture(name="browser", scope="module")
def fixture_browser(talus):
    with Browser(talus.network) as browser:
        yield browser


@pytest.fixture(name="talus", scope="module")
def fixture_talus():
    """Four nodes that have served something: a moment ago, so that all charts have columns."""
    with TapNetwork() as network, Hosted(network, PROGRAM, 4) as machine:
        load(machine)
        yield machine


def load(machine):
    assert ab(machine, "/4b", 200, 8).failed == 0
    assert ab(machine, "/1k", 1000, 8, keep_alive=True).failed == 0


def open_stats(browser, machine, width, **how):
    browser.open(f"http://{machine.address}/stats", width=width, **how)


# --- What stands where ---

# Gathered by one look at the page: rectangles, texts, and what is too wide for its place.
LOOK = """
(() => {
    const place = e => {
        const r = e.getBoundingClientRect();
        return {left: r.left, top: r.top, right: r.right, bottom: r.bottom};
    };
    const all = (root, selector) => [...root.querySelectorAll(selector)];
    const name = e => e.textContent.trim().slice(0, 60);
    const texts = root => all(root, 'text').map(e => ({name: name(e), ...place(e)}));
    const shown = all(document, 'svg.nodes').filter(e => getComputedStyle(e).display !== 'none');
    return {
        width: document.documentElement.clientWidth,
        needed: document.documentElement.scrollWidth,
        shown: shown.map(e => e.classList.contains('wide') ? 'wide' : 'narrow'),
        picture: place(shown[0]),
        nodes: all(shown[0], 'g.node').map(e => ({
            name: name(e.querySelector('.name')), ...place(e.querySelector('.box')),
            texts: texts(e), bars: all(e, 'rect.track, rect.load').map(place)})),
        arrows: all(shown[0], 'g.arrow').map(e => ({name: name(e), ...place(e)})),
        header: all(document, 'header p, h1, button').map(e => {
            const range = document.createRange();
            range.selectNodeContents(e);
            return {name: name(e), ...place(e.tagName === 'BUTTON' ? e : range)};
        }),
        blocks: all(document, '.tiles > div, section, details').map(
            e => ({name: name(e), ...place(e)})),
        charts: all(document, 'svg.chart').map(e => ({
            section: place(e.closest('section')), texts: texts(e),
            columns: all(e, 'rect').map(place), ...place(e)})),
        cut: all(document, 'h1, h2, p, dt, dd, summary, button').filter(
            e => e.scrollWidth > e.clientWidth + 1).map(name),
    };
})()
"""


def lies_in(inner, outer, slack=0.75):
    """As far as rounding allows."""
    return (inner["left"] >= outer["left"] - slack and inner["right"] <= outer["right"] + slack
            and inner["top"] >= outer["top"] - slack and inner["bottom"] <= outer["bottom"] + slack)


def overlaps(things, slack=0.5):
    """Pairs that cover each other, but for those of which one contains the other."""
    return [(a["name"], b["name"]) for i, a in enumerate(things) for b in things[:i]
            if a["left"] < b["right"] - slack and b["left"] < a["right"] - slack
            and a["top"] < b["bottom"] - slack and b["top"] < a["bottom"] - slack]


def assert_in_order(page, node_count):
    """Nothing overlaps, sticks out or is cut."""
    assert page["needed"] <= page["width"], "the page scrolls sideways"
    assert page["cut"] == []
    assert overlaps(page["blocks"]) == []
    assert overlaps(page["header"], slack=2) == []
    for block in page["blocks"]:
        assert block["left"] >= 0 and block["right"] <= page["width"], block
    assert len(page["nodes"]) == node_count
    assert overlaps(page["nodes"]) == []
    for node in page["nodes"]:
        assert lies_in(node, page["picture"]), node["name"]
        assert overlaps(node["texts"]) == [], node["name"]
        for thing in node["texts"] + node["bars"]:
            assert lies_in(thing, node), (node["name"], thing)
        # Large enough to be read.
        assert min(text["bottom"] - text["top"] for text in node["texts"]) >= 9, node["name"]
    for arrow in page["arrows"]:
        assert lies_in(arrow, page["picture"]), arrow["name"]
    for chart in page["charts"]:
        assert overlaps(chart["texts"]) == []
        for thing in chart["texts"] + chart["columns"]:
            assert lies_in(thing, chart["section"]), thing


def look_at_columns(browser):
    """The page, when there are requests, durations and acceptors; what was refused is not there if
    nothing was."""
    page = browser.run(LOOK)
    has_all = len(page["charts"]) >= 3 and all(chart["columns"] for chart in page["charts"])
    return page if has_all else None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [TELEPHONE, SCREEN])
def test_everything_stands_in_its_place(talus, browser, width, scheme, tmp_path):
    load(talus)
    open_stats(browser, talus, width, scheme=scheme)
    # A web server counts what it has answered a moment later.
    page = wait_until(lambda: look_at_columns(browser), "columns in all charts")
    browser.screenshot(tmp_path / f"stats-{width}-{scheme}.png")  # for who wants to look
    assert page["shown"] == ["narrow" if width == TELEPHONE else "wide"]
    assert_in_order(page, 4)
    assert [node["name"] for node in page["nodes"]] == [f"node {i}" for i in range(4)]
    assert page["arrows"] != []
    assert browser.complaints == []


def test_in_windows_of_any_width(talus, browser):
    """Also at the width at which one picture takes the other's place, and below a telephone's."""
    for width in (320, 480, 640, 768, 1023, 1024, 2000):
        open_stats(browser, talus, width)
        page = browser.run(LOOK)
        assert len(page["shown"]) == 1
        assert_in_order(page, 4)


@pytest.mark.parametrize("node_count, words", [
    (1, ()), (16, ()), (64, ()), (9, ("pika=LS2+TS4+CM1", "app=httpd:2")),
    (4, ("app=httpd:4@ts", "pika=TS4LS4CM4"))],
    ids=["1 node", "16 nodes", "64 nodes", "separate servers", "all on each"])
def test_pictures_of_few_and_many_nodes(node_count, words, tmp_path):
    with TapNetwork() as network, \
            Hosted(network, PROGRAM, node_count, "--memory", "64", *words) as machine, \
            Browser(network) as browser:
        for node in range(node_count):
            machine.wait_for_line(f" node{node} boot: roles ")
        load(machine)
        for width in (TELEPHONE, SCREEN):
            open_stats(browser, machine, width)
            page = browser.run(LOOK)
            browser.screenshot(tmp_path / f"stats-{node_count}-{width}.png")
            assert_in_order(page, node_count)
            assert (page["arrows"] != []) == (node_count > 1)


# --- Colours ---

COLOURS = """
[...document.querySelectorAll(
    'h1, h2, p, dt, dd, .unit, th, td, summary, button, footer, footer a, svg text, ' +
    'rect.load, rect.column, .arrow .head')]
    .filter(e => e.getClientRects().length > 0).map(e => {
        const style = getComputedStyle(e);
        const isDrawn = e instanceof SVGElement;
        let ground = e;
        while (ground && getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') {
            ground = ground.parentElement;
        }
        const box = isDrawn && e.closest('g.node');
        return {
            name: e.tagName + '.' + e.getAttribute('class') + ' ' + e.textContent.slice(0, 30),
            isText: !isDrawn || e.tagName === 'text',
            ink: isDrawn ? style.fill : style.color,
            ground: box ? getComputedStyle(box.querySelector('.box')).fill
                        : getComputedStyle(ground).backgroundColor,
        };
    })
"""


def luminance(colour):
    """Relative luminance (WCAG 2.2) of `rgb(r, g, b)`."""
    parts = [int(part) / 255 for part in re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour).groups()]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
                        for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a, b):
    brighter, darker = sorted((luminance(a), luminance(b)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_can_be_read_on_its_ground(talus, browser, scheme):
    open_stats(browser, talus, SCREEN, scheme=scheme)
    coloured = browser.run(COLOURS)
    assert len(coloured) > 50
    for thing in coloured:
        wanted = TEXT_CONTRAST if thing["isText"] else SHAPE_CONTRAST
        assert contrast(thing["ink"], thing["ground"]) >= wanted, thing


def test_dark_is_not_light(talus, browser):
    seen = {}
    for scheme in ("light", "dark"):
        open_stats(browser, talus, SCREEN, scheme=scheme)
        seen[scheme] = {thing["name"].split()[0]: (thing["ink"], thing["ground"])
                        for thing in browser.run(COLOURS)}
    common = seen["light"].keys() & seen["dark"].keys()
    assert "H1.null" in common and "rect.column" in common, common
    for name in common:
        for light, dark in zip(seen["light"][name], seen["dark"][name]):
            assert light != dark, name
    assert luminance(seen["light"]["H1.null"][1]) > 0.8 > 0.1 > luminance(seen["dark"]["H1.null"][1])


# --- Live ---

def picture(browser):
    return browser.run("document.getElementById('live').innerHTML")


def test_the_picture_changes_without_a_reload(talus, browser):
    open_stats(browser, talus, SCREEN)
    browser.run("window.isSamePage = true")
    browser.run("document.querySelector('details').open = true")
    before = picture(browser)
    load(talus)
    wait_until(lambda: picture(browser) != before, "a fresh picture")
    assert browser.run("window.isSamePage") is True
    assert browser.run("document.querySelector('details').open") is True
    assert_in_order(browser.run(LOOK), 4)
    assert browser.complaints == []


def test_requests_are_seen_in_it(talus, browser):
    """What happens between two looks: the bars of the last minute, the numbers in the table."""
    def requests():
        return browser.run("[...document.querySelectorAll('tbody tr')].reduce("
                           "(sum, row) => sum + Number(row.cells[8].textContent), 0)")

    open_stats(browser, talus, SCREEN)
    assert browser.run("document.querySelector('thead tr').cells[8].textContent") == "Requests"
    before = requests()
    load(talus)
    wait_until(lambda: requests() >= before + 1200, "the requests to be counted")


def test_a_reader_can_hold_it_still(talus, browser):
    """WCAG 2.2, 2.2.2. What was held goes on."""
    open_stats(browser, talus, SCREEN)
    assert browser.run("document.querySelector('button').textContent") == "Pause"
    browser.click("button")
    assert browser.run("document.querySelector('button').textContent") == "Go on"
    # It looks again after two seconds: it has been asked and has not.
    browser.run("window.count = 0; const old = window.setTimeout; window.setTimeout = (f, ms) => "
                "{ window.count++; return old(f, ms); }")
    before = picture(browser)
    wait_until(lambda: browser.run("window.count") >= 2, "two times at which it might have changed")
    assert picture(browser) == before
    browser.click("button")
    wait_until(lambda: picture(browser) != before, "a fresh picture")


def test_it_is_whole_without_scripts_and_loads_itself_again(talus, browser):
    for width in (TELEPHONE, SCREEN):
        open_stats(browser, talus, width, has_scripts=False)
        page = browser.run(LOOK)
        assert_in_order(page, 4)
        assert page["arrows"] != []
        assert browser.run("document.querySelector('button')") is None
    loaded = browser.run("performance.timeOrigin")
    wait_until(lambda: browser.run("performance.timeOrigin") != loaded, "the page to load again")


def test_it_has_all_it_needs_from_its_own_server(talus, browser):
    """Nothing else is asked, and its policy would not allow it."""
    open_stats(browser, talus, SCREEN)
    names = browser.run("performance.getEntriesByType('resource').map(e => e.name)")
    assert names and all(name.startswith(f"http://{talus.address}/stats/") for name in names), names
    assert browser.run("document.querySelectorAll('[style], style, script:not([src])').length") == 0
    browser.run("document.body.append(Object.assign(document.createElement('img'), "
                "{src: '/4b'}))")
    wait_until(lambda: any("Content Security Policy" in text or "Content-Security-Policy" in text
                           for text in refresh_complaints(browser)), "the policy to refuse")


def refresh_complaints(browser):
    browser.run("0")  # what it has said meanwhile is read with the answer
    return browser.complaints


# --- For who scrapes ---

# What Prometheus adds to what it has scraped.
SCRAPED_LABELS = {"instance", "job"}


def dashboard():
    return json.loads((REPOSITORY / "apps/httpd/grafana.json").read_text(encoding="ascii"))


def expressions():
    return [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]


def test_the_dashboard_names_what_metrics_print(talus):
    """Each metric that it asks for, with each label by which it chooses or adds up."""
    load(talus)
    # A web server publishes what it has answered when its round is over, before it sleeps.
    text = curl(talus, "/metrics").decode("ascii")
    labels = {}
    for name, pairs in re.findall(r"^(talus_\w+)(?:\{(.*?)\})? ", text, re.MULTILINE):
        labels.setdefault(name, set()).update(re.findall(r'(\w+)="', pairs))
    asked = set()
    for expression in expressions():
        names = re.findall(r"\b(talus_\w+)", expression)
        assert names, expression
        wanted = set(re.findall(r'(\w+)=~?"', expression))
        wanted |= {label for group in re.findall(r"by \((.*?)\)", expression)
                   for label in group.split(", ")}
        for name in names:
            assert name in labels, f"{name} is not in /metrics"
            assert wanted - SCRAPED_LABELS <= labels[name], expression
            # A counter grows: it is its rate that is looked at, and a gauge's value.
            is_counter = re.search(r"_(total|bucket|count|sum)$", name) is not None
            assert is_counter == (f"rate({name}" in expression), expression
        asked |= set(names)
    for name in ("http_requests_total", "http_request_duration_seconds_bucket", "drops_total",
                 "channel_messages_total", "application_service_seconds",
                 "node_idle_seconds_total"):
        assert f"talus_{name}" in asked, f"no panel shows {name}"


def test_the_dashboards_panels_stand_beside_each_other():
    panels = dashboard()["panels"]
    places = [{"name": panel["title"] + " " + panel["type"],
               "left": panel["gridPos"]["x"], "right": panel["gridPos"]["x"] + panel["gridPos"]["w"],
               "top": panel["gridPos"]["y"], "bottom": panel["gridPos"]["y"] + panel["gridPos"]["h"]}
              for panel in panels]
    assert overlaps(places) == []
    assert all(0 <= place["left"] and place["right"] <= 24 for place in places)
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
