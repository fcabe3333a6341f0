# SPDX-License-Identifier: MIT
"""Real clients: connections that are kept, and a stream of new ones. All of them are sockets of this
host's TCP in a network's namespace; one thread watches over them, so that a moment at which
something came is known to a millisecond or two."""

import errno
import selectors
import socket
import threading
import time
from dataclasses import dataclass

REQUEST = b"GET /4b HTTP/1.1\r\nHost: talus\r\n\r\n"
LAST_REQUEST = b"GET /4b HTTP/1.1\r\nHost: talus\r\nConnection: close\r\n\r\n"
# Between two new connections. Chosen: a node's absence of some 10 ms is seen by several.
PROBE_PERIOD_S = 0.004
# A connection of the stream that has no answer then is given up.
PROBE_LIMIT_S = 5.0
# Its answer is late then: longer than a busy host needs, shorter than TCP's first retransmission of a
# SYN, which is due after a second.
LATE_S = 0.6


def is_whole(answer):
    """Whether it is the answer to a REQUEST: 200, and a body of four bytes behind its header."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    return bool(blank) and head.startswith(b"HTTP/1.1 200") and len(body) == 4


@dataclass
class Probe:
    """One connection of the stream."""
    port: int
    started_s: float
    ended_s: float = None
    is_served: bool = False


@dataclass
class Kept:
    """A connection that is kept. A busy one asks again at once, and another one takes its place if it
    is lost; those that are not busy ask when told to."""
    socket: socket.socket
    port: int
    is_busy: bool
    answer: bytes = b""
    answers: int = 0
    is_lost: bool = False
    is_waiting: bool = False  # for an answer
    is_connecting: bool = False
    owners: tuple = ()


@dataclass
class Flight:
    """What a probe's socket is at."""
    probe: Probe
    socket: socket.socket
    is_sent: bool = False
    answer: bytes = b""


