# SPDX-License-Identifier: MIT
"""`make paper` without its measuring: what its parsers make of programs' output, and the page it builds from
small made-up data (tests/paper/canned)."""

import http.server
import itertools
import os
import shutil
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from harness import REPOSITORY

PAPER = REPOSITORY / "tests" / "paper"
sys.path.insert(0, str(PAPER))

from measures import caches, configurations, imbalance, messages, native, sharing  # noqa: E402
from piece import Missing  # noqa: E402
import percentiles  # noqa: E402
import store  # noqa: E402

pytestmark = pytest.mark.same_on_any_card("no machine")

PIECES = [f"table{number}" for number in range(1, 6)] + [f"figure{number}" for number in range(4, 13)]
VOID = {"meta", "img", "br", "link", "input", "hr"}


# --- The parsers ---

def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "data" / "x.tsv"
    data = store.Data(["name", "count", "share"], [{"name": "a b", "count": 3, "share": 0.5}], {"how": "x: y"})
    store.write(path, data)
    assert store.read(path) == data
    assert [entry.name for entry in path.parent.iterdir()] == ["x.tsv"]


@pytest.mark.parametrize("text, words", [
    ("", "no columns"), ("# how: x\n", "no columns"), ("a\tb\n1\n", "line 2: 1 values for 2"),
    ("a\ta\n1\t2\n", "a column twice")])
def test_a_broken_file_is_refused_with_the_reason(text, words):
    with pytest.raises(store.BadData, match=words):
        store.parse(text)


def test_a_missing_column_and_an_ambiguous_row_are_refused():
    data = store.parse("a\tb\n1\tx\n1\ty\n")
    with pytest.raises(store.BadData, match="no column c"):
        data.require("a", "c")
    with pytest.raises(store.BadData, match="2 rows"):
        data.one(a=1)
    assert data.one(b="y") == {"a": 1, "b": "y"}


def test_the_message_benchmark_is_read_line_by_line():
    output = ("cycles                         least   tenth  median / limit        goal\n"
              "one line, there and back         340     356     384                    \n"
              "round trip                       736     771     818    1.08        1.10  (disturbed)\n")
    rows = messages.parse(output)
    assert [(row["measure"], row["tenth"], row["disturbed"]) for row in rows] == [
        ("one line, there and back", 356, "no"), ("round trip", 771, "yes")]
    with pytest.raises(Missing):
        messages.parse("without real-time priority\n")


def test_a_hosted_programs_costs_and_samples_are_read():
    output = "[ 0.1] node0 boot: x\nshort   node0  10994 node1   8888  card   430  Talus  19452 cycles  (87500 requests, 117419/s)\n"
    assert native.parse_costs(output) == (19882, 430, 117419)
    with pytest.raises(Missing):
        native.parse_costs("[ 0.1] node0 boot: 5 cycles\n")
    places = {0x400010: ("cm", "/x/net/manager/manager.c"), 0x400020: ("send", "/x/kernel/message/send.c")}
    counts = native.parse_samples("400010\n  400020\n400020\nffffffff81000000\n", places.get)
    assert {part: count for part, count in counts.items() if count} == {"CM": 1, "message": 2, "system calls": 1}


CACHEGRIND = """desc: I1 cache: 32768 B
events: Ir I1mr ILmr Dr D1mr DLmr Dw D1mw DLmw
fl=/x/net/link/server.c
fn=poll_queue
10 100 5 1 30 2 0 20 1 0
fl=/x/drivers/hosted/memory.c
fn=receive
7 50 9 0 1 9 0 1 9 0
fl=/x/apps/httpd/main.c
fn=main
1 {app} 1 0 1 1 0 1 1 0
summary: 1 1 1 1 1 1 1 1 1
"""


def test_cachegrinds_files_are_summed_by_part_and_only_servers_are_counted():
    server, application = CACHEGRIND.format(app=60), CACHEGRIND.format(app=600)
    assert caches.parse(server)["LS"] == [100, 5, 3, 1]
    assert caches.add_servers([server, application]) == [160, 6, 5, 1]
    with pytest.raises(store.BadData):
        caches.parse("fl=x\n1 2 3\n")


