# SPDX-License-Identifier: MIT
"""An NTP server (RFC 5905 7.3) inside a Network, for a client to ask: right, or wrong on purpose."""

import socket
import struct
import threading
import time

SECONDS_TO_1970 = 2208988800
LOOK_S = 0.2

SERVER = 0x24  # leap 0, version 4, mode 4
CLIENT = 0x23


def timestamp(epoch_s):
    """Of the era that is now, and the next one."""
    return int((epoch_s + SECONDS_TO_1970) * 2**32) & (2**64 - 1)


def packet(request, epoch_s, first=SERVER, stratum=2, originate=None):
    """An answer: a good one unless told otherwise."""
    return struct.pack(">BBbb3I4Q", first, stratum, 6, -20, 0, 0, 0, timestamp(epoch_s),
                       request[-1] if originate is None else originate, timestamp(epoch_s),
                       timestamp(epoch_s))


class NtpServer:
    """Use with `with`. Its clock shows `epoch_s` at first. Each question is answered by all packets
    that answers(request, now) makes, in order; by one good one, if it is not given."""

    def __init__(self, network, epoch_s, answers=None):
        self.network = network
        self.offset_s = epoch_s - time.time()
        self.answers = answers or (lambda request, now_s: [packet(request, now_s)])
        self.question_count = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def now_s(self):
        return time.time() + self.offset_s

    def __enter__(self):
        self._socket = self.network.inside(self._open)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _open(self):
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind((self.network.host_address, 123))
        opened.settimeout(LOOK_S)
        return opened

    def _serve(self):
        while not self._ended.is_set():
            try:
                data, client = self._socket.recvfrom(1024)
            except socket.timeout:
                continue
            request = struct.unpack(">BBbb3I4Q", data)
            assert request[0] == CLIENT
            self.question_count += 1
            for answer in self.answers(request, self.now_s()):
                self._socket.sendto(answer, client)
