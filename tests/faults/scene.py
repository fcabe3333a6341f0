# SPDX-License-Identifier: MIT
"""A machine under load, one fault after the other, and what each has cost."""

import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness import HarnessError, Network, Qmp, Talus, wait_until

from . import clients, figures
from .course import ASK_AGAIN_S, ASKED, BIN_S, BINS_BEFORE, LOOK_S, Course, Result
from .kinds import KINDS, LIVES, nodes_for

KEPT_COUNT, BUSY_COUNT = 24, 4
# Every so many kept connections is one of a slow client: in the middle of a request.
SLOW_STEP = 4
# When a web server ends a connection in the middle of a request, and an idle one (20 s and 60 s), on a
# host that has stood still: no fault's doing.
SLOW_LIMIT_S, IDLE_LIMIT_S = 15, 50
# Of load before a fault, so that there is something to compare with.
BEFORE_S = BIN_S * BINS_BEFORE
# A node that was asked so often to end, and does not, is ended from outside.
ASKS_MAX = 3
# Requests, one behind the other, that show that all is well.
SERVED_COUNT = 40
# The card; the link, so often.
STOPPED_S = 0.3
FLAP_S, FLAP_COUNT = 0.1, 3
WORDS = "restart=always node_timeout=100"
# What of a machine check the core is told: see tests/system/test_hardware_errors.py.
MACHINE_CHECK = "mce {core} 1 0xbe00000000000135 0x5 0x1234000 0x8c"
# Nodes by what they have; all others by their roles.
CONSOLE, CARD = "console", "card"
MACHINE = -1  # in the place of a node: the fault is of none

# In the log: that one has the card now.
HAS_CARD = re.compile(r"node(\d+) ls: (?:the NIC is driven from here now|\S+ \([^)]*\) at \S+, MAC)")


@dataclass(frozen=True)
class Configuration:
    """`targets`: its kinds of nodes, by roles or by what they have."""
    name: str
    words: str
    node_count: int
    targets: tuple


CONFIGURATIONS = {configuration.name: configuration for configuration in (
    Configuration("combined", "pika=TS2LS2CM2 app=httpd:2", 4, ("LS TS CM", "httpd", CONSOLE, CARD)),
    Configuration("separate CMs", "pika=TS1LS1+CM2 app=httpd:2", 5, ("LS TS", "CM", "httpd", CONSOLE)),
    Configuration("split", "pika=TS2+LS2+CM1 app=httpd:2", 7, ("LS", "TS", "CM", "httpd", CONSOLE, CARD)),
)}


