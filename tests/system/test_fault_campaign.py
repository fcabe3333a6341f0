# SPDX-License-Identifier: MIT
"""The fault campaign (tests/faults/) in short: a node that fails costs the connections that it owned,
whatever the fault and whatever the node; and what programs see of it that people use."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness import Browser, Network, Talus, Wrk, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults import report  # noqa: E402 (found through the path above)
from faults.scene import CONFIGURATIONS, Scene  # noqa: E402

# (kind, which kind of node).
COMBINED = [("page", "card"), ("stack", "httpd"), ("message", "console"), ("mce", "LS TS CM"), ("link", ""),
            ("card", ""), ("deaf", "httpd"), ("line", ""), ("loop", "LS TS CM")]
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


def ports_of(network, program):
    """Of its connections, on the clients' side."""
    rows = network.run("ss", "--tcp", "--numeric", "--processes", "--no-header", check=True).stdout
    return {int(row.split()[3].rsplit(":", 1)[1]) for row in rows.splitlines() if f'"{program}"' in row}


def owned_by(machine, node, ports):
    """How many of these connections: the node is transport server or serves the web on them. None:
    not all of them are claimed by a web server."""
    owned = known = 0
    for server in (0, 1):
        start = len(machine.console)
        machine.type(f"conns {server}\n")
        end = machine.wait_for(rf"^node{server} +and \d+ more\n", start).end()
        for port, application in re.findall(r":(\d+) to port 80, claimed, node(\d+)'s$",
                                            machine.console[start:end], re.M):
            known += int(port) in ports
            owned += int(port) in ports and node in (server, int(application))
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
                    lambda node=victim: owned_by(machine, node, ports_of(network, "wrk")),
                    "wrk to have its connections", machine.last_lines)
                machine.type(f"crash {victim}\n")
                machine.wait_for(rf"node{victim} boot: came back")
                show()
                result = load.end()
            assert result.requests > 0
            assert result.failed == owned, result.output