def test_the_sharing_report_counts_only_when_it_passed():
    lines = "".join(f"sharing: {kind}: {pages} pages touched by several vCPUs, 40 lines fetched, 30 taken\n"
                    for kind, pages in (("private", 0), ("mailbox", 7), ("archive", 2)))
    assert sharing.parse(lines + "sharing: passed\n")["mailbox"] == (7, 40, 30)
    for report in (lines + "sharing: FAILED: 1 pages\n", "sharing: passed\n"):
        with pytest.raises(Missing):
            sharing.parse(report)


def test_a_notations_nodes_are_counted_as_the_paper_means_it():
    counts = {"TS8LS8CM8": 8, "TS8LS8CM2": 8, "TS8CM8+LS1": 9, "TS8LS8+CM4": 12, "TS8+LS8+CM8": 24}
    assert {notation: configurations.server_nodes(notation) for notation in counts} == counts


def test_a_configuration_that_was_replaced_by_the_default_is_not_measured():
    row = {"roles": {"0": "LS TS CM", "1": "httpd"}, "by_node": [1, 1]}
    configurations.check_roles(row, "TS1LS1CM1")
    with pytest.raises(Missing, match="does not run"):
        configurations.check_roles(row, "TS1LS1+CM2")


def test_a_curve_leaves_the_reference_where_it_is_first_above_its_multiple():
    reference = [(50, 10), (99, 20), (99.9, 30)]
    assert percentiles.leaves_at([(50, 19), (99, 41), (99.9, 90)], reference) == 99
    assert percentiles.leaves_at([(50, 20), (99, 40), (99.9, 60)], reference) is None


def test_percentiles_are_of_whole_connections_and_failures_are_counted():
    lines = "".join(f"0.{i:03} {i}\n" for i in range(100, 0, -1)) + "0.5 failed\n"
    times, failed = imbalance.parse(lines)
    assert (len(times), failed) == (100, 1)
    assert [imbalance.percentile(times, place) for place in (1, 50, 98.5, 99, 99.9)] == [1, 50, 99, 99, 100]
    with pytest.raises(Missing):
        imbalance.parse("0.5 failed\n")


def test_delays_have_the_papers_phases_on_the_web_servers_nodes():
    words = imbalance.delay_words(length_s=50, start_ms=15000, is_disturbed=True)
    assert "--delay 8:2000 " in words and "--delay 15:2000 " in words
    assert "--delay 8:4400:20000:25000" in words and "--delay 10:18000:30000:55000" in words
    assert words.count("--delay") == imbalance.SERVERS + len(imbalance.DELAYS)
    assert imbalance.delay_words(50, 15000, is_disturbed=False).count("--delay") == imbalance.SERVERS


class Answers(http.server.BaseHTTPRequestHandler):
    """What the client expects of a web server, every third time an error."""

    numbers = itertools.count()

    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(500 if next(Answers.numbers) % 3 == 0 else 200)
        self.end_headers()

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def test_the_client_opens_all_connections_and_tells_good_answers_from_others():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        done = subprocess.run([PAPER / "open_loop.py", "127.0.0.1", str(port), "60", "0.5"], capture_output=True,
                              text=True, check=True)
        server.shutdown()
    times, failed = imbalance.parse(done.stdout)
    assert (len(times), failed) == (20, 10)
    refused = subprocess.run([PAPER / "open_loop.py", "127.0.0.1", str(port), "60", "0.1"], capture_output=True,
                             text=True, check=True)
    assert [line.split()[1] for line in refused.stdout.splitlines()] == ["failed"] * 6


