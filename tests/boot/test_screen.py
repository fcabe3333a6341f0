# SPDX-License-Identifier: MIT
"""The framebuffer console: what is on the screen is what the log says, character by character."""

import contextlib
import re
import time

import pytest

from harness import Talus, curl
from screen import Screen

WATCH_S = 5


@contextlib.contextmanager
def booted(images, tmp_path, firmware="bios"):
    path = tmp_path / "qmp"
    with Talus("--image", f"cd={images['iso']}", "--firmware", firmware,
               "--qemu-args", Screen.qemu_args(path), kernel=None, mem="1G") as talus:
        with Screen(path) as screen:
            yield talus, screen


def log_lines(text):
    return [line.rstrip() for line in text.splitlines()
            if re.match(r"\[ *\d+\.\d{6}\] node\d+ ", line)]


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_the_screen_shows_the_log_and_the_status(images, tmp_path, firmware):
    with booted(images, tmp_path, firmware) as (talus, screen):
        talus.wait_for(r"node3 boot: roles ", 10)
        screen.wait_for(r"listening on http://")
        screen.wait_for(r"10\.0\.2\.15/24 \|")
        time.sleep(0.5)  # no line follows
        rows = [row.rstrip() for row in screen.rows()]
        lines = log_lines(talus.console)
        assert rows[:len(lines)] == lines
        assert rows[-1] == " Talus | 10.0.2.15/24 | TS2LS2CM2 httpd:2 | 0 requests/s"
        assert set(rows[len(lines):-1]) == {""}


def test_the_status_follows_the_requests_and_then_rests(images, tmp_path):
    with booted(images, tmp_path) as (talus, screen):
        deadline_s = time.monotonic() + 3
        while time.monotonic() < deadline_s:
            assert len(curl(talus, "/4b")) == 4
        screen.wait_for(r"\| [1-9]\d* requests/s, node2 ")
        screen.wait_for(r"\| 0 requests/s, node2 0, node3 0 *$")
        before_s = talus.host_cpu_s()
        time.sleep(WATCH_S)
        assert talus.host_cpu_s() - before_s < WATCH_S / 10


def test_the_keyboard_gives_the_monitor(images, tmp_path):
    with booted(images, tmp_path) as (talus, screen):
        screen.press("n", "o", "d", "e", "s", "ret")
        talus.wait_for(r"(?s)^nodes\nnode0 +running.*node3 +running.*httpd\n", 10)
        screen.wait_for(r"^node3  running ")


def test_what_scrolls_by_too_fast_still_ends_right(images, tmp_path):
    with booted(images, tmp_path) as (talus, screen):
        for _ in range(20):
            talus.type("help\n")
        talus.type("no such command\n")
        talus.wait_for(r"`no` is no command", 20)
        screen.wait_for(r"^`no` is no command")
        time.sleep(0.5)  # the other rows: they are drawn in turn
        rows = [row.rstrip() for row in screen.rows()]
        height = len(rows) - 2  # the status, and the cursor's empty row
        assert rows[:height] == [line.rstrip() for line in talus.console.splitlines()[-height:]]


def test_a_panic_of_the_screens_own_node_is_on_the_screen(images, tmp_path):
    with booted(images, tmp_path) as (talus, screen):
        talus.type("crash 0\n")
        # The next node goes on with the serial port alone.
        talus.wait_for(r"node1 dispatch: node0 is dead", 20)
        rows = screen.wait_for(r"node0 panic: node 0 halted")
        assert any("exception 14 (page fault)" in row for row in rows)
