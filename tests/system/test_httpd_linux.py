# SPDX-License-Identifier: MIT
"""The web server as a Linux program: the same sources, the host's headers, with sanitizers."""

import re
import resource
import socket
import subprocess
from pathlib import Path

import pytest

from harness import WAIT_S, wait_until
from test_malformed_http import WRONG_REQUESTS

pytestmark = pytest.mark.same_on_any_card("a Linux program")

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "build/linux/httpd-asan"
HOST = b"Host: a\r\n"


class Server:
    """httpd on a free port of the loopback device."""

    def __init__(self, *options, **others):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [PROGRAM, "--port", str(self.port), "--builtin", "build/builtin.tar", *options],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **others)
        self.lines = []
        while not (self.lines and self.lines[-1].startswith("listening on ")):
            line = self.process.stdout.readline()
            assert line, "it ended: " + "".join(self.lines)
            self.lines.append(line)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S)

    def exchange(self, request):
        """Everything that comes back for these bytes."""
        with self.connect() as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
            return answer

    def get(self, path, *fields):
        request = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n".encode()
        answer = self.exchange(request + b"".join(f.encode() + b"\r\n" for f in fields) + b"\r\n")
        head, body = answer.split(b"\r\n\r\n", 1)
        return int(head.split()[1]), head.decode(), body

    def stop(self):
        assert self.process.poll() is None, self.process.stdout.read()
        self.process.terminate()
        self.rest = self.process.stdout.read()
        self.process.wait(timeout=WAIT_S)
        assert "ERROR" not in self.rest and "runtime error" not in self.rest, self.rest


