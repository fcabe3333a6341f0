# SPDX-License-Identifier: MIT
"""The framebuffer console: what is on the screen is what the log says, character by character."""

import contextlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Talus, curl, wait_until
from screen import Screen


@contextlib.contextmanager
def booted(images, tmp_path, firmware="bios", options=()):
    path = tmp_path / "qmp"
    with Talus("--image", f"cd={images['iso']}", "--firmware", firmware, *options,
               "--qemu-args", Screen.qemu_args(path), kernel=None, mem="1G") as talus:
        with Screen(path) as screen:
            yield talus, screen


def log_lines(text):
    return [line.rstrip() for line in text.splitlines()
            if re.match(r"\[ *\d+\.\d{6}\] node\d+ ", line)]


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_the_screen_shows_the_log_and_the_status(images, tmp_path, firmware):
    with booted(images, tmp_path, firmware) as (talus, screen):
        talus.wait_for(r"node3 boot: roles ")
        screen.wait_for(r"listening on http://")
        screen.wait_for(r"10\.0\.2\.15/24 \|")

        def is_the_log(rows):
            rows = [row.rstrip() for row in rows]
            lines = log_lines(talus.console)
            return (rows[:len(lines)] == lines and set(rows[len(lines):-1]) == {""} and
                    rows[-1] == " Talus | 10.0.2.15/24 | TS2LS2CM2 httpd:2 | 0 requests/s")

        screen.wait_until(is_the_log, "the log, line by line, and the status")


def test_the_status_follows_the_requests_and_then_rests(images, tmp_path):
    with booted(images, tmp_path) as (talus, screen):
        is_seen = threading.Event()

        def fetch_until_seen():
            while not is_seen.is_set():
                assert len(curl(talus, "/4b")) == 4

        with ThreadPoolExecutor() as threads:
            load = threads.submit(fetch_until_seen)
            try:
                screen.wait_for(r"\| [1-9]\d* requests/s, node2 ")
            finally:
                is_seen.set()
            load.result()
        screen.wait_for(r"\| 0 requests/s, node2 0, node3 0 *$")
        screen.wait_until_at_rest()


def type_slowly(talus, screen, keys):
    """Key by key, each echoed before the next: a keyboard holds no more than sixteen bytes."""
    for key in keys:
        start = len(talus.console)
        screen.type(key)
        wait_until(lambda: len(talus.console) > start, f"the echo of {key!r}", talus.last_lines)


def ask(talus, screen, keys, answer):
    """Type on the machine's own keyboard; what the serial port shows of it, as the screen does."""
    start = len(talus.console)
    type_slowly(talus, screen, keys + "\n")
    return talus.wait_for(answer, start)


def test_the_keyboard_gives_the_monitor(images, tmp_path):
    """Every command that leaves the machine running."""
    with booted(images, tmp_path) as (talus, screen):
        ask(talus, screen, "nodes", r"(?s)^nodes\nnode0 +running.*node3 +running.*httpd\n")
        screen.wait_for(r"^node3  running ")
        ask(talus, screen, "help", r"(?s)^help\nhelp .*^reboot +\w")
        screen.wait_for(r"^reboot +start the machine again")
        assert len(curl(talus, "/4b")) == 4
        ask(talus, screen, "net", r"(?s)^net\nnode0 +address 10\.0\.2\.15/24, gateway 10\.0\.2\.2\n"
            r"node0 +link up, 10000 Mbit/s, MAC 52:.*node1 +refused \d")
        ask(talus, screen, "conns", r"(?s)^conns\nnode0 +\d+ open, .*node1 +\d+ open, ")
        ask(talus, screen, "balance", r"(?s)^balance\nscheme: .*node\d +application: ")
        ask(talus, screen, "log debug,ls=info", r"log=debug,ls=info on all nodes")
        screen.wait_for(r"^log=debug,ls=info on all nodes")
        ask(talus, screen, "crash 3", r"node3 panic: node 3 halted")
        screen.wait_for(r"node3 panic: node 3 halted")
        talus.wait_for("node3 is dead")
        talus.wait_for("node3 boot: came back as incarnation 2")
        ask(talus, screen, "nodes", r"node2 +running(.*\n)+node3 +running ")


def test_keys_without_sense_are_answered(images, tmp_path):
    with booted(images, tmp_path) as (talus, screen):
        ask(talus, screen, "Nodes?", r"^Nodes\?\n`Nodes\?` is no command")
        ask(talus, screen, "nodex\bs", r"^node3 +running ")
        type_slowly(talus, screen, "x" * 79)
        screen.type("x" * 21)  # no echo: the line is full
        ask(talus, screen, "", r"`x{79}` is no command")
        for key in ("f1", "esc", "up", "delete", "insert", "caps_lock"):
            screen.press(key)
            type_slowly(talus, screen, "x\b")  # it has been taken
        ask(talus, screen, "help", r"`HELP` is no command")
        assert len(curl(talus, "/4b")) == 4


def test_the_keyboard_switches_off(images, tmp_path):
    with booted(images, tmp_path) as (talus, screen):
        type_slowly(talus, screen, "poweroff\n")
        talus.wait_for("node0 power: off")
        assert talus.wait() == 0


def test_the_keyboard_resets(images, tmp_path):
    """The launcher's QEMU ends at a reset."""
    with booted(images, tmp_path) as (talus, screen):
        type_slowly(talus, screen, "reboot\n")
        talus.wait_for("node0 power: reset")
        assert talus.wait() == 0


def test_without_a_keyboard_controller_the_rest_works(images, tmp_path):
    """QEMU says so in the FADT, too: nothing is looked for."""
    with booted(images, tmp_path, options=("--machine", "q35,i8042=off")) as (talus, screen):
        screen.wait_for(r"listening on http://")
        talus.type("nodes\n")
        talus.wait_for(r"node3 +running")


def test_what_scrolls_by_too_fast_still_ends_right(images, tmp_path):
    with booted(images, tmp_path) as (talus, screen):
        for _ in range(20):
            talus.type("help\n")
        talus.type("no such command\n")
        talus.wait_for(r"`no` is no command")
        screen.wait_for(r"^`no` is no command")

        def are_the_last_lines(rows):
            height = len(rows) - 2  # the status, and the cursor's empty row
            return ([row.rstrip() for row in rows[:height]] ==
                    [line.rstrip() for line in talus.console.splitlines()[-height:]])

        screen.wait_until(are_the_last_lines, "the log's last lines")


def test_the_next_node_takes_over_screen_and_keyboard(images, tmp_path):
    with booted(images, tmp_path) as (talus, screen):
        talus.type("crash 0\n")
        talus.wait_for(r"node1 dispatch: node0 is dead")
        # What the dead node has shown stands there still, or again.
        screen.wait_for(r"node0 panic: node 0 halted")
        rows = screen.wait_for(r"node1 dispatch: node0 is dead")
        assert any("page fault: read of address" in row for row in rows)
        # It comes back, and leaves both where they are.
        talus.wait_for(r"node0 boot: came back as incarnation 2")
        ask(talus, screen, "nodes", r"(?s)^nodes\nnode0 +running .*node3 +running.*httpd\n")
        screen.wait_for(r"^node3  running ")
        screen.wait_for(r"^ Talus \| .* \| TS2LS2CM2 httpd:2 \| ")
        screen.wait_until_at_rest()
