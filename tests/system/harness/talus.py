# SPDX-License-Identifier: MIT
"""Talus as tests see it: its ready line, its nodes and roles, its counters."""

import re

from . import paths
from .load import curl
from .machine import Machine

READY = r"listening on http://([0-9.]+):([0-9]+)/"
METRIC = re.compile(r"^(\w+)(?:\{([^}]*)\})? ([0-9.e+]+)$")
LABEL = re.compile(r'(\w+)="([^"]*)"')


class Metrics:
    """The counters of what `curl()` reaches."""

    def metrics(self):
        """/metrics as a list of (name, labels, value)."""
        rows = []
        for line in curl(self, "/metrics").decode("ascii").splitlines():
            match = METRIC.match(line)
            if match:
                rows.append((match[1], dict(LABEL.findall(match[2] or "")), float(match[3])))
        return rows

    def counter(self, name, **labels):
        """A counter's values by node; `name` without talus_ and with _total as published."""
        values = {}
        for row_name, row_labels, value in self.metrics():
            if row_name == f"talus_{name}" and labels.items() <= row_labels.items():
                values[int(row_labels["node"])] = values.get(int(row_labels["node"]), 0) + value
        return values


class Talus(Metrics, Machine):
    """Talus under the launcher; `words` are command line words, the network's come by themselves.

    An image (kernel=None) brings its own.
    """

    def __init__(self, *options, words="", network=None, kernel=paths.KERNEL, root=None, **others):
        network_words = network.talus_words if network and kernel else ""
        append = " ".join(word for word in (network_words, words) if word)
        if root is not None:
            options += ("--root", root)
        super().__init__(kernel, *options, append=append, network=network, **others)

    def start(self, is_awaited=True):
        super().start()
        if is_awaited:
            try:
                self.wait_for(READY)
            except BaseException:
                self.stop()
                raise
        return self

    def roles(self):
        """What each node runs, by its number, from the line each node logs when it starts."""
        lines = re.finditer(r"node(\d+) \S+ roles? (.+?)(?:,|$)", self.console, re.MULTILINE)
        return {int(match[1]): match[2] for match in lines}

    def connections_queued(self):
        """How many have waited for an acceptor, as the console says: no web server need run."""
        start = len(self.console)
        self.type("balance\n")
        match = self.wait_for(r"(?s)CM: .*? (\d+) waited.*CM: .*? (\d+) waited", start)
        return int(match[1]) + int(match[2])
