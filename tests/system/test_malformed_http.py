# SPDX-License-Identifier: MIT
"""Requests that are wrong, slow or never end: each gets its answer or its end, the rest go on."""

import random
import socket
import struct
import time

import pytest

from harness import ab, curl

GET = b"GET /4b HTTP/1.1\r\nHost: talus\r\n\r\n"
CLOSING_GET = b"GET /4b HTTP/1.1\r\nHost: talus\r\nConnection: close\r\n\r\n"


@pytest.fixture(autouse=True)
def all_is_well_afterwards(talus):
    yield
    assert len(curl(talus, "/4b")) == 4
    assert set(talus.counter("node_up").values()) == {1}


def read_to_end(connection):
    """All until the server closes; a reset counts as the end."""
    data = b""
    try:
        while chunk := connection.recv(65536):
            data += chunk
    except ConnectionResetError:
        pass
    return data


def exchange(talus, request, is_ended=True):
    """The whole answer to these bytes on a connection of their own."""
    with talus.connect() as connection:
        try:
            connection.sendall(request)
            if is_ended:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent
        return read_to_end(connection)


def status_of(answer):
    line = answer.split(b"\r\n", 1)[0].split()
    assert len(line) >= 2 and line[0] == b"HTTP/1.1", answer[:200]
    return int(line[1])


WRONG_REQUESTS = {
    "no such page": (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    "method that pages do not have": (b"POST /4b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405),
    "no host": (b"GET /4b HTTP/1.1\r\n\r\n", 400),
    "no server's name in an absolute target": (b"GET http:///4b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "port that is no number": (b"GET /4b HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    "two ports": (b"GET /4b HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400),
    "half an address": (b"GET /4b HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    "no address in brackets": (b"GET /4b HTTP/1.1\r\nHost: [zz]\r\n\r\n", 400),
    "blanks around values": (b"GET /4b HTTP/1.1\r\nHost: \t a \t\r\nExpect:\t100-continue \t\r\n"
                             b"Connection:\tclose\t\r\n\r\n", 200),
    "too long a body in chunks": (b"POST /4b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                                  b"\r\n" + 17 * (b"10000\r\n" + 65536 * b"x" + b"\r\n"), 413),
    "too long a chunk's extension": (
        b"POST /4b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
        b"e" * 70000 + b"\r\nx\r\n0\r\n\r\n", 413),
    "too large a trailer": (
        b"POST /4b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: " +
        b"t" * 70000 + b"\r\n\r\n", 431),
    "two hosts": (b"GET /4b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "version that is not spoken": (b"GET /4b HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "no request at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "space before a colon": (b"GET /4b HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "byte zero in a header": (b"GET /4b HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
    "two lengths": (b"GET /4b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                    b"Content-Length: 2\r\n\r\nxx", 400),
    "length beside transfer coding": (b"GET /4b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                                      b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "length that is no number": (b"GET /4b HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
    "too long a line": (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "too large a header": (b"GET /4b HTTP/1.1\r\nHost: a\r\nX: " + b"h" * 70000 + b"\r\n\r\n", 431),
    "too many headers": (b"GET /4b HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 20000 + b"\r\n", 431),
}


@pytest.mark.parametrize("name", WRONG_REQUESTS)
def test_a_wrong_request_gets_the_status_that_says_so(talus, name):
    request, status = WRONG_REQUESTS[name]
    assert status_of(exchange(talus, request)) == status


@pytest.mark.parametrize("path", ["/../4b", "/%2e%2e/%2e%2e/etc/passwd", "/a/../../4b", "/%00",
                                  "/..%2f..%2f4b", "/%zz", "/%"])
def test_no_path_leads_out_of_the_root(talus, path):
    request = b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    assert status_of(exchange(talus, request)) in (400, 404)


def test_405_names_what_is_allowed(talus):
    answer = exchange(talus, b"DELETE /4b HTTP/1.1\r\nHost: a\r\n\r\n")
    allow = [line for line in answer.split(b"\r\n") if line.lower().startswith(b"allow:")]
    assert len(allow) == 1 and b"GET" in allow[0] and b"HEAD" in allow[0]


def test_after_a_wrong_request_the_connection_ends(talus):
    answer = exchange(talus, b"nonsense\r\n\r\n" + GET, is_ended=False)
    assert status_of(answer) == 400
    assert answer.count(b"HTTP/1.1 ") == 1


def test_requests_with_random_changes_do_no_harm(talus):
    generator = random.Random(9110)
    for _ in range(150):
        request = bytearray(GET * generator.randrange(1, 4))
        for _ in range(generator.randrange(1, 6)):
            request[generator.randrange(len(request))] = generator.randrange(256)
        answer = exchange(talus, bytes(request))
        assert answer == b"" or answer.startswith(b"HTTP/1.1 ")


def test_random_bytes_do_no_harm(talus):
    generator = random.Random(9112)
    for _ in range(50):
        exchange(talus, generator.randbytes(generator.randrange(1, 5000)))


def test_a_request_that_comes_byte_by_byte_is_answered(talus):
    with talus.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(len(CLOSING_GET)):
            connection.sendall(CLOSING_GET[index:index + 1])
            time.sleep(0.002)
        assert status_of(read_to_end(connection)) == 200


def test_slow_clients_do_not_hold_up_others(talus):
    slow = [talus.connect() for _ in range(100)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(GET[:number % len(GET)])
        load = ab(talus, "/4b", 300, concurrency=8)
        assert load.failed == 0, load.output
        # And they are served when they come to the point.
        for number, connection in enumerate(slow[:20]):
            connection.sendall(GET[number % len(GET):])
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        for connection in slow:
            connection.close()


def test_clients_that_do_not_read_do_not_hold_up_others(talus):
    idle = []
    try:
        for _ in range(20):
            connection = talus.connect()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(GET.replace(b"/4b", b"/100k") * 20)
            idle.append(connection)
        load = ab(talus, "/100k", 100, concurrency=4)
        assert load.failed == 0, load.output
    finally:
        for connection in idle:
            connection.close()


def test_a_slow_reader_gets_every_byte(talus):
    expected = curl(talus, "/100k")
    with talus.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(CLOSING_GET.replace(b"/4b", b"/100k"))
        data = b""
        while chunk := connection.recv(3000):
            data += chunk
            time.sleep(0.005)
    assert data.split(b"\r\n\r\n", 1)[1] == expected


def test_clients_that_reset_in_the_middle_do_no_harm(talus):
    for number in range(60):
        with talus.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request = GET.replace(b"/4b", b"/100k")
            connection.sendall(request[:10 + number])
            if number % 3 == 0 and 10 + number >= len(request):
                connection.recv(1000)


def test_pipelined_requests_are_answered_in_order(talus):
    paths = [b"/4b", b"/1k", b"/nowhere", b"/4b"] * 5
    requests = b"".join(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n" for path in paths)
    answer = exchange(talus, requests)
    statuses = [int(part.split()[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [404 if path == b"/nowhere" else 200 for path in paths]


def test_a_half_closed_connection_still_gets_its_answer(talus):
    answer = exchange(talus, GET)
    assert status_of(answer) == 200
