# SPDX-License-Identifier: MIT
"""A name server (RFC 1035 4) inside a Network, for a client to ask: right, or wrong on purpose."""

import socket
import struct
import threading

LOOK_S = 0.2
A, CNAME, SOA, PTR, OPT = 1, 5, 6, 12, 41
NO_NAME, FAILURE = 3, 2
RESPONSE = 0x8180  # recursion desired and available


def labels(name):
    parts = [part.encode("ascii") for part in name.split(".")] if name else []
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def record(owner, kind, data, lifetime_s=300):
    return labels(owner) + struct.pack(">HHIH", kind, 1, lifetime_s, len(data)) + data


def address(owner, text, lifetime_s=300):
    return record(owner, A, socket.inet_aton(text), lifetime_s)


def alias(owner, name, lifetime_s=300):
    return record(owner, CNAME, labels(name), lifetime_s)


def pointer(owner, name):
    return record(owner, PTR, labels(name))


class Question:
    """As it was sent: `name`, `kind` and the client's port; and how it is answered."""

    def __init__(self, data, port):
        self.port = port
        self.number, flags, count, _, _, additional = struct.unpack(">6H", data[:12])
        assert flags == 0x0100 and count == 1
        at, parts = 12, []
        while data[at]:
            parts.append(data[at + 1:at + 1 + data[at]].decode("ascii"))
            at += 1 + data[at]
        self.name = ".".join(parts)
        self.kind, of_internet = struct.unpack(">HH", data[at + 1:at + 5])
        assert of_internet == 1
        self.asked = data[12:at + 5]
        self.takes = struct.unpack(">HH", data[at + 6:at + 10])[1] if additional else 512

    def answer(self, *records, code=0, number=None, flags=RESPONSE, asked=None):
        number = self.number if number is None else number
        return struct.pack(">6H", number & 0xFFFF, flags | code, 1, len(records), 0, 0) + \
            (self.asked if asked is None else asked) + b"".join(records)


class DnsServer:
    """Use with `with`. Each question is answered by all packets that answers(question) makes."""

    def __init__(self, network, answers, own_address=None):
        self.network = network
        self.own_address = own_address or network.host_address
        self.answers = answers
        self.questions = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def asked_for(self, name):
        return [question for question in self.questions if question.name == name]

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
        opened.bind((self.own_address, 53))
        opened.settimeout(LOOK_S)
        return opened

    def _serve(self):
        while not self._ended.is_set():
            try:
                data, client = self._socket.recvfrom(2048)
            except socket.timeout:
                continue
            question = Question(data, client[1])
            self.questions.append(question)
            for answer in self.answers(question):
                self._socket.sendto(answer, client)
