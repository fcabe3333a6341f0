# SPDX-License-Identifier: MIT
"""Talus as Linux processes (make host): the same sources without QEMU, real clients by a TAP device
and made-up ones behind the card in memory. Each runs plain and with sanitizers."""

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, LONG_WAIT_S, WAIT_S, Hosted, TapNetwork, ab, curl, wait_until
from harness.hosted import REPORT

pytestmark = pytest.mark.same_on_any_card("Linux processes")

PLAIN = BUILD / "hosted" / "talus"
SANITIZED = BUILD / "sanitized" / "hosted" / "talus"
MEMORY_WORDS = ("net=192.0.2.10/24,gw=192.0.2.1",)


@pytest.fixture(name="program", params=[PLAIN, SANITIZED], ids=["plain", "sanitized"])
def fixture_program(request):
    return request.param


class QueuesNetwork(TapNetwork):
    """Whose device has a queue for each link server."""

    def __enter__(self):
        super().__enter__()
        self.ip(f"tuntap del dev {self.tap} mode tap")
        self.ip(f"tuntap add dev {self.tap} mode tap multi_queue")
        self.ip(f"addr add {self.host_address}/24 dev {self.tap}")
        self.ip(f"link set {self.tap} up")
        return self


class VethNetwork(TapNetwork):
    """A pair of interfaces: the host's end, and one that Talus takes over."""

    card = "xdp:talus0"

    def __enter__(self):
        super().__enter__()
        self.ip(f"tuntap del dev {self.tap} mode tap")
        self.ip("link add host0 type veth peer name talus0")
        # Else nobody makes the checksums of what comes to Talus.
        self.run("ethtool", "-K", "host0", "tx", "off", check=True)
        self.ip(f"addr add {self.host_address}/24 dev host0")
        self.ip("link set host0 up")
        self.ip("link set talus0 up")
        return self


@pytest.fixture(name="network")
def fixture_network():
    with TapNetwork() as made:
        yield made


def run_memory(program, node_count, card, *words):
    """What a run with the card in memory has printed; it must have ended well."""
    run = subprocess.run([program, "--nodes", str(node_count), "--card", f"memory:{card}",
                          *MEMORY_WORDS, *words], capture_output=True, text=True,
                         stdin=subprocess.DEVNULL, timeout=LONG_WAIT_S, check=False)
    said = run.stdout + run.stderr
    assert run.returncode == 0 and not REPORT.search(said), said
    return said


# --- Real clients ---

@pytest.mark.parametrize("node_count", [1, 2, 4])
def test_pages_are_served_to_real_clients(network, program, node_count):
    with Hosted(network, program, node_count) as talus:
        for path, size in (("/4b", 4), ("/1k", 1024), ("/100k", 102400)):
            assert len(curl(talus, path)) == size
        assert ab(talus, "/1k", 2000, 16).failed == 0
        kept = ab(talus, "/1k", 2000, 16, keep_alive=True)
        assert kept.failed == 0
        assert re.search(r"Keep-Alive requests: +[1-9]", kept.output), kept.output


def test_the_first_frame_between_any_two_nodes_arrives(program):
    """Linux chooses the queue of a flow's first frames, and so the link server, which hands them to
    a transport server that it may not serve; and 32 clients begin at once."""
    with QueuesNetwork() as network, \
            Hosted(network, program, 8, "pika=LS2+TS4+CM1", "app=httpd:1") as talus:
        assert ab(talus, "/4b", 200, 32).failed == 0
        metrics = curl(talus, "/metrics").decode()
        full = re.findall(r'talus_drops_total\{node="\d",reason="channel_full"\} (\d+)', metrics)
        assert len(full) == 8 and set(full) == {"0"}, full


def test_each_link_server_has_a_queue_of_a_device_that_has_several(program):
    with QueuesNetwork() as network, Hosted(network, program, 4) as talus:
        talus.wait_for_line("2 queues")
        assert ab(talus, "/4b", 2000, 16).failed == 0
        metrics = curl(talus, "/metrics").decode()
        received = dict(re.findall(r'talus_nic_rx_packets_total\{node="(\d)"\} (\d+)', metrics))
        assert int(received["0"]) > 0 and int(received["1"]) > 0, received


@pytest.mark.parametrize("node_count", [1, 2])
def test_an_interface_is_driven_by_af_xdp(program, node_count):
    with VethNetwork() as network, Hosted(network, program, node_count) as talus:
        assert len(curl(talus, "/100k")) == 102400
        # More requests than there are chunks, each of several frames: all are used again.
        assert ab(talus, "/1k", 2000, 16).failed == 0
        assert ab(talus, "/100k", 200, 8, keep_alive=True).failed == 0