def test_servers_of_one_accept_queue_serve_all_that_the_client_opens_and_the_slow_one_is_slow():
    """One of two takes 100 times as long, and gets some of the connections all the same."""
    assert imbalance.one_queue_words(50)[0] == "2000,4400:5000:10000"
    assert len(imbalance.one_queue_words(50)) == imbalance.SERVERS
    with subprocess.Popen([PAPER / "one_queue.py", "1000", "1000,99000:0:3600000"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as servers:
        port = servers.stdout.readline().strip()
        done = subprocess.run([PAPER / "open_loop.py", "127.0.0.1", port, "60", "1"], capture_output=True, text=True,
                              check=True)
    assert servers.returncode == 0
    times, failed = imbalance.parse(done.stdout)
    assert (len(times), failed) == (60, 0)
    assert times[0] >= 1000 and times[-1] >= 100000


# --- The page ---

class Page(HTMLParser):
    """Tags that match, identifiers, references, and the text of each section."""

    def __init__(self, text):
        super().__init__()
        self.open, self.faults, self.ids, self.links = [], [], [], []
        self.images = []
        self.sections = {}
        self.feed(text)
        self.faults += [f"{tag} is not closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "section":
            self.sections[attributes["id"]] = ""
        if tag == "img":
            self.images.append((attributes["src"], attributes.get("alt")))
        if tag == "a":
            self.links.append(attributes["href"])

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if "section" in self.open:
            self.sections[list(self.sections)[-1]] += data


def run_paper(output, *options, build=None):
    environment = {**os.environ, **({"BUILD": str(build)} if build else {})}
    return subprocess.run([PAPER / "paper", "--output", output, *options], capture_output=True, text=True,
                          env=environment, check=False)


def read_page(output):
    page = Page((output / "index.html").read_text(encoding="utf-8"))
    assert page.faults == []
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link[1:] in page.ids if link.startswith("#") else (output / link).is_file(), link
    for source, words in page.images:
        assert words
        assert ElementTree.parse(output / source).getroot().tag.endswith("svg")
        png = (output / source).with_suffix(".png").read_bytes()
        assert png.startswith(b"\x89PNG") and b"IEND" in png
    return page


def test_the_page_has_every_piece_with_the_papers_beside_ours(tmp_path):
    shutil.copytree(PAPER / "canned", tmp_path / "data")
    done = run_paper(tmp_path, "--no-measure")
    assert done.returncode == 0, done.stdout + done.stderr
    page = read_page(tmp_path)
    assert sorted(page.sections) == sorted(PIECES)
    for name, words in page.sections.items():
        assert "The paper" in words and "Talus" in words and "How it was measured" in words, name
        assert "Missing." not in words and (tmp_path / "text" / f"{name}.txt").stat().st_size > 0
    figures = [name for name in PIECES if "figure" in name] + ["figure5-measured", "figure7-measured"]
    assert sorted(source for source, _ in page.images) == sorted(f"plots/{name}.svg" for name in figures)
    # The paper's numbers, as its tables have them.
    assert "597" in page.sections["table2"] and "6,767" in page.sections["table5"]


def test_what_fails_is_shown_as_missing_and_makes_the_status_1(tmp_path):
    """One piece was never measured, one has broken data, one fails now and has old data."""
    data = tmp_path / "data"
    shutil.copytree(PAPER / "canned", data)
    (data / "fig9.tsv").unlink()
    (data / "caches.tsv").write_text("kib\tmisses\n8\t1\n", encoding="ascii")
    done = run_paper(tmp_path, "--remeasure", "--only", "table2", build=tmp_path / "nothing-is-built-here")
    assert done.returncode == 1
    assert "MISSING table2" in done.stdout and "0 of 1 pieces shown" in done.stdout
    page = read_page(tmp_path)
    reasons = {"table2": "cannot be run", "figure9": "fig9 has not been measured", "figure12": "no column"}
    for name, words in page.sections.items():
        assert ("Missing." in words) == (name in reasons), name
        assert reasons.get(name, "") in words
    assert not (data / "messages.tsv").exists()


def test_an_unknown_piece_is_refused_by_name(tmp_path):
    done = run_paper(tmp_path, "--only", "table2 figure99")
    assert done.returncode == 2 and "figure99" in done.stderr
    assert list(tmp_path.iterdir()) == []
