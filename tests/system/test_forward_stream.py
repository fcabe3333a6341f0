# SPDX-License-Identifier: MIT
"""forward in stream mode, in front of nginx, redis and small servers on Linux, for curl, redis-cli
and plain sockets."""

import contextlib
import hashlib
import os
import random
import socket
import struct
import subprocess
import threading

import pytest

from harness import LONG_WAIT_S, WAIT_S, Network, Talus, wait_until

OTHER_CLIENTS = [f"192.0.2.{number}" for number in range(100, 112)]
REDIS, DIGEST, PROXY = 6380, 8090, 8091
NGINX = {"one": 8081, "two": 8082, "three": 8083}
LARGE_BYTES = 8 << 20

WEB, WEB_BY_HASH, REDIS_HERE, UPLOAD, PROXY_V1, PROXY_V2, NOBODY, COPIED, SHORT, SEGMENT = \
    range(8001, 8011)


def words(host):
    web = ",".join(f"{host}:{port}" for port in NGINX.values())
    checks = "--interval 200 --rise 2 --fall 2"
    return " ".join((
        "app=forward:1@ts pika=TS1LS1CM1 -- --status 80",
        f"--listen {WEB} --backends {web} --check http:/name {checks}",
        f"--listen {WEB_BY_HASH} --backends {web} --balance hash {checks}",
        f"--listen {REDIS_HERE} --backends {host}:{REDIS} --check none",
        f"--listen {UPLOAD} --backends {host}:{DIGEST} --check none",
        f"--listen {PROXY_V1} --backends {host}:{PROXY} --check none --proxy v1",
        f"--listen {PROXY_V2} --backends {host}:{PROXY + 1} --check none --proxy v2",
        f"--listen {NOBODY} --backends {host}:9 --check none",
        f"--listen {COPIED} --backends {host}:{DIGEST + 10} --mode copy --check none",
        f"--listen {SHORT} --backends {host}:{DIGEST + 11} --idle 1 --check none",
        f"--listen {SEGMENT} --backends {host}:{NGINX['one']} --mode segment --check none"))


class Nginx:
    """A web server that says its name; it can be stopped and started again."""

    def __init__(self, network, folder, name, port, large):
        self._network, self._folder = network, os.path.join(folder, name)
        os.makedirs(os.path.join(self._folder, "root"))
        with open(os.path.join(self._folder, "root", "name"), "w", encoding="ascii") as file:
            file.write(name)
        os.symlink(large, os.path.join(self._folder, "root", "large"))
        with open(os.path.join(self._folder, "nginx.conf"), "w", encoding="ascii") as file:
            file.write("daemon off; user root; error_log stderr; pid nginx.pid; worker_processes 1;"
                       "events {} http { access_log off;"
                       f"server {{ listen {network.host_address}:{port}; root root; }} }}")
        self.start()

    def start(self):
        command = self._network.command("nginx", "-p", self._folder, "-c", "nginx.conf")
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def stop(self):
        self._process.terminate()
        self._process.wait(WAIT_S)


class Server:
    """Each connection is `serve`d in a thread of its own."""

    def __init__(self, network, port, serve):
        self._listener = network.inside(socket.create_server, (network.host_address, port))
        self._serve = serve
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection):
        with connection, contextlib.suppress(ConnectionResetError):
            connection.settimeout(WAIT_S)
            self._serve(connection)

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def serve_digest(connection):
    """Its answer comes after the client's FIN, which must be passed on while the answer's way is
    open."""
    digest = hashlib.sha256()
    while data := connection.recv(65536):
        digest.update(data)
    connection.sendall(digest.hexdigest().encode("ascii"))


def receive_all(connection):
    parts = []
    while data := connection.recv(65536):
        parts.append(data)
    return b"".join(parts)


class ProxyServer(Server):
    """Keeps what comes."""

    def __init__(self, network, port):
        self.received = []
        super().__init__(network, port, lambda connection: self.received.append(connection.recv(500)))


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("forward"))
    large = os.path.join(folder, "large")
    with open(large, "wb") as file:
        file.write(random.Random(1).randbytes(LARGE_BYTES))
    os.chmod(folder, 0o755)
    with Network() as network:
        for address in OTHER_CLIENTS:
            subprocess.run(["ip", "-n", network.name, "addr", "add", f"{address}/24", "dev",
                            network.tap], check=True)
        nginx = {name: Nginx(network, folder, name, port, large) for name, port in NGINX.items()}
        redis = subprocess.Popen(
            network.command("redis-server", "--port", REDIS, "--bind", network.host_address,
                            "--save", "", "--protected-mode", "no", "--dir", folder),
            stdout=subprocess.DEVNULL)
        proxies = [ProxyServer(network, PROXY), ProxyServer(network, PROXY + 1)]
        digests = [Server(network, port, serve_digest)
                   for port in (DIGEST, DIGEST + 10, DIGEST + 11)]
        try:
            with Talus(network=network, words=words(network.host_address), smp=1) as talus:
                talus.nginx, talus.proxies, talus.large = nginx, proxies, large
                yield talus
        finally:
            for server in (*nginx.values(), *proxies, *digests):
                server.stop()
            redis.terminate()
            redis.wait(WAIT_S)


def get(machine, port, path, *options):
    done = subprocess.run(
        machine.network.command("curl", "--silent", "--fail", "--max-time", WAIT_S, *options,
                                f"http://{machine.network.guest_address}:{port}{path}"),
        capture_output=True, timeout=LONG_WAIT_S)
    assert done.returncode == 0, (done.returncode, machine.last_lines())
    return done.stdout


