# SPDX-License-Identifier: MIT
"""The course of one fault under load, from its injection until new connections are served as before."""

import re
import time
from dataclasses import dataclass, field

from harness import wait_until

from . import clients
from .kinds import DIES, LIVES

# Without a late answer, behind a fault.
QUIET_S = 0.7
# When nothing comes of an NMI; and of an order, the log of which may come late on a busy host.
ASK_AGAIN_S, ORDER_AGAIN_S = 1, 3
# A node that has died and is not back by then stays dead.
RETURN_S = 15
# After so long late answers no longer count: the host is busy.
PATIENCE_S = 20
BIN_S = 0.1
BINS_BEFORE, BINS_AFTER = 5, 30
# Between two looks for what may come at any moment.
LOOK_S = 0.005

# What a node says that is about to fail.
ASKED = re.compile(r"^\[ *(\d+\.\d+)\] node\d+ monitor: node (\d+) asks for", re.M)


@dataclass
class Result:
    """One fault."""
    number: int
    configuration: str
    kind: str
    seed: int
    node: int
    roles: str
    has_console: bool = False
    has_card: bool = False
    owned: int = 0
    lost: int = 0
    unowned_lost: int = 0      # of other nodes' connections: must be 0
    expired: int = 0           # of other nodes', idle for too long on a host that stood still
    silent: int = 0            # requests that were waited for in vain until another one was sent
    owned_kept: int = 0        # of the dead node's: must be 0
    has_died: bool = False
    was_ended: bool = False    # as it had written wildly, and lived
    stays_dead: bool = False   # the machine has to be started again
    down_ms: float = None      # as the node says that it was
    watch_s: float = 0.0       # for so long at least was it looked at
    served_ms: float = None    # from the fault to the last new connection that had to wait
    failed: int = 0            # new connections
    late: int = 0
    bins: list = field(default_factory=list)  # answers, BIN_S each, BINS_BEFORE of them before it
    problems: list = field(default_factory=list)


class Course:
    """A fault that takes place now, from its injection until it is over."""

    def __init__(self, scene, kind, result):
        self._scene, self._kind, self._result = scene, kind, result
        self._outcome = kind.outcome_of(result.node)
        self._start = len(scene.machine.console)
        self._is_dated = False
        self._inject()

    def wait(self):
        """Until the node is back, if it died, and all is quiet."""
        result = self._result
        wait_until(self._is_over, f"fault {result.number} ({self._kind.name} of node {result.node}) to be over",
                   self._scene.machine.last_lines, LOOK_S)
        self._conclude()

    def _inject(self):
        self._fault_s = self._typed_s = time.monotonic()
        self._scene.inject(self._kind, self._result.node, self._result.seed)

    def _text(self):
        return self._scene.machine.console[self._start:]

    def _date(self, now_s):
        """The fault's moment is that in which its node said that it was asked for it; by its clock, but
        neither before the command was typed nor after it was seen here."""
        asked = ASKED.search(self._text())
        if asked and not self._is_dated:
            self._is_dated = True
            self._fault_s = min(max(self._scene.clock.host_s(float(asked[1])), self._typed_s), now_s)
            self._result.has_console = int(asked[2]) == self._result.node

    def _look_for_return(self):
        back = self._scene.came_back(self._result.node, self._start)
        if back and not self._result.has_died:
            self._result.has_died, self._result.down_ms = True, float(back[1])
            self._scene.note_return(self._result.node)

    def _is_quiet(self, now_s):
        """No new connection has had to wait for a while."""
        passed_s = now_s - self._fault_s
        seen = clients.window(list(self._scene.clients.probes), self._fault_s)
        waiting = [began for began in self._scene.clients.under_way() if began >= self._fault_s]
        last_bad_s = seen.last_bad_s if passed_s < PATIENCE_S else seen.last_failed_s
        return (seen.served > 0 and now_s - max(self._fault_s, last_bad_s or 0) > QUIET_S
                and (passed_s > PATIENCE_S or all(now_s - began < clients.LATE_S for began in waiting)))

    def _is_unheard(self, passed_s):
        """Nothing has come of it. An NMI of the line was taken for the question of a node that had just asked this
        one; an order has met a node that had only just come back, or a console that was handed over."""
        if self._kind.name == "line":
            return passed_s > ASK_AGAIN_S
        return (self._kind.place == "monitor" and passed_s > ORDER_AGAIN_S and not self._is_dated
                and f"node{self._result.node} panic:" not in self._text())

    def _is_over(self):
        now_s, result = time.monotonic(), self._result
        self._date(now_s)
        self._look_for_return()
        passed_s = now_s - self._fault_s
        if not result.has_died and self._is_unheard(passed_s):
            self._inject()
            return False
        if self._kind.place == "monitor" and not self._is_dated and not result.has_died:
            return False
        if passed_s < result.watch_s or (self._outcome != DIES and passed_s < self._kind.lasts_s + QUIET_S):
            return False
        if not self._is_quiet(now_s):
            return False
        has_ended = re.search(rf"node{result.node} panic:|node{result.node} is dead", self._text())
        if not result.has_died and (has_ended or self._outcome == DIES):
            if has_ended and passed_s > RETURN_S:
                result.has_died = result.stays_dead = True
                result.problems.append("it stays dead")
                return True
            return False
        return True

    def _conclude(self):
        result, text = self._result, self._text()
        seen = clients.window(list(self._scene.clients.probes), self._fault_s)
        result.failed, result.late = seen.failed, seen.late
        result.served_ms = 0.0 if seen.last_bad_s is None else 1000 * (seen.last_bad_s - self._fault_s)
        if "its own page tables can be written" in text:
            result.problems.append("page tables can be written")
        for other in re.findall(r"node(\d+) boot: came back", text):
            if int(other) != result.node:
                result.problems.append(f"node {other} died, too")
                self._scene.note_return(int(other))
        if self._outcome == LIVES and result.has_died:
            result.problems.append("it died")
        self._count_bins()

    def _count_bins(self):
        bins = [0] * (BINS_BEFORE + BINS_AFTER)
        for answer_s in self._scene.clients.answers_s:
            place = int((answer_s - self._fault_s) / BIN_S + BINS_BEFORE)
            if 0 <= place < len(bins):
                bins[place] += 1
        until = int((time.monotonic() - self._fault_s) / BIN_S + BINS_BEFORE)
        self._result.bins = bins[:until]