@pytest.fixture(scope="module", autouse=True)
def built():
    subprocess.run(["make", "--no-print-directory", PROGRAM, "build/linux/httpd",
                    "build/builtin.tar"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.stop()


def test_it_says_where_it_listens_once(server):
    assert server.lines == [f"listening on http://127.0.0.1:{server.port}/\n"]


@pytest.mark.parametrize("path", ["/4b", "/1k", "/100k", "/style.css"])
def test_curl_gets_every_built_in_file_byte_for_byte(server, path):
    url = f"http://127.0.0.1:{server.port}{path}"
    body = subprocess.run(["curl", "-sf", url], stdout=subprocess.PIPE, check=True).stdout
    assert body == (ROOT / "build/www" / path[1:]).read_bytes()


@pytest.mark.parametrize("path", ["/", "/stats", "/metrics"])
def test_live_pages_come_without_a_system_that_fills_them(server, path):
    status, _, body = server.get(path)
    assert status == 200 and b"not available" in body


PIPELINES = {
    "get, head, get": (
        b"GET /4b HTTP/1.1\r\n" + HOST + b"\r\nHEAD /100k HTTP/1.1\r\n" + HOST +
        b"\r\nGET /1k HTTP/1.0\r\n\r\n", [200, 200, 200]),
    "bodies that nobody wants": (
        b"POST /4b HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
        b"POST /4b HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n0\r\n\r\n"
        b"GET /4b HTTP/1.1\r\n" + HOST + b"\r\n", [405, 405, 200]),
    "a protocol change is not granted": (
        b"GET /4b HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        b"GET /4b HTTP/1.1\r\n" + HOST + b"\r\n", [200, 200]),
    "nothing behind a close": (
        b"GET /4b HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        b"GET /4b HTTP/1.1\r\n" + HOST + b"\r\n", [200]),
    "nothing behind an error": (
        b"nonsense\r\n\r\nGET /4b HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    "a body is invited": (
        b"POST /4b HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        [100]),
    "http/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505]),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelined_requests_are_answered_in_order(server, name):
    request, statuses = PIPELINES[name]
    answer = server.exchange(request)
    assert [int(s) for s in re.findall(rb"HTTP/1\.1 (\d+) ", answer)] == statuses


@pytest.mark.parametrize("name", WRONG_REQUESTS)
def test_a_wrong_request_gets_the_status_that_says_so(server, name):
    request, status = WRONG_REQUESTS[name]
    assert server.exchange(request).startswith(b"HTTP/1.1 %d " % status)


def test_nothing_is_answered_behind_a_transfer_coding_in_http_1_0(server):
    """RFC 9112 6.1: whoever handed it on may see the request's end elsewhere."""
    answer = server.exchange(b"POST /4b HTTP/1.0\r\nConnection: keep-alive\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                             b"GET /4b HTTP/1.1\r\n" + HOST + b"\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"405"]


def test_requests_that_come_byte_by_byte_are_answered(server):
    request = (b"GET /1k HTTP/1.1\r\n" + HOST + b"Range: bytes=1-2\r\n\r\n"
               b"GET /4b HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    with server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            connection.sendall(bytes([byte]))
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert [int(s) for s in re.findall(rb"HTTP/1\.1 (\d+) ", answer)] == [206, 200]


def test_parts_and_conditions_are_honoured(server):
    whole = (ROOT / "build/www/100k").read_bytes()
    status, head, body = server.get("/100k", "Range: bytes=1000-1999")
    assert status == 206 and body == whole[1000:2000]
    assert f"Content-Range: bytes 1000-1999/{len(whole)}" in head
    assert server.get("/100k", f"Range: bytes={len(whole)}-")[0] == 416
    tag = re.search("ETag: (.*)", head)[1].strip()
    assert server.get("/100k", f"If-None-Match: {tag}")[0::2] == (304, b"")
    assert server.get("/100k", 'If-Match: "other"')[0] == 412


def test_a_web_root_stands_before_the_built_in_one(tmp_path):
    files = {"index.html": b"mine\n", "folder/index.html": b"deep\n", "folder/a b.txt": b"ab\n"}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    archive = tmp_path / "root.tar"
    subprocess.run(["tar", "-cf", archive, "-C", tmp_path, "index.html", "folder"], check=True)
    server = Server("--root", str(archive))
    try:
        assert server.get("/")[2] == b"mine\n"
        assert server.get("/folder/")[2] == b"deep\n"
        assert server.get("/folder/a%20b.txt")[2] == b"ab\n"
        status, head, _ = server.get("/folder?x=1")
        assert status == 301 and head.endswith("Location: /folder/?x=1")
        assert server.get("/4b")[0] == 200
        assert server.get("/stats")[0] == 200
    finally:
        server.stop()


def test_status_pages_are_the_servers_own_whatever_the_root_holds(tmp_path, server):
    names = ["style.css", "stats.html", "stats.css", "stats.js", "metrics", "stats/style.css",
             "stats/script.js"]
    (tmp_path / "stats").mkdir()
    for name in names:
        (tmp_path / name).write_bytes(b"mine\n")
    archive = tmp_path / "root.tar"
    subprocess.run(["tar", "-cf", archive, "-C", tmp_path, *names], check=True)
    other = Server("--root", str(archive))
    try:
        own = ["/stats/style.css", "/stats/script.js"]
        assert re.findall(r'(?:href|src)="(/stats/[^"]*)"', server.get("/stats")[2].decode()) == own
        for path in ("/", "/stats", "/metrics", *own):
            assert other.get(path)[2] == server.get(path)[2]
        assert other.get("/style.css")[2] == b"mine\n"
    finally:
        other.stop()


def test_clients_beyond_the_limit_of_descriptors_are_answered_503(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    server = Server(preexec_fn=limit)
    try:
        connections = [server.connect() for _ in range(60)]
        statuses = []
        for connection in connections:
            connection.sendall(b"GET /4b HTTP/1.1\r\n" + HOST + b"\r\n")
            statuses.append(connection.recv(4096).split()[1])
        assert set(statuses) == {b"200", b"503"}
        assert statuses.count(b"200") == 40 - 16
        for connection in connections:
            connection.close()
        wait_until(lambda: server.get("/4b")[0] == 200, "room")
    finally:
        server.stop()
    assert server.rest.count("24 clients are there: others are answered 503") == 1


def test_a_broken_archive_costs_only_what_lies_behind_the_damage(tmp_path):
    archive = tmp_path / "root.tar"
    (tmp_path / "a").write_bytes(b"a" * 1000)
    (tmp_path / "b").write_bytes(b"b" * 1000)
    subprocess.run(["tar", "-cf", archive, "-C", tmp_path, "a", "b"], check=True)
    content = bytearray(archive.read_bytes())
    content[3 * 512 + 5] ^= 1
    archive.write_bytes(content)
    server = Server("--root", str(archive))
    try:
        assert any("broken after 1 files" in line for line in server.lines)
        assert server.get("/a")[2] == b"a" * 1000
        assert server.get("/b")[0] == 404
    finally:
        server.stop()


def test_load_ends_without_a_failed_request():
    """Without sanitizers: there must be no limit on descriptors or time in their way."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(["build/linux/httpd", "--port", str(port), "--builtin",
                           "build/builtin.tar"], cwd=ROOT, stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            assert process.stdout.readline().startswith("listening on ")
            for options in (["-n", "2000"], ["-k", "-n", "4000"]):
                done = subprocess.run(["ab", "-q", "-s", str(int(WAIT_S)), "-c", "16", *options,
                                       f"http://127.0.0.1:{port}/100k"],
                                      stdout=subprocess.PIPE, text=True, check=True)
                assert re.search(r"Failed requests: +0\n", done.stdout), done.stdout
        finally:
            process.terminate()