class Clients:
    """Use with `with`. The thread asks and notes; other methods are called by the test's."""

    def __init__(self, network, address, port=80):
        self.network, self.to = network, (address, port)
        self.probes = []          # those that have ended, in the order of their ends
        self.answers_s = []       # when each answer came, on kept connections and in the stream
        self.kept = []
        self._lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._flights = {}
        self._lost_busy = 0  # and not yet replaced
        self._is_over = self._has_stream = self._is_stopped = False
        self._thread = threading.Thread(target=network.inside, args=(self._run,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over = True
        self._thread.join()
        for connection in self.kept:
            connection.socket.close()

    def stream(self, has_stream):
        self._has_stream = has_stream

    # --- Kept connections ---

    def keep(self, opened, is_busy):
        """A connection that has been opened, and answered once."""
        connection = Kept(opened, opened.getsockname()[1], is_busy)
        opened.setblocking(False)
        with self._lock:
            self.kept.append(connection)
            self._selector.register(opened, selectors.EVENT_READ, connection)
            if is_busy:
                self._ask(connection)
        return connection

    def _ask(self, connection, request=REQUEST):
        connection.is_waiting = True
        try:
            connection.socket.sendall(request)
        except OSError:
            self._lose(connection)

    def ask(self, connection, request=REQUEST):
        with self._lock:
            if not connection.is_lost and not connection.is_waiting:
                self._ask(connection, request)

    def ask_again(self, connection):
        """Whether or not an answer is still waited for. A server that has died when it had
        acknowledged a request, and not yet answered, is asked nothing else, and so says nothing."""
        with self._lock:
            if not connection.is_lost:
                self._ask(connection)

    def begin(self, connection):
        """Half a request: a slow client."""
        with self._lock:
            connection.socket.sendall(REQUEST[:20])

    def stop(self):
        """Busy ones ask no more, when they have their answers."""
        with self._lock:
            self._is_stopped = True

    def go_on(self):
        with self._lock:
            self._is_stopped = False
            for connection in self.kept:
                if connection.is_busy and not connection.is_lost and not connection.is_waiting:
                    self._ask(connection)

    def drop_lost(self):
        with self._lock:
            self.kept = [connection for connection in self.kept if not connection.is_lost]

    def _lose(self, connection):
        connection.is_lost, connection.is_waiting = True, False
        self._selector.unregister(connection.socket)
        connection.socket.close()
        if connection.is_busy and not self._is_stopped:
            self._lost_busy += 1

    def _replace(self):
        """A busy client that has lost its connection opens another one. Only on this thread is a
        socket made in the network's namespace."""
        self._lost_busy -= 1
        opened = socket.socket()
        opened.setblocking(False)
        connection = Kept(opened, 0, is_busy=True, is_waiting=True, is_connecting=True)
        if opened.connect_ex(self.to) not in (0, errno.EINPROGRESS):
            opened.close()
            return
        connection.port = opened.getsockname()[1]
        self.kept.append(connection)
        self._selector.register(opened, selectors.EVENT_WRITE, connection)

    def _take_kept(self, connection):
        if connection.is_connecting:
            connection.is_connecting = False
            self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
            self._ask(connection)
            return
        try:
            got = connection.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            got = b""
        if not got:
            self._lose(connection)
            return
        connection.answer += got
        if is_whole(connection.answer):
            connection.answer, connection.is_waiting = b"", False
            connection.answers += 1
            self.answers_s.append(time.monotonic())
            if connection.is_busy and not self._is_stopped:
                self._ask(connection)

    # --- The stream ---

    def _start_probe(self):
        opened = socket.socket()
        opened.setblocking(False)
        error = opened.connect_ex(self.to)
        probe = Probe(opened.getsockname()[1], time.monotonic())
        if error not in (0, errno.EINPROGRESS):
            self._end_probe(Flight(probe, opened), False)
            return
        flight = Flight(probe, opened)
        self._flights[opened] = flight
        self._selector.register(opened, selectors.EVENT_WRITE, flight)

    def _end_probe(self, flight, is_served):
        flight.probe.ended_s, flight.probe.is_served = time.monotonic(), is_served
        if self._flights.pop(flight.socket, None):
            self._selector.unregister(flight.socket)
        flight.socket.close()
        self.probes.append(flight.probe)
        if is_served:
            self.answers_s.append(flight.probe.ended_s)

    def _take_probe(self, flight):
        try:
            if not flight.is_sent:
                flight.socket.sendall(LAST_REQUEST)
                flight.is_sent = True
                self._selector.modify(flight.socket, selectors.EVENT_READ, flight)
                return
            got = flight.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            self._end_probe(flight, False)
            return
        flight.answer += got
        if not got or is_whole(flight.answer):
            self._end_probe(flight, is_whole(flight.answer))

    def _run(self):
        next_s = time.monotonic()
        while not self._is_over:
            now_s = time.monotonic()
            with self._lock:
                while self._lost_busy > 0:
                    self._replace()
                if self._has_stream and now_s >= next_s:
                    self._start_probe()
                    # What this thread has missed is not made up for.
                    next_s = max(next_s + PROBE_PERIOD_S, now_s)
                for flight in list(self._flights.values()):
                    if now_s - flight.probe.started_s < PROBE_LIMIT_S:
                        break  # they are in the order of their starts
                    self._end_probe(flight, False)
            wait_s = max(0, next_s - time.monotonic()) if self._has_stream else 0.01
            for key, _ in self._selector.select(wait_s):
                with self._lock:
                    if isinstance(key.data, Flight):
                        self._take_probe(key.data)
                    elif not key.data.is_lost:
                        self._take_kept(key.data)
        for flight in list(self._flights.values()):
            self._end_probe(flight, False)

    def under_way(self):
        """When each of the stream's that have not ended began."""
        with self._lock:
            return [flight.probe.started_s for flight in self._flights.values()]


def late(probe):
    return not probe.is_served or probe.ended_s - probe.started_s > LATE_S


@dataclass
class Window:
    """What the stream has seen since a moment."""
    served: int = 0
    failed: int = 0
    late: int = 0
    last_bad_s: float = None  # when the last one began that failed or was late; that failed:
    last_failed_s: float = None


def window(probes, since_s):
    seen = Window()
    for probe in probes:
        if probe.started_s < since_s:
            continue
        seen.served += probe.is_served
        seen.failed += not probe.is_served
        seen.late += late(probe) and probe.is_served
        if late(probe):
            seen.last_bad_s = max(probe.started_s, seen.last_bad_s or 0)
        if not probe.is_served:
            seen.last_failed_s = max(probe.started_s, seen.last_failed_s or 0)
    return seen
