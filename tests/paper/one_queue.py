#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Web servers that take connections from one accept queue, as processes do that share a listening socket.

    tests/paper/one_queue.py US[,US:FROM_MS:TO_MS...]...

A process for each word. Each sleeps with each connection: the first number of its word in microseconds, and while
its connections begin between FROM_MS and TO_MS so much more. Prints the port on 127.0.0.1 that they serve, and
ends with its own input.
"""

import os
import signal
import socket
import sys
import time

# As many connections as may be open: none is turned away by a short queue.
BACKLOG = 4096
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n4b.\n"


def parse(word):
    """(microseconds always, [(microseconds more, from ms, to ms)])."""
    always, *others = word.split(",")
    return int(always), [tuple(map(int, other.split(":"))) for other in others]


def delay_s(delays, now_ms):
    always, others = delays
    return (always + sum(us for us, begin_ms, end_ms in others if begin_ms <= now_ms < end_ms)) / 1e6


def serve(listener, delays, start_s):
    while True:
        connection, _ = listener.accept()
        begin_ms = (time.monotonic() - start_s) * 1000
        connection.recv(65536)
        time.sleep(delay_s(delays, begin_ms))
        connection.sendall(ANSWER)
        connection.close()


def main(words):
    start_s = time.monotonic()
    processes = []
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        for word in words:
            process = os.fork()
            if process == 0:
                serve(listener, parse(word), start_s)
            processes.append(process)
        print(listener.getsockname()[1], flush=True)
        sys.stdin.read()
    for process in processes:
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)


if __name__ == "__main__":
    main(sys.argv[1:])
