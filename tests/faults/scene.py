# SPDX-License-Identifier: MIT
"""A machine under load, one fault after the other, and what each has cost."""

import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from harness import HarnessError, Network, Qmp, Talus, ab, wait_until  # noqa: E402

from . import clients  # noqa: E402
from .kinds import DIES, KINDS, LIVES  # noqa: E402

KEPT_COUNT, BUSY_COUNT = 24, 4
# Every so many kept connections is one of a slow client: in the middle of a request.
SLOW_STEP = 4
# Before a fault, so that there is something to compare with; and without a late answer behind it.
BEFORE_S, QUIET_S = 0.5, 0.7
ASK_AGAIN_S = 1
# A node that has died and is not back by then stays dead.
RETURN_S = 15
# After so long late answers no longer count: the host is busy.
PATIENCE_S = 20
BIN_S = 0.1
BINS_BEFORE, BINS_AFTER = 5, 30
# The link, or the card.
STOPPED_S = 0.3
WORDS = "restart=always node_timeout=100"
# What of a machine check the core is told: see tests/system/test_hardware_errors.py.
MACHINE_CHECK = "mce {core} 1 0xbe00000000000135 0x5 0x1234000 0x8c"

# Gauges and counters that must not grow for ever; of all nodes, added up.
WATCHED = ("tcp_connections", "node_memory_free_bytes", "log_lines_lost_total", "nodes_given_up_total")
REFUSED = ("bad_message", "bad_ring", "false_death")


@dataclass(frozen=True)
class Configuration:
    name: str
    words: str
    node_count: int


CONFIGURATIONS = {configuration.name: configuration for configuration in (
    Configuration("combined", "pika=TS2LS2CM2 app=httpd:2", 4),
    Configuration("separate CMs", "pika=TS1LS1+CM2 app=httpd:2", 5),
    Configuration("split", "pika=TS2+LS2+CM1 app=httpd:2", 7),
)}


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
    silent: int = 0            # requests that were waited for in vain until another one was sent
    owned_kept: int = 0        # of the dead node's: must be 0
    has_died: bool = False
    stays_dead: bool = False   # the machine has to be started again
    down_ms: float = None      # as the node says that it was
    served_ms: float = None    # from the fault to the last new connection that had to wait
    failed: int = 0            # new connections
    late: int = 0
    bins: list = field(default_factory=list)  # answers, BIN_S each, BINS_BEFORE of them before it
    problems: list = field(default_factory=list)


