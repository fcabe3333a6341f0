# SPDX-License-Identifier: MIT
"""A web root with an httpd.cfg: hosts, encoded files, ranges, redirections. Asked for by curl, of
Talus and of the same sources as a Linux program."""

import email
import gzip
import re
import subprocess

import pytest

from harness import WAIT_S, Network, Talus
from test_httpd_linux import Server, built  # noqa: F401 (a fixture)

SETTINGS = """\
# for all hosts
cache text/css public, max-age=3600
header /secret/* X-Robots-Tag noindex
error 404 /404.html
listing /pub/*
redirect 308 /moved/* https://example.org/new/*
no such word
host /sites/one one.test *.one.test
error 404 /sorry.html
host /sites/two two.test
host - old.test
redirect 301 /* http://one.test/*
"""

STYLE = b"p { margin: 0 }\n" * 400
BIG = bytes((n * n + n // 251) % 256 for n in range(300_000))

FILES = {
    "httpd.cfg": SETTINGS.encode(),
    "404.html": b"<h1>our own</h1>\n",
    "style.css": STYLE,
    "style.css.gz": gzip.compress(STYLE, mtime=0),
    "style.css.br": b"not really brotli",
    "big.bin": BIG,
    "secret/x": b"x\n",
    "pub/a b.txt": b"ab\n",
    "pub/deep/c": b"c\n",
    "sites/one/index.html": b"one\n",
    "sites/one/sorry.html": b"sorry\n",
    "sites/two/index.html": b"two\n",
}


class Site:
    """One server of these files, and curl's way to it."""

    def __init__(self, address, port, prefix=()):
        self.address, self.port, self.prefix = address, port, prefix

    def curl(self, path, *options, host="any.test"):
        """Status, fields with names in lower case, content."""
        done = subprocess.run(
            [*self.prefix, "curl", "-sS", "--include", "--max-time", str(WAIT_S), "--path-as-is",
             "--resolve", f"{host}:{self.port}:{self.address}", *options,
             f"http://{host}:{self.port}{path}"],
            stdout=subprocess.PIPE, check=True)
        head, body = done.stdout.split(b"\r\n\r\n", 1)
        lines = head.decode("ascii").split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), {n.lower(): v for n, v in fields.items()}, body

    def get(self, path, *options, host="any.test"):
        return self.curl(path, *options, host=host)[0::2]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def linux(root, tmp_path_factory, built):  # noqa: F811
    archive = tmp_path_factory.mktemp("archive") / "root.tar"
    subprocess.run(["tar", "-cf", archive, "-C", root, "."], check=True)
    server = Server("--root", str(archive))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def machine(root):
    with Network() as network, Talus(network=network, root=root, smp=2) as machine:
        yield machine


@pytest.fixture(params=["linux", "talus"], scope="module")
def site(request):
    if request.param == "linux":
        return Site("127.0.0.1", request.getfixturevalue("linux").port)
    talus = request.getfixturevalue("machine")
    address, port = (talus.address.split(":") + ["80"])[:2]
    return Site(address, port, talus.network.command())


def test_a_wrong_line_is_told_and_the_server_serves(linux, machine):
    said = "httpd.cfg, line 7: its first word is unknown"
    assert [line for line in linux.lines if said in line]
    assert said in machine.console
    # Each web server has read it; other nodes have not.
    assert set(machine.counter("http_configuration_errors_total").values()) <= {0, 1}
    assert sum(machine.counter("http_configuration_errors_total").values()) > 0


def test_an_encoded_file_goes_to_those_who_accept_it(site):
    assert site.get("/style.css") == (200, STYLE)
    # curl decodes what --compressed has asked for: only gzip is named to be independent of its build.
    status, fields, body = site.curl("/style.css", "-H", "Accept-Encoding: gzip", "--compressed")
    assert (status, body) == (200, STYLE)
    assert fields["content-encoding"] == "gzip" and fields["vary"] == "Accept-Encoding"
    assert fields["content-type"].startswith("text/css")
    assert int(fields["content-length"]) == len(FILES["style.css.gz"])
    assert fields["cache-control"] == "public, max-age=3600"
    status, fields, body = site.curl("/style.css", "-H", "Accept-Encoding: gzip;q=0.5, br")
    assert (body, fields["content-encoding"]) == (FILES["style.css.br"], "br")
    tag = fields["etag"]
    assert site.get("/style.css", "-H", "Accept-Encoding: br", "-H", f"If-None-Match: {tag}") == \
        (304, b"")
    status, fields, _ = site.curl("/style.css", "--head", "-H", "Accept-Encoding: gzip")
    assert fields["content-encoding"] == "gzip" and fields["etag"] != tag
    assert site.get("/style.css", "-H", "Accept-Encoding: gzip;q=0") == (200, STYLE)


def test_several_ranges_come_as_a_reader_of_mime_reads_them(site):
    asked = [(250_000, 250_099), (0, 0), (1000, 99_999), (299_990, 299_999)]
    status, fields, body = site.curl("/big.bin", "--range", ",".join(f"{a}-{b}" for a, b in asked))
    assert status == 206 and int(fields["content-length"]) == len(body)
    assert "content-range" not in fields
    head = f"Content-Type: {fields['content-type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + body).get_payload()
    assert [part["Content-Range"] for part in parts] == \
        [f"bytes {a}-{b}/{len(BIG)}" for a, b in asked]
    # The parser of mail knows no binary content: cut it out by the boundary.
    boundary = re.search("boundary=(.*)", fields["content-type"])[1].encode()
    cut = body.split(b"--" + boundary)
    assert cut[0] == b"" and cut[-1] == b"--\r\n"
    for (first, last), part in zip(asked, cut[1:-1], strict=True):
        assert part.split(b"\r\n\r\n", 1)[1] == BIG[first:last + 1] + b"\r\n"
    # One, and those that overlap.
    status, fields, body = site.curl("/big.bin", "--range", "0-9,5-20")
    assert (status, body, fields["content-range"]) == (206, BIG[:21], f"bytes 0-20/{len(BIG)}")
    assert site.get("/big.bin", "--range", ",".join(["0-", "-1"] * 20)) == (200, BIG)


def test_each_host_has_its_folder_and_nothing_else(site):
    assert site.get("/", host="one.test") == (200, b"one\n")
    assert site.get("/", host="www.one.test") == (200, b"one\n")
    assert site.get("/", host="two.test") == (200, b"two\n")
    assert site.get("/style.css", host="two.test")[0] == 404
    assert site.get("/none", host="one.test") == (404, b"sorry\n")
    assert site.get("/none") == (404, FILES["404.html"])
    for path in ("/sites/one/index.html", "/sites/two/", "/sites", "/sites/"):
        assert site.get(path)[0] == 404
    for _ in range(3):  # the third time it is known byte for byte
        assert site.get("/4b") == (200, b"pika")
        assert site.get("/4b", host="one.test") == (404, b"sorry\n")


def test_its_settings_are_shown_to_nobody(site):
    for host in ("any.test", "one.test", "two.test"):
        for path in ("/httpd.cfg", "/%68ttpd.cfg", "/./httpd.cfg", "//httpd.cfg", "/httpd.cfg?"):
            assert site.get(path, host=host)[0] == 404
    assert b"httpd.cfg" not in site.get("/pub/")[1]


def test_redirections_and_fields_are_those_of_the_file(site):
    status, fields, _ = site.curl("/moved/a/b?c=d")
    assert (status, fields["location"]) == (308, "https://example.org/new/a/b?c=d")
    status, fields, _ = site.curl("//x/y", host="old.test")
    assert (status, fields["location"]) == (301, "http://one.test/x/y")
    assert site.curl("/secret/x")[1]["x-robots-tag"] == "noindex"
    assert "x-robots-tag" not in site.curl("/big.bin", "--head")[1]


def test_a_listing_leads_to_what_is_in_the_folder(site):
    status, body = site.get("/pub/")
    assert status == 200
    links = re.findall(r'href="([^"]+)"', body.decode())
    assert links == ["../", "/pub/a%20b.txt", "/pub/deep/"]
    assert site.get(links[1]) == (200, b"ab\n")
    assert site.get(links[2])[0] == 200
    assert site.get("/secret/")[0] == 404
