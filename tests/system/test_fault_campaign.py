# SPDX-License-Identifier: MIT
"""The fault campaign (tests/faults/) in short: a node that fails costs the connections that it owned,
whatever the fault and whatever the node; and what programs see of it that people use."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness import Browser, Network, Talus, Wrk, card, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults import report  # noqa: E402 (found through the path above)
from faults.scene import CONFIGURATIONS, Scene  # noqa: E402

# (kind, which kind of node).
COMBINED = [("page", "card"), ("stack", "httpd"), ("message", "console"), ("mce", "LS TS CM"), ("link", ""),
            ("deaf", "httpd"), ("line", ""), ("loop", "LS TS CM")]
if card.IS_FIRST:
    COMBINED.append(("card", ""))  # only our model stops when it is told to
# (Wild writes can hit what a node needs to come back, and are left to the campaign.)
SPLIT = [("opcode", "LS"), ("reset", "TS"), ("truncated", "httpd"), ("order", "httpd"), ("page", "CM"), ("memory", "TS"),
         ("tables", "console"), ("nmi", "httpd"), ("page", "card")]
WRK_CONNECTIONS = 64


@pytest.mark.parametrize("name,faults", [("combined", COMBINED), ("split", SPLIT)])
def test_a_fault_costs_the_connections_of_its_node_and_no_others(name, faults):
    with Scene(CONFIGURATIONS[name]) as scene:
        results = [scene.fault(number, kind, scene.choose(kind, target, number), 7 + number)
                   for number, (kind, target) in enumerate(faults)]
        for result in results:
            assert not result.problems and result.lost == result.owned, result
        assert sum(result.lost for result in results) > 0
        # All are back, and what is open is what the clients have.
        scene.settle()
        ports = {connection.port for connection in scene.clients.kept}
        wait_until(lambda: set(scene.owners()) == ports, "no others to be open", scene.machine.last_lines)


PLOT = Path(report.__file__).parent / "faults.svg"
PLOT_BYTES_MAX = 60_000


def test_the_plot_that_the_readme_shows_is_there_and_small():
    assert PLOT.stat().st_size < PLOT_BYTES_MAX
    assert ElementTree.parse(PLOT).getroot().tag.endswith("svg")
    readme = PLOT.parents[2] / "README.md"
    assert f"({PLOT.relative_to(readme.parent)})" in readme.read_text(encoding="utf-8")


def sockets_of(network, program):
    """Of its connections, on the clients' side: what tells the socket from others, by its port."""
    rows = network.run("ss", "--tcp", "--numeric", "--processes", "--extended", "--no-header", check=True).stdout
    return {int(row.split()[3].rsplit(":", 1)[1]): re.search(r" sk:(\S+)", row)[1]
            for row in rows.splitlines() if f'"{program}"' in row}


def owned_by(machine, node, sockets):
    """Those of which the node is transport server or on which it serves the web. None: not all of them are
    claimed by a web server."""
    owned, known = {}, 0
    for server in (0, 1):
        start = len(machine.console)
        machine.type(f"conns {server}\n")
        end = machine.wait_for(rf"^node{server} +and \d+ more\n", start).end()
        for port, application in re.findall(r":(\d+) to port 80, claimed, node(\d+)'s$",
                                            machine.console[start:end], re.M):
            known += int(port) in sockets
            if int(port) in sockets and node in (server, int(application)):
                owned[int(port)] = sockets[int(port)]
    return owned if known == WRK_CONNECTIONS else None


def test_wrk_reports_the_dead_nodes_connections_and_a_browser_shows_the_page_again():
    with Network() as network, Talus(words="restart=always", network=network) as machine, \
            Browser(network) as browser:
        def show():
            browser.open(f"http://{machine.address}/", has_scripts=False)
            assert "Talus" in browser.run("document.body.innerText")

        show()
        for victim in (1, 3):
            with Wrk(machine, "/4b", WRK_CONNECTIONS) as load:
                owned = wait_until(
                    lambda node=victim: owned_by(machine, node, sockets_of(network, "wrk")),
                    "wrk to have its connections", machine.last_lines)
                machine.type(f"crash {victim}\n")
                machine.wait_for(rf"node{victim} boot: came back")
                show()
                # A client learns of it when it has sent its request again.
                wait_until(lambda owned=owned: not owned.items() & sockets_of(network, "wrk").items(),
                           "wrk to learn of it")
                result = load.end()
            assert result.requests > 0
            assert result.failed == len(owned), result.output
