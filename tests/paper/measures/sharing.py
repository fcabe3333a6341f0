# SPDX-License-Identifier: MIT
"""Pages and lines that two nodes touch, by the sharing plugin: four combined servers and four web servers."""

import re
import sys
import tempfile
from pathlib import Path

from piece import Measurement, Missing
from store import Data

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "system"))

from harness import Network, PLUGINS, Talus, ab  # noqa: E402

KIND = re.compile(r"sharing: (\w+): (\d+) pages touched by several vCPUs, (\d+) lines fetched, (\d+) taken")
NOTATION, SERVERS = "TS4LS4CM4", 4
COLUMNS = ("kind", "pages_touched_by_several", "fetched_per_request", "taken_per_request")


def parse(report):
    """{kind of page: (pages touched by several nodes, lines fetched, lines taken)}; Missing unless it passed."""
    if not report.rstrip().endswith("sharing: passed"):
        raise Missing(f"The sharing plugin did not pass: {report.strip().splitlines()[-1:]}.")
    kinds = {match[1]: tuple(map(int, match.groups()[1:])) for match in KIND.finditer(report)}
    if not {"private", "mailbox", "archive"} <= kinds.keys():
        raise Missing("The sharing plugin reported no lines.")
    return kinds


def run_once(requests):
    with tempfile.TemporaryDirectory(prefix="talus-paper-") as folder:
        report = Path(folder, "report")
        words = f"check=sharing pika={NOTATION} app=httpd:{SERVERS}"
        with Network() as network, Talus(words=words, network=network, smp=2 * SERVERS, mem="1G",
                                         plugins=[f"{PLUGINS / 'sharing.so'},report={report},lines=on"]) as talus:
            load = ab(talus, "/4b", requests, concurrency=16 * SERVERS)
            if load.failed:
                raise Missing(f"{load.failed} requests failed.")
            talus.type("poweroff\n")
            talus.wait()
        return parse(report.read_text(encoding="ascii"))


def take(settings):
    """What `counted` requests more cost: start-up and each node's first touches fall out."""
    first, counted = settings.pick((2000, 8000), (100, 400))
    few, many = run_once(first), run_once(first + counted)
    rows = [dict(zip(COLUMNS, (kind, pages, round((fetched - few[kind][1]) / counted, 3),
                               round((taken - few[kind][2]) / counted, 3))))
            for kind, (pages, fetched, taken) in many.items()]
    return Data(list(COLUMNS), rows, {"requests": counted, "configuration": f"pika={NOTATION} "
                                                                            f"app=httpd:{SERVERS}",
                                      "load": "/4b, a connection each, 64 at a time"})


SHARING = Measurement("sharing", take)