def connect(machine, port, source=None):
    return machine.network.inside(socket.create_connection, (machine.network.guest_address, port),
                                  WAIT_S, (source, 0) if source else None)


def total(machine, name, **labels):
    return sum(machine.counter(name, **labels).values())


def test_requests_take_turns_and_no_byte_visits_the_program(machine):
    copied = total(machine, "splice_bytes_total", by="application")
    spliced = total(machine, "splices_total", by="server")
    names = [get(machine, WEB, "/name").decode("ascii") for _ in range(9)]
    assert sorted(names) == sorted(3 * list(NGINX))
    assert len(set(names[:3])) == 3
    assert total(machine, "splices_total", by="server") == spliced + 18
    assert total(machine, "splices_total", by="application") == 0
    # Of a request only what had come before its backend had accepted.
    assert total(machine, "splice_bytes_total", by="application") - copied < 9 * 500


def test_large_download_and_upload_come_whole(machine):
    with open(machine.large, "rb") as file:
        content = file.read()
    assert hashlib.sha256(get(machine, WEB, "/large")).digest() == \
        hashlib.sha256(content).digest()
    for port in (UPLOAD, COPIED):
        with connect(machine, port) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            answer = receive_all(connection)
        assert answer.decode("ascii") == hashlib.sha256(content).hexdigest()
    # But for what the client's window had room for before the backend had accepted.
    assert total(machine, "splice_bytes_total", by="server") >= 2 * LARGE_BYTES - 65536
    sent = {labels["backend"]: value for name, labels, value in machine.metrics()
            if name == "talus_forward_received_bytes_total"}
    assert sum(sent.values()) >= 2 * LARGE_BYTES


def test_a_service_end_to_end_stands_beside_those_of_streams(machine):
    spliced = total(machine, "splices_total")
    assert get(machine, SEGMENT, "/name") == b"one"
    assert total(machine, "splices_total") == spliced


def test_redis_answers_through_it(machine):
    def redis(*words_):
        done = machine.network.run("redis-cli", "-h", machine.network.guest_address, "-p",
                                   REDIS_HERE, *words_, timeout=LONG_WAIT_S)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert redis("set", "key", "value of the key") == "OK"
    assert redis("get", "key") == "value of the key"
    assert redis("--raw", "-r", "50", "incr", "count").split() == [str(i) for i in range(1, 51)]


def test_a_client_stays_with_its_backend(machine):
    owners = {address: get(machine, WEB_BY_HASH, "/name", "--interface", address)
              for address in OTHER_CLIENTS}
    assert len(set(owners.values())) > 1
    for address, owner in owners.items():
        assert get(machine, WEB_BY_HASH, "/name", "--interface", address) == owner
    machine.owners = owners


def test_a_backend_that_dies_is_left_out_and_taken_back(machine):
    start = len(machine.console)
    machine.nginx["two"].stop()
    # Before a check has found out: another one is tried.
    assert {get(machine, WEB, "/name") for _ in range(6)} == {b"one", b"three"}
    machine.wait_for(r"backend 1, \S+:8082, is down: connection refused", start)
    # Only its clients have moved.
    for address, owner in machine.owners.items():
        now = get(machine, WEB_BY_HASH, "/name", "--interface", address)
        assert now == owner if owner != b"two" else now != b"two"
    assert min(machine.counter("forward_backend_up", backend="1").values()) == 0
    start = len(machine.console)
    machine.nginx["two"].start()
    machine.wait_for(r"(?s)backend 1, \S+:8082, is back.*backend 4, \S+:8082, is back"
                     r"|backend 4, \S+:8082, is back.*backend 1, \S+:8082, is back", start)
    assert {get(machine, WEB, "/name") for _ in range(6)} == {b"one", b"two", b"three"}
    for address, owner in machine.owners.items():
        assert get(machine, WEB_BY_HASH, "/name", "--interface", address) == owner


def test_who_finds_no_backend_is_reset(machine):
    refused = total(machine, "forward_sessions_refused_total")
    # The reset may be there before connect() has returned.
    with pytest.raises(ConnectionResetError), connect(machine, NOBODY) as connection:
        connection.recv(1)
    assert total(machine, "forward_sessions_refused_total") == refused + 1


def test_backends_are_told_of_the_client(machine):
    for port, proxy in zip((PROXY_V1, PROXY_V2), machine.proxies):
        with connect(machine, port) as connection:
            connection.sendall(b"first bytes")
            name = connection.getsockname()
            wait_until(lambda: b"first bytes" in b"".join(proxy.received) or
                       len(proxy.received) > 0, "the header")
        header = proxy.received[0]
        if port == PROXY_V1:
            line = f"PROXY TCP4 {name[0]} {machine.network.guest_address} {name[1]} {port}\r\n"
            assert header.startswith(line.encode("ascii"))
        else:
            assert header[:16] == b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
            assert header[16:20] == socket.inet_aton(name[0])
            assert struct.unpack("!HH", header[24:28]) == (name[1], port)


def test_a_reset_of_the_client_resets_the_backend_and_nothing_stays(machine):
    connection = connect(machine, UPLOAD)
    connection.sendall(b"x" * 1000)
    wait_until(lambda: total(machine, "forward_connections") == 1, "the connection")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    wait_until(lambda: total(machine, "forward_connections") == 0, "the end of it")


def test_a_session_without_bytes_ends(machine):
    with connect(machine, SHORT) as connection, pytest.raises(ConnectionResetError):
        connection.sendall(b"x")
        connection.recv(1)
    wait_until(lambda: total(machine, "forward_connections") == 0, "the end of it")