class Scene:
    """Use with `with`: boots, opens the kept connections, and ends with all of it."""

    def __init__(self, configuration, log=None):
        self.configuration = configuration
        self._folder = tempfile.TemporaryDirectory()
        self._qmp_path = Path(self._folder.name) / "qmp"
        self._network = Network()
        self._log = log
        self._figures = None   # as the last fault has left them
        self.starts = list(range(configuration.node_count))  # the nodes, in the order of their starts
        self.card_owner = None
        self.clock = figures.Clock()

    def __enter__(self):
        self._network.__enter__()
        self.machine = Talus("--qemu-args", Qmp.qemu_args(self._qmp_path), network=self._network,
                             words=f"{self.configuration.words} {WORDS}",
                             smp=self.configuration.node_count)
        self.machine.__enter__()
        self.qmp = Qmp(self._qmp_path)
        # A node may say what it is behind the ready line of another.
        wait_until(lambda: len(self.machine.roles()) == self.configuration.node_count, "all nodes' roles",
                   self.machine.last_lines)
        self.roles = self.machine.roles()
        self._look_at_log()
        self.clients = clients.Clients(self._network, self._network.guest_address)
        self.clients.__enter__()
        return self

    def __exit__(self, kind, *rest):
        self.clients.__exit__()
        self.qmp.close()
        self.forget_console()
        self.machine.__exit__(kind, *rest)
        self._network.__exit__()
        self._folder.cleanup()

    # --- What the machine says ---

    def forget_console(self):
        self._look_at_log()
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
        asked_s, seen = figures.look(self.machine)
        self.clock.note(asked_s, seen)
        return seen

    def _look_at_log(self):
        for match in HAS_CARD.finditer(self.machine.console):
            self.card_owner = int(match[1])

    def nodes_of(self, target):
        """The console has whoever of those that live runs for longest."""
        if target == CONSOLE:
            return [self.starts[0]]
        if target == CARD:
            return [self.card_owner]
        return [node for node, roles in self.roles.items() if roles == target]

    def choose(self, kind_name, target, number):
        """The node that gets it."""
        kind = KINDS[kind_name]
        if kind.is_machines:
            return MACHINE
        nodes = nodes_for(kind, self.nodes_of(target), list(self.roles))
        return nodes[number % len(nodes)]

    def note_return(self, node):
        self.starts.remove(node)
        self.starts.append(node)

    def die(self, kind_name, node, seed=1):
        """And come back. Another node may send nothing yet to one that has only just come back: it is
        asked again; and one that does not even hear that is ended from outside."""
        asked_s, asks = 0, 0

        def is_back():
            nonlocal asked_s, asks
            has_heard = ASKED.search(self.machine.console) or f"node{node} panic:" in self.machine.console
            if not has_heard and time.monotonic() - asked_s > ASK_AGAIN_S:
                asked_s = time.monotonic()
                asks += 1
                self.inject(KINDS[kind_name if asks <= ASKS_MAX else "mce"], node, seed)
            return self.came_back(node, 0)

        self.forget_console()
        wait_until(is_back, f"node {node} to come back", self.machine.last_lines, LOOK_S)
        self.note_return(node)

    def is_served(self):
        """By all, for some time. This side closes first."""
        try:
            for _ in range(SERVED_COUNT):
                self._open_answered().close()
            return True
        except OSError:  # refused or reset, as long as nobody is there
            return False

    def wait_until_served(self):
        wait_until(self.is_served, "all to be served", self.machine.last_lines)

    # --- Before a fault ---

    def _open_answered(self):
        """A connection on which a request was answered."""
        opened = self.machine.connect()
        try:
            opened.sendall(clients.REQUEST)
            answer = b""
            while not clients.is_whole(answer):
                got = opened.recv(65536)
                if not got:
                    raise ConnectionResetError("a new connection ended")
                answer += got
        except OSError:
            opened.close()
            raise
        return opened

    def fill(self):
        """As many kept connections as there shall be, each answered once, and their owners known."""
        while len(self.clients.kept) < KEPT_COUNT:
            opened = self._open_answered()
            is_busy = sum(connection.is_busy for connection in self.clients.kept) < BUSY_COUNT
            self.clients.keep(opened, is_busy)

    def settle(self):
        """All that is kept is claimed by an application, and known by its owners."""
        self.clients.drop_lost()
        self.fill()
        self.clients.stop()
        wait_until(lambda: not any(connection.is_waiting for connection in self.clients.kept),
                   "answers", self.machine.last_lines, LOOK_S)

        def are_known():
            owners = self.owners()
            for connection in self.clients.kept:
                connection.owners = owners.get(connection.port, ())
            return all(connection.owners for connection in self.clients.kept)

        wait_until(are_known, "all connections to have an owner", self.machine.last_lines, LOOK_S)

    def keep_alive(self):
        """No kept connection has been idle for long: nobody ends it for that."""
        self._ask_all(self.clients.ask)

    # --- The fault ---

    def came_back(self, node, start):
        return re.search(rf"node{node} boot: came back as incarnation \d+ after ([\d.]+) ms",
                         self.machine.console[start:])

    def inject(self, kind, node, seed):
        if kind.name == "mce":
            answer = self.qmp.ask_monitor(MACHINE_CHECK.format(core=node))
            if answer:
                raise HarnessError(answer)
        elif kind.name == "line":
            self.qmp.run("inject-nmi")
        elif kind.name == "link":
            for _ in range(FLAP_COUNT):
                self.qmp.set_link(False)
                time.sleep(FLAP_S)
                self.qmp.set_link(True)
                time.sleep(FLAP_S)
        elif kind.name == "card":
            self.qmp.set_stalled(True)
            time.sleep(STOPPED_S)
            self.qmp.set_stalled(False)
        else:
            self.machine.type(f"fault {kind.name} {node} {seed}\n")

    def fault(self, number, kind_name, node, seed, watch_s=0.0):
        """Under load, which goes on until all is well again, and for `watch_s` at least."""
        kind = KINDS[kind_name]
        self.settle()
        before = self._figures or self.figures()
        roles = self.roles.get(node, "")
        result = Result(number, self.configuration.name, kind.name, seed, node, roles,
                        has_console=node == self.starts[0], has_card=node == self.card_owner, watch_s=watch_s)
        slow = [connection for index, connection in enumerate(self.clients.kept)
                if not connection.is_busy and index % SLOW_STEP == 0]
        begun_s = time.monotonic()
        for connection in slow:
            self.clients.begin(connection)
        self.clients.probes.clear()
        self.clients.answers_s.clear()
        held = list(self.clients.kept)
        self.clients.go_on()
        self.clients.stream(True)
        time.sleep(BEFORE_S)
        Course(self, kind, result).wait()
        self.clients.stream(False)
        if kind.name == "wild" and not result.has_died:
            # What it has written wildly would be some later fault's; and what it owns now ends with it.
            self.die("page", node)
            result.was_ended = True
        self._count_losses(kind, result, held, slow, begun_s)
        self._figures = self.figures()
        self._check_figures(kind, result, before)
        self.forget_console()
        return result

    def _count_losses(self, kind, result, held, slow, begun_s):
        """Ask on each kept connection: it is answered, or it was lost."""
        is_gone = result.has_died or result.was_ended

        def ask(connection):
            if is_gone and result.node in connection.owners and connection.is_waiting:
                result.silent += 1
                self.clients.ask_again(connection)
            elif connection in slow:
                self.clients.ask(connection, clients.REQUEST[20:])
            else:
                self.clients.ask(connection)

        self._ask_all(ask)
        outcome = kind.outcome_of(result.node)
        waited_s = time.monotonic() - begun_s
        for connection in held:
            is_owned = result.node in connection.owners and outcome != LIVES
            if not is_owned and waited_s > (SLOW_LIMIT_S if connection in slow else IDLE_LIMIT_S):
                result.expired += connection.is_lost
                continue
            result.lost += connection.is_lost
            result.unowned_lost += connection.is_lost and not is_owned
            if is_gone:
                result.owned += is_owned
                result.owned_kept += is_owned and not connection.is_lost
        if result.unowned_lost:
            result.problems.append(f"{result.unowned_lost} of other nodes' connections lost")
        if result.owned_kept:
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
                           f"{self.machine.last_lines()}", LOOK_S)

    def _check_figures(self, kind, result, before):
        after = self._figures
        if kind.name not in ("message", "truncated", "order", "wild"):
            for reason, count in after.refused.items():
                if count > before.refused.get(reason, 0):
                    result.problems.append(f"{reason}: {before.refused.get(reason, 0)} to {count}")
        if set(after.up.values()) != {1} and not result.stays_dead:
            result.problems.append(f"not up: {after.up}")