def test_an_interface_is_linux_again_when_the_program_has_ended():
    with VethNetwork() as network:
        with Hosted(network, PLAIN, 1) as talus:
            assert curl(talus, "/4b") == b"pika"
            assert "xdp" in network.run("ip", "link", "show", "talus0").stdout
        network.ip(f"addr add {network.guest_address}/24 dev talus0")
        assert "xdp" not in network.run("ip", "link", "show", "talus0").stdout


def test_an_interface_is_linux_again_when_its_node_is_killed():
    with VethNetwork() as network, Hosted(network, PLAIN, 2) as talus:
        assert "xdp" in network.run("ip", "link", "show", "talus0").stdout
        os.kill(talus.node_processes()[0], signal.SIGKILL)
        wait_until(lambda: "xdp" not in network.run("ip", "link", "show", "talus0").stdout,
                   "the interface without a program", talus.console)


# --- What is shared ---

def shared_mappings(process):
    """(Rights, name) of what another process may see."""
    lines = Path(f"/proc/{process}/maps").read_text(encoding="ascii").splitlines()
    fields = [line.split(maxsplit=5) for line in lines]
    return [(field[1], field[5].removesuffix(" (deleted)")) for field in fields
            if field[1].endswith("s")]


def test_nodes_share_mailbox_pages_and_nothing_else(network, program):
    """Each node can write its own and no other's: it has no descriptor by which it could."""
    node_count = 4
    with Hosted(network, program, node_count) as talus:
        processes = talus.node_processes()
        assert len(processes) == node_count
        for node, process in enumerate(processes):
            mappings = shared_mappings(process)
            own = f"/memfd:talus-node{node}"
            assert [name for rights, name in mappings if "w" in rights] == [own]
            others = {name for rights, name in mappings if rights == "r--s"}
            assert others == ({f"/memfd:talus-node{other}" for other in range(node_count)} - {own}
                              | {"/memfd:talus-processes"})
            assert not [rights for rights, _ in mappings if "x" in rights]
            assert writable_files(process) == [own]


def writable_files(process):
    """The mailbox pages for which it has a descriptor that is open for writing."""
    names = []
    for file in Path(f"/proc/{process}/fd").iterdir():
        name = os.readlink(file)
        if name.startswith("/memfd:talus-"):
            flags = int(re.search(r"flags:\s+(\d+)", Path(
                f"/proc/{process}/fdinfo/{file.name}").read_text(encoding="ascii")).group(1), 8)
            if flags & os.O_ACCMODE != os.O_RDONLY:
                names.append(name.removesuffix(" (deleted)"))
    return names


# --- As many nodes as there may be ---

NODE_MAX = 256


def test_256_nodes_serve_and_outlive_one_of_them():
    """Without sanitizers, for so many processes."""
    with QueuesNetwork() as network, \
            Hosted(network, PLAIN, NODE_MAX, "--memory", "16", "pika=TS4LS4CM4") as talus:
        for node in range(NODE_MAX):
            talus.wait_for_line(f" node{node} boot: roles ")
        processes = talus.node_processes()
        assert len(processes) == NODE_MAX
        for process in processes:
            # A doorbell and a readable file of each node, and a few of its own.
            assert len(list(Path(f"/proc/{process}/fd").iterdir())) < 2 * NODE_MAX + 32

        def have_all_served():
            """A connection manager gives them out in turn; on a busy host some processes begin late."""
            assert ab(talus, "/4b", 4000, 64).failed == 0
            served = requests_by_node(talus)
            assert len(served) == NODE_MAX
            return all(served[node] != 0 for node in range(4, NODE_MAX))

        wait_until(have_all_served, "each application to serve", talus.last_lines)
        os.kill(processes[NODE_MAX - 1], signal.SIGKILL)
        talus.wait_for_line(f"node{NODE_MAX - 1} is dead")
        assert ab(talus, "/4b", 600, 16).failed == 0
        metrics = curl(talus, "/metrics").decode()
        # Between those that talk, and not between all.
        channels = sum(map(int, re.findall(r'talus_channels_open\{node="\d+"\} (\d+)', metrics)))
        assert channels < 16 * NODE_MAX, channels


def test_servers_on_half_of_256_nodes_answer():
    """The default: 128 link servers, transport servers and connection managers, of which each tells
    all the others what it offers."""
    said = run_memory(PLAIN, NODE_MAX, "count=500", "--memory", "16")
    assert "TS128LS128CM128 httpd:128" in said
    assert re.search(r"500 requests answered on \d+ connections, 0 wrong; 0 frames lost", said), said


def requests_by_node(talus):
    metrics = curl(talus, "/metrics").decode()
    return {int(node): int(count) for node, count in
            re.findall(r'talus_http_requests_total\{node="(\d+)"\} (\d+)', metrics)}


