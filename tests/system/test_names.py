# SPDX-License-Identifier: MIT
"""Names of hosts: programs on Talus ask name servers, by way of the node that speaks, and find what
etc/hosts of the web root says. The console's command `get` is the program (apps/monitor/get.c)."""

import re

import pytest

from dns_server import A, FAILURE, NO_NAME, DnsServer, address, alias
from harness import WAIT_S, Network, Switch, Talus
from harness.load import curl

SILENT = "192.0.2.66"  # nobody has this address
HOSTS = f"""# names of this test
{Network.guest_address}  itself other-name # a remark
192.0.2.300 broken
not an address either
127.0.0.1 Local-Name
"""


class NamedNetwork(Network):
    """With two name servers, of which the first does not answer."""

    @property
    def talus_words(self):
        return f"{super().talus_words},dns={SILENT},dns={self.host_address}"


def answers(question):
    """To a forged answer's sender the number is unknown, or the name; the true one comes behind."""
    name, guest = question.name, Network.guest_address
    assert question.kind == A
    if name == "page.test":
        forged = [question.answer(address(name, SILENT), number=question.number ^ 1),
                  question.answer(address("other.test", SILENT), asked=b"\5other\4test\0\0\1\0\1"),
                  question.answer(address(name, SILENT))[:-3], b"", b"\xC0" * 600]
        return forged + [question.answer(alias(name, "End.test"), address("end.test", guest))]
    if name == "several.test":  # the first of them refuses
        return [question.answer(address(name, Network.host_address), address(name, guest))]
    if name == "brief.test":
        return [question.answer(address(name, guest, lifetime_s=0))]
    if name == "failing.test":
        return [question.answer(code=FAILURE)]
    return [question.answer(code=NO_NAME)]


@pytest.fixture(name="machine", scope="module")
def fixture_machine(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    (root / "etc").mkdir()
    (root / "etc" / "hosts").write_text(HOSTS)
    (root / "etc" / "other").write_text("public\n")
    with NamedNetwork() as network, DnsServer(network, answers) as server, \
            Talus(network=network, words="pika=TS2LS2CM2", root=root) as talus:
        talus.server = server
        yield talus


def get(machine, name, count=1):
    """What each of the two nodes with applications has logged of it."""
    start = len(machine.console)
    machine.type(f"get http://{name}/1k {count}\n")
    line = rf"node(\d) get: http://{re.escape(name.lower())}/1k: (.*)\n"
    machine.wait_for(rf"(?s){line}.*{line}", start)
    told = dict(re.findall(line, machine.console[start:]))
    assert set(told) == {"2", "3"}
    return list(told.values())


def test_a_name_is_asked_for_once_whatever_is_forged_and_whoever_is_silent(machine):
    """The silent server's turn is over after a second or two; then both nodes, and each page, have
    the one answer."""
    for result in get(machine, "page.test", 5):
        assert result.startswith("5 times"), result
        assert "failed" not in result
    assert len(machine.server.asked_for("page.test")) == 1
    assert sum(machine.counter("dns_answers_refused_total").values()) >= 5


def test_each_question_has_a_port_and_a_number_of_its_own(machine):
    for result in get(machine, "brief.test", 4):
        assert "failed" not in result
    questions = machine.server.asked_for("brief.test")
    assert len(questions) >= 4  # nothing of it may be kept; both nodes may share some
    assert len({question.port for question in questions}) > len(questions) / 2
    assert len({question.number for question in questions}) > len(questions) / 2
    assert all(question.takes == 1232 and question.port >= 32768 for question in questions)


def test_the_next_address_is_tried_when_one_refuses(machine):
    for result in get(machine, "several.test"):
        assert "failed" not in result


def test_what_is_not_there_is_told_from_what_nobody_knows(machine):
    for result in get(machine, "missing.test"):
        assert result == "0 times, 0 bytes, 1 failed: Name or service not known"
    for result in get(machine, "failing.test"):
        assert result == "0 times, 0 bytes, 1 failed: Temporary failure in name resolution"


@pytest.mark.parametrize("name", ["itself", "Other-Name", "localhost", "local-name"])
def test_names_of_the_hosts_file_need_no_server(machine, name):
    for result in get(machine, name):
        assert "failed" not in result
    assert not machine.server.asked_for(name.lower())


def test_the_hosts_file_is_no_page(machine):
    asked = machine.network.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                f"http://{machine.address}/etc/hosts", timeout=WAIT_S)
    assert asked.stdout == "404"
    assert curl(machine, "/etc/other") == b"public\n"


def test_a_name_is_found_when_another_speaks(machine):
    """The speaker dies, and what it knew with it."""
    start = len(machine.console)
    machine.type("crash 0\n")
    machine.wait_for(r"node0 \S+: .*[Pp]age fault", start)
    start = len(machine.console)
    machine.type("get http://page.test/1k\n")
    machine.wait_for(r"node(\d) get: http://page.test/1k: 1 times", start)
    assert len(machine.server.asked_for("page.test")) >= 2


class NamedPort:
    """A place on a switch whose host is the name server."""

    def __init__(self, port):
        self._port = port
        self.talus_words = f"{port.talus_words},dns={port.host_address}"

    def __getattr__(self, name):
        return getattr(self._port, name)


@pytest.mark.parametrize("name, says", [
    ("page.test", r"  3 requests in(?s:.*)ended with status 0"),
    ("nobody.test", r"webswamp: nobody\.test: (?s:.*)ended with status 2"),
])
def test_webswamp_loads_a_server_by_its_name(name, says):
    with Switch(2) as switch:
        page = switch.ports[0]

        def answer(question):
            if question.name == "page.test":
                return [question.answer(address("page.test", page.guest_address))]
            return [question.answer(code=NO_NAME)]

        loader = Talus(network=NamedPort(switch.ports[1]), words=f"app=webswamp:1 -- -n 3 http://{name}/4b")
        with DnsServer(switch, answer), Talus(network=page):
            loader.start(is_awaited=False)
            try:
                loader.wait_for(says)
            finally:
                loader.stop()
