# SPDX-License-Identifier: MIT
"""The access log: each answer is a line of the combined format at a collector of syslog, and on the console."""

import re
import socket
from datetime import datetime, timezone

import pytest

from harness import WAIT_S, Network, Talus, curl, wait_until

PORT = 5514
MESSAGE_MAX_BYTES = 1472  # what no link of 1,500 bytes cuts

# RFC 5424 6, without structured data, which httpd has none of, and of UTC alone.
MESSAGE = re.compile(
    rb"<(0|[1-9][0-9]{0,2})>([1-9][0-9]{0,2}) "
    rb"(-|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z) "
    rb"([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) - ([ -~]+)")
FIELD = rb'"((?:[ !#-\[\]-~]|\\x[0-9A-F]{2})*)"'
LINE = re.compile(rb"(\S+) - - \[([^]]+)\] " + FIELD + rb" ([1-5][0-9]{2}) (-|[1-9][0-9]*) "
                  + FIELD + b" " + FIELD)
DATE = "%d/%b/%Y:%H:%M:%S %z"


class Collector:
    """A socket inside the network, and what it has heard of httpd's lines."""

    def __init__(self, network):
        self.socket = network.inside(self._open, network.host_address)

    @staticmethod
    def _open(address):
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind((address, PORT))
        opened.settimeout(WAIT_S)
        return opened

    def line(self):
        """The next one's fields."""
        datagram = self.socket.recv(65536)
        assert len(datagram) <= MESSAGE_MAX_BYTES
        message = MESSAGE.fullmatch(datagram)
        assert message, datagram
        priority, version, stamp, host, application, process, kind, text = message.groups()
        assert (priority, version, application, kind) == (b"190", b"1", b"httpd", b"access")
        assert host.decode() == self.sender and re.fullmatch(rb"node[0-9]+", process)
        line = LINE.fullmatch(text)
        assert line, text
        moment = datetime.strptime(stamp.decode(), "%Y-%m-%dT%H:%M:%S.%f%z")
        assert moment.replace(microsecond=0) == datetime.strptime(line[2].decode(), DATE)
        self.moment = moment
        return {"client": line[1].decode(), "request": line[3], "status": int(line[4]), "bytes": line[5],
                "referer": line[6], "agent": line[7]}

    sender = ""
    moment = None


@pytest.fixture(name="network", scope="module")
def fixture_network():
    with Network() as network:
        yield network


@pytest.fixture(name="collector", scope="module")
def fixture_collector(network):
    collector = Collector(network)
    collector.sender = network.guest_address
    return collector


@pytest.fixture(name="machine", scope="module")
def fixture_machine(network, collector):
    words = f"-- --access-log console,{network.host_address}:{PORT}"
    with Talus(network=network, smp=2, words=words) as machine:
        wait_until(lambda: curl(machine, "/4b") == b"pika", "the first page")
        assert collector.line()["request"] == b"GET /4b HTTP/1.1"
        yield machine


def ask(machine, request):
    """Raw bytes, until the server closes."""
    def talk():
        with socket.create_connection((machine.network.guest_address, 80), timeout=WAIT_S) as client:
            client.sendall(request)
            answer = b""
            while part := client.recv(65536):
                answer += part
            return answer

    return machine.network.inside(talk)


def test_a_line_says_what_was_asked_and_answered(machine, collector):
    curl(machine, "/100k", "-A", "agent 1", "-e", "http://from.example/")
    assert collector.line() == {"client": machine.network.host_address,
                                "request": b"GET /100k HTTP/1.1", "status": 200, "bytes": b"102400",
                                "referer": b"http://from.example/", "agent": b"agent 1"}
    assert abs((datetime.now(timezone.utc) - collector.moment).total_seconds()) < 3600


def test_the_console_has_the_same_line(machine, collector):
    start = len(machine.console)
    curl(machine, "/1k?on-the-console")
    machine.wait_for(r'httpd: 192\.0\.2\.1 - - \[[^]]+\] "GET /1k\?on-the-console HTTP/1\.1" 200 1024 "-"', start)
    assert collector.line()["request"] == b"GET /1k?on-the-console HTTP/1.1"


@pytest.mark.parametrize("request_head, wanted", [
    (b"GET /nowhere HTTP/1.0\r\n\r\n", (b"GET /nowhere HTTP/1.0", 404)),
    (b"HEAD /4b HTTP/1.0\r\n\r\n", (b"HEAD /4b HTTP/1.0", 200)),
    (b"BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", (b"BREW /pot HTTP/1.1", 501)),
    (b"GET /\"\\ HTTP/1.1\r\n\r\n", (rb"GET /\x22\x5C HTTP/1.1", 400)),
    (b"\x16\x03\x01\x02\x00\x01\r\n", (rb"\x16\x03\x01\x02\x00\x01", 400)),
    (b"GET /4b HTTP/1.0\r\nRange: bytes=1-2\r\nHost: a\r\n\r\n", (b"GET /4b HTTP/1.0", 206)),
])
def test_other_answers_have_their_line(machine, collector, request_head, wanted):
    ask(machine, request_head)
    line = collector.line()
    assert (line["request"], line["status"]) == wanted
    assert (line["bytes"] == b"-") == request_head.startswith(b"HEAD")


def test_what_a_client_sends_is_escaped(machine, collector):
    ask(machine, b"GET /4b HTTP/1.0\r\nHost: a\r\nUser-Agent: \xC3\xA4\"\\ \x80\t.\r\n"
                 b"Referer: <190>1 - - - - - - x\r\n\r\n")
    line = collector.line()
    assert line["agent"] == rb"\xC3\xA4\x22\x5C \x80 ."
    assert line["referer"] == b"<190>1 - - - - - - x"


def test_long_fields_are_cut_and_say_so(machine, collector):
    ask(machine, b"GET /" + b"a" * 4000 + b" HTTP/1.0\r\nHost: a\r\nUser-Agent: " + b"b\"" * 1000
                 + b"\r\nReferer: short\r\n\r\n")
    line = collector.line()
    assert line["status"] == 404
    assert re.fullmatch(rb"GET /a{300,}\.\.\.", line["request"])
    assert re.fullmatch(rb"(b\\x22){50,}b?\.\.\.", line["agent"])
    assert line["referer"] == b"short"


def test_each_of_many_requests_on_one_connection_has_a_line(machine, collector):
    requests = b"".join(b"GET /4b?%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(20))
    ask(machine, requests + b"GET /4b?last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    heard = [collector.line()["request"] for _ in range(21)]
    assert heard == [b"GET /4b?%d HTTP/1.1" % number for number in range(20)] + [b"GET /4b?last HTTP/1.1"]


def test_lines_are_counted(machine, collector):
    """On the console they are so many a second, so some of the last test may be lost there."""
    before = sum(machine.counter("http_access_log_lines_total").values())
    collector.line()
    curl(machine, "/4b")
    after = sum(machine.counter("http_access_log_lines_total").values())
    assert [collector.line()["request"] for _ in range(2)] == [b"GET /4b HTTP/1.1", b"GET /metrics HTTP/1.1"]
    assert after >= before + 3  # of that look, and /4b, at the collector; and what of them the console took


def test_a_collector_that_is_not_there_delays_nobody():
    with Network() as network, Talus(network=network, smp=1,
                                     words="-- --access-log 192.0.2.99") as machine:
        for _ in range(5):
            assert curl(machine, "/4b") == b"pika"