# --- Ends ---

def ask(connection):
    """Whether a page comes on a connection that is kept."""
    try:
        connection.sendall(b"GET /4b HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = b""
        while not answer.endswith(b"pika"):
            part = connection.recv(65536)
            if not part:
                return False
            answer += part
        return answer.startswith(b"HTTP/1.1 200 ")
    except ConnectionError:
        return False


def test_a_killed_process_takes_down_its_own_connections_only(network, program):
    """Nodes 1 to 3 are applications, and each has some of these connections."""
    with Hosted(network, program, 4, "pika=TS1LS1CM1", "app=httpd:3") as talus:
        def connect(count):
            return [socket.create_connection((talus.address, 80), timeout=WAIT_S)
                    for _ in range(count)]

        connections = network.inside(connect, 32)
        assert all(map(ask, connections))
        os.kill(talus.node_processes()[3], signal.SIGKILL)
        talus.wait_for_line("node3 is dead")
        are_served = list(map(ask, connections))
        assert any(are_served) and not all(are_served), are_served
        for connection, is_served in zip(connections, are_served):
            assert ask(connection) == is_served
            connection.close()
        for _ in range(20):
            assert curl(talus, "/4b") == b"pika"


def test_a_node_that_faults_says_where_and_ends_alone(network):
    """Not under a sanitizer, which reports faults by itself."""
    with Hosted(network, PLAIN, 4) as talus:
        os.kill(talus.node_processes()[3], signal.SIGSEGV)
        talus.wait_for_line("node3 is dead")
        talus.wait_for_line("node 3: signal 11 at 0x")
        assert curl(talus, "/4b") == b"pika"
        talus.lines = [line for line in talus.lines if " node3 panic: " not in line]


def test_a_node_that_hangs_is_stopped_and_says_where(network, program):
    """Who sends to it gives it up; SIGQUIT is what an NMI is on the bare machine."""
    with Hosted(network, program, 4, "pika=TS1LS1CM1", "app=httpd:3", "node_timeout=50") as talus:
        talus.process.stdin.write("hang 3\n")
        talus.process.stdin.flush()
        talus.wait_for_line("node 0 asks for an endless loop")
        network.run("ab", "-q", "-r", "-n", "100", "-c", "16", f"http://{talus.address}/4b",
                    timeout=LONG_WAIT_S)  # what it was given is lost
        talus.wait_for_line("node3 is dead")
        talus.wait_for_line("node 3: signal 3 at 0x")
        assert ab(talus, "/4b", 200, 8).failed == 0
        talus.lines = [line for line in talus.lines if " node3 panic: " not in line]


def test_a_sanitizer_is_there_to_report():
    """Else its runs would say nothing. The console's command makes a node fault."""
    with subprocess.Popen([SANITIZED, "--nodes", "2"], stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        process.stdin.write("crash 1\n")
        process.stdin.flush()
        report = ""
        for line in process.stderr:
            report += line
            if "the process of node1 ended" in line:
                break
        process.terminate()
    assert "AddressSanitizer: SEGV" in report, report


# --- Made-up clients ---

@pytest.mark.parametrize("node_count", [1, 2, 4])
@pytest.mark.parametrize("card", ["count=2000", "count=2000,kept=100", "count=200,kept=10,path=/100k"],
                         ids=["short", "kept", "long"])
def test_clients_in_memory_get_every_byte(program, node_count, card):
    said = run_memory(program, node_count, card)
    assert re.search(r"requests answered on \d+ connections, 0 wrong; 0 frames lost", said), said


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("node_count", [1, 2])
def test_losses_and_floods_cost_no_answer(program, node_count, seed):
    said = run_memory(program, node_count, f"count=1000,loss=20,flood=2,seed={seed}")
    counts = re.search(r"1000 requests answered on \d+ connections, 0 wrong; (\d+) frames lost, "
                       r"(\d+) sent again, (\d+) of nobody's", said)
    assert counts and all(int(count) > 100 for count in counts.groups()), said


def test_a_page_that_is_not_what_was_asked_for_is_found_wrong(program):
    """Else the tests above could not fail: the clients look at what comes."""
    run = subprocess.run([program, "--card", "memory:count=10,path=/nothing", *MEMORY_WORDS],
                         capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=WAIT_S,
                         check=False)
    assert run.returncode == 1
    assert "10 wrong" in run.stdout


def test_switching_off_ends_the_program(program):
    run = subprocess.run([program, "--nodes", "2"], capture_output=True, text=True,
                         input="poweroff\n", timeout=WAIT_S, check=False)
    assert run.returncode == 0
    assert "power: off" in run.stdout
