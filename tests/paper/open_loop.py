#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A client that opens connections at a constant rate, whatever has become of those before.

    tests/paper/open_loop.py ADDRESS PORT RATE SECONDS

Each asks for /4b once. Prints, for each in the order of their ends, when it was opened (in seconds from the
start) and how long it took until the server closed it, in microseconds, or `failed`.
"""

import selectors
import socket
import sys
import time

REQUEST = b"GET /4b HTTP/1.1\r\nHost: talus\r\nConnection: close\r\n\r\n"
# So long is waited for those that are open when the last has been opened.
END_S = 30


class Connection:
    def __init__(self, selector, address, begin_s):
        self.begin_s = begin_s
        self.answer = b""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(address)
        selector.register(self.socket, selectors.EVENT_WRITE, self)

    def go_on(self, selector, events):
        """One step. True while there is more to come."""
        try:
            if events & selectors.EVENT_WRITE:
                self.socket.send(REQUEST)
                selector.modify(self.socket, selectors.EVENT_READ, self)
                return True
            piece = self.socket.recv(65536)
        except OSError:
            piece, self.answer = b"", b""
        self.answer += piece
        return piece != b""

    def end(self, selector):
        selector.unregister(self.socket)
        self.socket.close()
        return self.answer.split(b" ", 2)[1:2] == [b"200"]


def run(address, rate, seconds):
    selector = selectors.DefaultSelector()
    start_s, opened, total, open_count = time.monotonic(), 0, int(rate * seconds), 0
    while opened < total or open_count > 0:
        now_s = time.monotonic() - start_s
        # A late one counts from when it should have been opened: its client waited, too.
        while opened < total and opened / rate <= now_s:
            Connection(selector, address, opened / rate)
            opened += 1
            open_count += 1
        if opened == total and now_s > seconds + END_S:
            break
        wait_s = max(0.0, opened / rate - now_s) if opened < total else 1.0
        for key, events in selector.select(wait_s):
            if not key.data.go_on(selector, events):
                open_count -= 1
                took_us = (time.monotonic() - start_s - key.data.begin_s) * 1e6
                is_good = key.data.end(selector)
                print(f"{key.data.begin_s:.4f}", f"{took_us:.0f}" if is_good else "failed")
    for _ in range(open_count):
        print(f"{seconds:.4f} failed")


if __name__ == "__main__":
    run((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]), float(sys.argv[4]))
