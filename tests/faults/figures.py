# SPDX-License-Identifier: MIT
"""What /metrics has of all nodes together, and how Talus' clock and this host's go together."""

import http.client
import time

from harness import HarnessError, wait_until
from harness.talus import LABEL, METRIC

# Refused input, by its reason; counted, and on the way of faults that send some.
REFUSED = ("bad_message", "bad_ring")
# Gauges that are no stock of anything: times, names, what other gauges say by another name.
NO_STOCK = ("uptime_seconds", "build_info", "node_info", "node_state", "node_up", "node_memory_bytes",
            "node_memory_used_bytes", "application_service_seconds", "cm_offer_period_seconds",
            "cm_offered_service_seconds", "cm_offers_known", "idle_seconds")
# Of which more is better; what is taken has a gauge of its own.
FREE_STOCKS = ("nic_rx_buffers free",)
FREE_MEMORY = "node_memory_free_bytes"
# Names that end so belong to counters and histograms, which only grow.
NO_GAUGE = ("_total", "_bucket", "_sum", "_count")


class Figures:
    """One look. `up`: the nodes that run; `refused`: by reason; `stocks`: all gauges of which there could be
    more and more, by name and labels without the node's."""

    def __init__(self, text):
        self.up, self.refused, self.stocks, self.uptime_s = {}, {}, {}, None
        for line in text.splitlines():
            match = METRIC.match(line)
            if match:
                self._take(match[1].removeprefix("talus_"), dict(LABEL.findall(match[2] or "")), float(match[3]))

    def _take(self, name, labels, value):
        node = labels.pop("node", None)
        if name == "uptime_seconds":
            self.uptime_s = value
        elif name == "node_up":
            self.up[int(node)] = value
        elif name == "drops_total" and labels.get("reason") in REFUSED:
            self.refused[labels["reason"]] = self.refused.get(labels["reason"], 0) + value
        elif name not in NO_STOCK and not name.endswith(NO_GAUGE):
            key = " ".join([name, *labels.values()])
            if key not in FREE_STOCKS:
                self.stocks[key] = self.stocks.get(key, 0) + value


def look(machine):
    """(when its request left, Figures), by a connection of its own, which this side closes first: so
    that none of Talus' waits in TIME-WAIT for it."""
    def ask():
        try:
            with machine.connect() as opened:
                asked_s = time.monotonic()
                opened.sendall(b"GET /metrics HTTP/1.1\r\nHost: talus\r\n\r\n")
                answer = http.client.HTTPResponse(opened)
                answer.begin()
                text = answer.read().decode("ascii", "replace")
                return (asked_s, Figures(text)) if answer.status == 200 else None
        except (OSError, http.client.HTTPException, HarnessError):
            return None  # a node has ended with it: ask again

    return wait_until(ask, "/metrics", machine.last_lines)


class Clock:
    """Talus' clock by this host's. Each look gives a bound: the time in an answer was read after its
    request left. The best of all is early by what the quickest request took, a millisecond or less on a
    quiet host."""

    def __init__(self):
        self._zero_s = None

    def note(self, asked_s, figures):
        if figures.uptime_s is not None:
            bound_s = asked_s - figures.uptime_s
            self._zero_s = bound_s if self._zero_s is None else max(self._zero_s, bound_s)

    def host_s(self, stamp_s):
        """When it was so late there."""
        return self._zero_s + stamp_s
