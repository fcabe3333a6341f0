# SPDX-License-Identifier: MIT
"""Nodes that can hardly be saved come back, or keep no other from it: boot/README.md."""

import re
import socket

from harness import Gdb, Network, Talus, ab, symbol_vaddr, wait_until

NODE_COUNT = 4
MSI_ADDRESS = 0xFEE00000
DELIVER_NMI = 0x400
WILD_WORD = 0xDEADBEEFDEADBEEF
# In boot/trampoline.S: from its start.
BEHIND_LIDT, BEHIND_CR0 = 12, 84
IMAGE_OFFSET = 0xFFFFFFFF80000000
REQUEST = b"GET /4b HTTP/1.1\r\nHost: talus\r\n\r\n"
# Of node_info: all that boot says of the node's place and of the way out.
WILD_WORDS = 32


def test_one_that_has_lost_all_that_it_was_told_comes_back(tmp_path):
    with Network() as network, \
            Talus("--qemu-args", Gdb.qemu_args(tmp_path / "gdb"), words="randomise=no",
                  network=network) as talus:
        for incarnation, name, words in ((2, "node_info", WILD_WORDS), (3, "failure_depth", 1)):
            with Gdb(tmp_path / "gdb") as gdb:
                for word in range(words):
                    size = 8 if words > 1 else 4
                    gdb.write(symbol_vaddr(name) + 8 * word, WILD_WORD & (1 << 8 * size) - 1, size, core=3)
                gdb.ask("D")
            talus.type("crash 3\n")
            talus.wait_for(rf"node3 boot: came back as incarnation {incarnation} after")


def test_a_node_0_that_nothing_stops_keeps_no_other_dead():
    """Its core cannot be reset. It does nothing, and hears nothing."""
    with Network() as network, \
            Talus(words="node_timeout=100 restart=always", network=network) as talus:
        talus.type("fault deaf 0\n")
        talus.wait_for(r"node0 does not stop: reset")
        talus.wait_for(r"dispatch: node0 is dead")
        for incarnation in (2, 3):
            wait_until(lambda: ab(talus, "/4b", 50, concurrency=4).failed == 0, "the others to serve",
                       talus.last_lines)
            # In its second life it obeys who has the console by now: node 0 is dead to it as well.
            talus.type("crash 3\n")
            talus.wait_for(rf"node3 boot: came back as incarnation {incarnation} after")
        assert len(re.findall("node3 boot: node0, which does nothing, is not waited for", talus.console)) == 2
        assert "node3 watch: node0 works" not in talus.console[talus.console.index("incarnation 2"):]


def start_paddr(gdb):
    """Where a core begins that was reset, as boot knows it: in the image as it was loaded."""
    assert gdb.ask("Qqemu.PhyMemMode:1") == "OK"
    page = gdb.read(symbol_vaddr("page_number") - IMAGE_OFFSET, 1)
    assert gdb.ask("Qqemu.PhyMemMode:0") == "OK"
    assert page != 0
    return page << 12


def test_an_nmi_in_the_first_instructions_of_a_reset_core_is_not_the_machines_end(tmp_path):
    """Before the very first one; in real mode; and where CR0 says long mode and the IDT does not."""
    arguments = (f"{Gdb.qemu_args(tmp_path / 'gdb')} "
                 f"-qtest unix:{tmp_path / 'qtest'},server=on,wait=off -qtest-log none")
    with Network() as network, \
            Talus("--qemu-args", arguments, words="restart=always", network=network) as talus, \
            socket.socket(socket.AF_UNIX) as bus:
        bus.connect(str(tmp_path / "qtest"))
        answers = bus.makefile("r", encoding="ascii")
        for incarnation, offset in enumerate((0, BEHIND_LIDT, BEHIND_CR0), start=2):
            with Gdb(tmp_path / "gdb") as gdb:
                place = start_paddr(gdb) + offset
                assert gdb.ask(f"Z1,{place:x},1") == "OK"
                talus.type("fault reset 3\n")
                gdb.ask("c")
                bus.sendall(f"writel {MSI_ADDRESS + (3 << 12):#x} {DELIVER_NMI:#x}\n".encode())
                assert answers.readline() == "OK\n"
                assert gdb.ask(f"z1,{place:x},1") == "OK"
                gdb.ask("D")
            talus.wait_for(rf"node3 boot: came back as incarnation {incarnation} after")
            wait_until(lambda: ab(talus, "/4b", 50, concurrency=4).failed == 0, "all to serve",
                       talus.last_lines)
        assert talus.console.count("node0 boot: roles") == 1


def test_nodes_that_drain_are_called_back_and_lose_nothing():
    with Network() as network, \
            Talus(words="pika=TS2LS2CM2 app=httpd:2 drain=600", network=network) as talus:
        kept = [talus.connect() for _ in range(12)]
        for connection in kept:
            connection.sendall(REQUEST[:20])
        wait_until(lambda: sum(talus.counter("tcp_connections").values()) >= len(kept), "them to be open",
                   talus.last_lines)
        for node in (1, 3):
            talus.type(f"nodes -node{node}\n")
            talus.wait_for(f"node{node} drain: takes nothing new")
            assert ab(talus, "/4b", 200, concurrency=8).failed == 0
            talus.type(f"nodes +node{node}\n")
            talus.wait_for(f"node{node} drain: stays, after all")
        before = talus.counter("http_requests_total"), talus.counter("tcp_connections_accepted_total")

        def both_serve():
            assert ab(talus, "/4b", 200, concurrency=8).failed == 0
            return (talus.counter("http_requests_total")[3] > before[0][3]
                    and talus.counter("tcp_connections_accepted_total")[1] > before[1][1])

        wait_until(both_serve, "both to serve new connections", talus.last_lines)
        for connection in kept:
            connection.sendall(REQUEST[20:])
            assert connection.recv(12) == b"HTTP/1.1 200"
            connection.close()
        assert "asleep" not in talus.console and " is dead" not in talus.console
