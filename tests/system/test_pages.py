# SPDX-License-Identifier: MIT
"""What the web server serves, byte for byte."""

import re

import pytest

from harness import Network, Talus, curl, wait_until
from harness.load import curl as fetch


def headers(machine, path, *options):
    """Status and header fields, names in lower case."""
    text = fetch(machine, path, "--include", "--no-fail", *options).decode("latin-1")
    head = text.split("\r\n\r\n", 1)[0].split("\r\n")
    fields = dict(line.split(": ", 1) for line in head[1:])
    return int(head[0].split()[1]), {name.lower(): value for name, value in fields.items()}


@pytest.mark.parametrize("path, length", [("/4b", 4), ("/1k", 1024), ("/100k", 102400)])
def test_benchmark_pages_have_their_length(talus, path, length):
    body = curl(talus, path)
    assert len(body) == length
    status, fields = headers(talus, path)
    assert status == 200
    assert fields["content-length"] == str(length)
    # The same on every connection, whichever web server answers.
    assert {curl(talus, path) for _ in range(8)} == {body}


def test_the_welcome_page_shows_the_running_system(talus):
    status, fields = headers(talus, "/")
    assert status == 200
    assert fields["content-type"].startswith("text/html")
    page = curl(talus, "/").decode("ascii")
    for words in ("TS", "LS", "CM", "httpd"):
        assert words in page
    assert page.rstrip().endswith("</html>")


def test_stats_are_for_people(talus):
    page = curl(talus, "/stats").decode("ascii")
    for words in ("node", "httpd", "LS TS CM"):
        assert words in page


def test_metrics_are_in_prometheus_form(talus):
    _, fields = headers(talus, "/metrics")
    assert fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = curl(talus, "/metrics").decode("ascii")
    assert text.endswith("\n")
    described, last_name, endings = set(), None, ()
    for line in text.splitlines():
        match = re.fullmatch(r"# (HELP|TYPE) (talus_\w+) .+", line)
        if match:
            assert (match[1], match[2]) not in described, f"described twice: {line}"
            described.add((match[1], match[2]))
            last_name = match[2]
            endings = (("_bucket", "_sum", "_count") if line.endswith(" histogram") else ("",))
            continue
        match = re.fullmatch(r"(talus_\w+)(\{(\w+=\"[^\"]*\",?)+\})? [0-9.]+", line)
        assert match, line
        assert match[1] in [last_name + ending for ending in endings], f"rows of one name stand apart: {line}"
        assert ("TYPE", last_name) in described
    assert ("TYPE", "talus_http_requests_total") in described


def test_metrics_count_every_request_once(talus):
    def requests():
        return sum(talus.counter("http_requests_total").values())

    # A node that is interrupted after its answer counts a little later: two readings in a row that
    # differ by the first of them.
    def settled():
        first = requests()
        return first if requests() == first + 1 else None

    before = wait_until(settled, "all earlier requests to be counted")
    for _ in range(10):
        curl(talus, "/4b")
    after = wait_until(settled, "the requests to be counted")
    assert after - before == 12  # and two readings of them


def test_head_is_get_without_the_body(talus):
    for path in ("/4b", "/1k", "/100k"):
        _, got = headers(talus, path)
        status, fields = headers(talus, path, "--head")
        assert status == 200
        assert fields["content-length"] == got["content-length"]
        body = fetch(talus, path, "--head", "--output", "-")
        assert body.split(b"\r\n\r\n", 1)[1] == b""


def test_a_page_that_is_not_there_is_404(talus):
    status, fields = headers(talus, "/nowhere")
    assert status == 404
    assert int(fields["content-length"]) > 0


def test_http_1_0_is_answered_and_closed(talus):
    body = fetch(talus, "/4b", "--http1.0")
    assert len(body) == 4
    _, fields = headers(talus, "/4b", "--http1.0")
    assert fields.get("connection", "close").lower() == "close"


def test_many_pages_come_over_one_connection(talus):
    done = talus.network.run("curl", "-s", "-o", "/dev/null", "-w", "%{num_connects}\n",
                             *sum((["-o", "/dev/null", f"http://{talus.address}/1k"]
                                   for _ in range(20)), [])[2:])
    connects = [int(line) for line in done.stdout.split()]
    assert sum(connects) == 1, done.stdout


# --- A web root of our own ---

FILES = {
    "index.html": b"<!doctype html><title>root</title>hello\n",
    "a.txt": b"plain text\n",
    "empty.txt": b"",
    "one": b"1",
    "deep/er/and/deeper/file.css": b"body { color: red }\n",
    "deep/index.html": b"<p>deep</p>\n",
    "binary.bin": bytes(range(256)) * 1000,
    "big.bin": bytes((n * n + n // 251) % 256 for n in range(1_500_000)),
    "odd name & sign.txt": b"odd\n",
    "just-below-a-block": b"b" * 511,
    "just-a-block": b"b" * 512,
    "just-above-a-block": b"b" * 513,
    ("long/" + "x" * 120 + ".txt"): b"a name too long for the oldest tar\n",
}


@pytest.fixture(scope="module")
def root_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def talus_with_root(root_folder):
    with Network() as network, Talus(network=network, root=root_folder) as machine:
        yield machine


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_the_root_comes_byte_for_byte(talus_with_root, name):
    path = "/" + name.replace(" ", "%20").replace("&", "%26")
    assert curl(talus_with_root, path) == FILES[name]
    assert curl(talus_with_root, path) == FILES[name]  # perhaps by another web server


def test_a_folder_serves_its_index(talus_with_root):
    assert curl(talus_with_root, "/") == FILES["index.html"]
    assert curl(talus_with_root, "/deep/") == FILES["deep/index.html"]
    assert curl(talus_with_root, "/deep", "--location") == FILES["deep/index.html"]


def test_types_follow_the_names(talus_with_root):
    for name, kind in (("index.html", "text/html"), ("a.txt", "text/plain"),
                       ("deep/er/and/deeper/file.css", "text/css"),
                       ("binary.bin", "application/octet-stream")):
        _, fields = headers(talus_with_root, "/" + name)
        assert fields["content-type"].startswith(kind)


def test_built_in_pages_stand_behind_the_root(talus_with_root):
    assert len(curl(talus_with_root, "/4b")) == 4
    assert b"talus_node_up" in curl(talus_with_root, "/metrics")


def test_a_folder_without_index_shows_nothing(talus_with_root):
    status, _ = headers(talus_with_root, "/deep/er/")
    assert status == 404