class Scene:
    """Use with `with`: boots, opens the kept connections, and ends with all of it."""

    def __init__(self, configuration, log=None):
        self.configuration = configuration
        self._folder = tempfile.TemporaryDirectory()
        self._qmp_path = Path(self._folder.name) / "qmp"
        self._network = Network()
        self._log = log
        self.console_owner = 0

    def __enter__(self):
        self._network.__enter__()
        self.machine = Talus("--qemu-args", Qmp.qemu_args(self._qmp_path), network=self._network,
                             words=f"{self.configuration.words} {WORDS}",
                             smp=self.configuration.node_count)
        self.machine.__enter__()
        self.qmp = Qmp(self._qmp_path)
        self.roles = self.machine.roles()
        self.clients = clients.Clients(self._network, self._network.guest_address)
        self.clients.__enter__()
        return self

    def __exit__(self, kind, *rest):
        self.clients.__exit__()
        self.qmp.close()
        self.machine.__exit__(kind, *rest)
        self._network.__exit__()
        self._folder.cleanup()

    # --- What the machine says ---

    def forget_console(self):
        if self._log:
            self._log.write(self.machine.console)
            self._log.flush()
        self.machine.forget_console()

    def ask(self, command, pattern):
        """What the console says after a command, up to the pattern."""
        start = len(self.machine.console)
        self.machine.type(f"{command}\n")
        match = self.machine.wait_for(pattern, start)
        return self.machine.console[start:match.end()]

    def owners(self):
        """The nodes of each connection, by its port on this side: transport server, application."""
        owners = {}
        for node, roles in self.roles.items():
            if "TS" in roles.split():
                text = self.ask(f"conns {node}", rf"^node{node} +and \d+ more\n")
                for port, application in re.findall(
                        r"^node\d+ +[\d.]+:(\d+) to port \d+, claimed, node(\d+)'s", text, re.M):
                    owners[int(port)] = (node, int(application))
        return owners

    def figures(self):
        """Of all nodes together; refused input by reason."""
        sums = {}
        for name, labels, value in self.machine.metrics():
            name = name.removeprefix("talus_")
            if name in WATCHED:
                sums[name] = sums.get(name, 0) + value
            if name == "drops_total" and labels.get("reason") in REFUSED:
                sums[labels["reason"]] = sums.get(labels["reason"], 0) + value
        return sums

    def free_memory(self):
        return self.machine.counter("node_memory_free_bytes")

    def die(self, node):
        """By a page fault, and come back; nobody is connected. To one that has only just come back the
        console's owner may send nothing yet: it is asked again."""
        asked_s = 0

        def is_back():
            nonlocal asked_s
            if f"node{node} monitor: " not in self.machine.console and time.monotonic() - asked_s > ASK_AGAIN_S:
                asked_s = time.monotonic()
                self.machine.type(f"crash {node}\n")
            return self._came_back(node, 0)

        self.forget_console()
        wait_until(is_back, f"node {node} to come back", self.machine.last_lines, period_s=0.005)

    def is_served(self):
        """By all, for some time."""
        try:
            return ab(self.machine, "/4b", 200, concurrency=8).failed == 0
        except HarnessError:  # refused or reset, as long as nobody is there
            return False

    # --- Before a fault ---

    def fill(self):
        """As many kept connections as there shall be, each answered once, and their owners known."""
        while len(self.clients.kept) < KEPT_COUNT:
            opened = self.machine.connect()
            opened.sendall(clients.REQUEST)
            answer = b""
            while not clients.is_whole(answer):
                got = opened.recv(65536)
                if not got:
                    raise HarnessError(f"a new connection ended\n{self.machine.last_lines()}")
                answer += got
            is_busy = sum(connection.is_busy for connection in self.clients.kept) < BUSY_COUNT
            self.clients.keep(opened, is_busy)

    def settle(self):
        """All that is kept is claimed by an application, and known by its owners."""
        self.fill()
        self.clients.stop()
        wait_until(lambda: not any(connection.is_waiting for connection in self.clients.kept),
                   "answers", self.machine.last_lines)

        def are_known():
            owners = self.owners()
            for connection in self.clients.kept:
                connection.owners = owners.get(connection.port, ())
            return all(connection.owners for connection in self.clients.kept)

        wait_until(are_known, "all connections to have an owner", self.machine.last_lines)

    # --- The fault ---

    def _came_back(self, node, start):
        return re.search(rf"node{node} boot: came back as incarnation \d+ after ([\d.]+) ms",
                         self.machine.console[start:])

    def _inject(self, kind, node, seed):
        if kind.name == "mce":
            answer = self.qmp.ask_monitor(MACHINE_CHECK.format(core=node))
            if answer:
                raise HarnessError(answer)
        elif kind.name == "line":
            self.qmp.run("inject-nmi")
        elif kind.name == "link":
            self.qmp.set_link(False)
            time.sleep(STOPPED_S)
            self.qmp.set_link(True)
        elif kind.name == "card":
            self.qmp.set_stalled(True)
            time.sleep(STOPPED_S)
            self.qmp.set_stalled(False)
        else:
            self.machine.type(f"fault {kind.name} {node} {seed}\n")

    def fault(self, number, kind_name, node, seed):
        kind = KINDS[kind_name]
        self.settle()
        roles = self.roles[node]
        result = Result(number, self.configuration.name, kind.name, seed, node, roles)
        result.has_console = node == self.console_owner
        before = self.figures()
        slow = [connection for index, connection in enumerate(self.clients.kept)
                if not connection.is_busy and index % SLOW_STEP == 0]
        for connection in slow:
            self.clients.begin(connection)
        self.clients.probes.clear()
        self.clients.answers_s.clear()
        held = list(self.clients.kept)
        self.clients.go_on()
        self.clients.stream(True)
        time.sleep(BEFORE_S)
        start = len(self.machine.console)
        fault_s = time.monotonic()
        self._inject(kind, node, seed)
        self._wait_for_the_end(kind, result, start, fault_s)
        self.clients.stream(False)
        self._count_bins(result, fault_s)
        self._count_losses(kind, result, held, slow)
        self._check_figures(kind, result, before)
        self.forget_console()
        if kind.name == "wild" and not result.has_died:
            self._end(node)
        return result

    def _end(self, node):
        """What it has written wildly would be some later fault's."""
        self.die(node)
        self._ask_all(self.clients.ask)
        self.clients.drop_lost()

    def _wait_for_the_end(self, kind, result, start, fault_s):
        """Until the node is back, if it died, and no new connection has had to wait for a while."""
        console = self.machine

        def is_over():
            text = console.console[start:]
            owner = re.search(r"node\d+ monitor: node (\d+) asks for", text)
            if owner:
                self.console_owner = int(owner[1])
                result.has_console = self.console_owner == result.node
            back = self._came_back(result.node, start)
            if back:
                result.has_died, result.down_ms = True, float(back[1])
            now_s = time.monotonic()
            seen = clients.window(list(self.clients.probes), fault_s)
            waiting = [began for began in self.clients.under_way() if began >= fault_s]
            last_bad_s = seen.last_bad_s if now_s - fault_s < PATIENCE_S else seen.last_failed_s
            is_quiet = (seen.served > 0 and now_s - max(fault_s, last_bad_s or 0) > QUIET_S
                        and (now_s - fault_s > PATIENCE_S
                             or all(now_s - began < clients.LATE_S for began in waiting)))
            has_died_if_it_must = back or kind.outcome != DIES
            if kind.outcome != DIES and now_s - fault_s < 1.5 + QUIET_S:
                return False
            has_ended = re.search(rf"node{result.node} panic:|node{result.node} is dead", text)
            if has_ended and not back and now_s - fault_s > RETURN_S and is_quiet:
                result.has_died = result.stays_dead = True
                result.problems.append("it stays dead")
                return True
            if has_ended and not back:
                return False
            return is_quiet and has_died_if_it_must

        wait_until(is_over, f"fault {result.number} ({kind.name} of node {result.node}) to be over",
                   self.machine.last_lines, period_s=0.02)
        seen = clients.window(list(self.clients.probes), fault_s)
        result.failed, result.late = seen.failed, seen.late
        result.served_ms = 0.0 if seen.last_bad_s is None else 1000 * (seen.last_bad_s - fault_s)
        text = console.console[start:]
        result.has_card = bool(re.search(r"the NIC is driven from here now", text))
        if "its own page tables can be written" in text:
            result.problems.append("page tables can be written")
        for other in re.findall(r"node(\d+) boot: came back", text):
            if int(other) != result.node:
                result.problems.append(f"node {other} died, too")
        if kind.outcome == LIVES and result.has_died:
            result.problems.append("it died")

    def _count_bins(self, result, fault_s):
        bins = [0] * (BINS_BEFORE + BINS_AFTER)
        for answer_s in self.clients.answers_s:
            place = int((answer_s - fault_s) / BIN_S + BINS_BEFORE)
            if 0 <= place < len(bins):
                bins[place] += 1
        until = int((time.monotonic() - fault_s) / BIN_S + BINS_BEFORE)
        result.bins = bins[:until]

    def _count_losses(self, kind, result, held, slow):
        """Ask on each kept connection: it is answered, or it was lost."""
        def ask(connection):
            if result.has_died and result.node in connection.owners and connection.is_waiting:
                result.silent += 1
                self.clients.ask_again(connection)
            elif connection in slow:
                self.clients.ask(connection, clients.REQUEST[20:])
            else:
                self.clients.ask(connection)

        self._ask_all(ask)
        for connection in held:
            is_owned = result.node in connection.owners and kind.outcome != LIVES
            result.owned += is_owned
            result.lost += connection.is_lost
            result.unowned_lost += connection.is_lost and not is_owned
            result.owned_kept += is_owned and not connection.is_lost
        if not result.has_died and kind.outcome != DIES:
            result.owned, result.owned_kept = 0, 0
            result.unowned_lost = result.lost if kind.outcome == LIVES else result.unowned_lost
        if result.unowned_lost:
            result.problems.append(f"{result.unowned_lost} of other nodes' connections lost")
        if result.has_died and result.owned_kept:
            result.problems.append(f"{result.owned_kept} of the dead node's connections live")
        self.clients.drop_lost()

    def _ask_all(self, ask):
        """Until each kept connection has its answer, or its end."""
        self.clients.stop()
        for connection in self.clients.kept:
            ask(connection)
        wait_until(lambda: not any(connection.is_waiting for connection in self.clients.kept),
                   "an answer or an end on each kept connection",
                   lambda: f"{[c.owners for c in self.clients.kept if c.is_waiting]}\n"
                           f"{self.machine.last_lines()}")

    def _check_figures(self, kind, result, before):
        after = self.figures()
        if kind.name not in ("message", "truncated", "wild"):
            for reason in REFUSED[:2]:
                if after.get(reason, 0) > before.get(reason, 0):
                    result.problems.append(f"{reason}: {before.get(reason)} to {after.get(reason)}")
        up = self.machine.counter("node_up")
        if set(up.values()) != {1} and not result.stays_dead:
            result.problems.append(f"not up: {up}")
