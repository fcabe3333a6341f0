# SPDX-License-Identifier: MIT
"""Every mode that a loader can leave the screen in shows the log, character by character."""

import re

import pytest

from grub_machine import grub_machine
from harness import curl
from screen import Screen

# Enough for 3840 x 2160 pixels of four bytes.
VGA = "-global VGA.vgamem_mb=64"
BURST = "log " + ",".join("x" * 28) + "\n"


def booted(tmp_path, mode, firmware="bios"):
    path = tmp_path / "qmp"
    driver = {"bios": "vbe", "uefi": "efi_gop"}[firmware]
    talus = grub_machine(tmp_path, f"insmod {driver}", "--qemu-args",
                         f"{VGA} {Screen.qemu_args(path)}", mode=mode, words="net=dhcp",
                         firmware=firmware, mem="1G")
    return talus, path


def size_of(mode):
    return tuple(map(int, mode.split("x")[:2]))


def log_lines(text, columns):
    """The log's lines as rows: longer ones go on in the next. GRUB's escapes come before."""
    lines = re.findall(r"\[ *\d+\.\d{6}\] node\d+ .*", text)
    return [line[start:start + columns].rstrip()
            for line in lines for start in range(0, len(line), columns)]


@pytest.mark.parametrize("mode, firmware, scale", [
    ("800x600x15", "bios", 1),
    ("1024x768x16", "bios", 1),
    ("1024x768x24", "bios", 1),
    ("1920x1080x32", "bios", 1),
    ("3840x2160x32", "bios", 2),
    ("800x600x32", "uefi", 1),
    ("3840x2160x32", "uefi", 2),
])
def test_the_screen_shows_the_log(tmp_path, mode, firmware, scale):
    talus, path = booted(tmp_path, mode, firmware)
    with talus, Screen(path) as screen:
        columns, height = (size // (cell * scale)
                           for size, cell in zip(size_of(mode), (8, 16)))
        talus.wait_for(r"listening on http://")
        talus.wait_for(r"node3 boot: roles ")
        assert screen.size() == size_of(mode)
        screen.wait_for(r"listening on http://")
        screen.wait_for(r"10\.0\.2\.15/24 \|")

        def is_the_log(rows):
            lines = log_lines(talus.console, columns)[-(height - 2):]
            return [row.rstrip() for row in rows[:len(lines)]] == lines

        rows = [row.rstrip() for row in screen.wait_until(is_the_log, "the log's last lines")]
        assert len(rows) == height
        status = " Talus | 10.0.2.15/24 | TS2LS2CM2 httpd:2 | 0 requests/s"
        assert rows[-1] == status[:columns]


def test_a_burst_of_log_at_4k_holds_nobody_and_ends_right(tmp_path):
    """The log scrolls faster than 16,000 cells are drawn; meanwhile every request is answered."""
    talus, path = booted(tmp_path, "3840x2160x32")
    # Of what is typed, the part that stood there when a line of the log came between is whole, too.
    whole = re.compile(r"\[ *\d+\.\d{6}\] node0 log: log=: ignored `x`: levels are error, warning, "
                       r"info, debug; time|\[.* lines dropped: the serial .*|`no` .*|"
                       r"l?|lo|log( [x,]*)?|n|no( .*)?")
    with talus, Screen(path) as screen:
        screen.wait_for(r"listening on http://")
        for _ in range(20):
            talus.type(5 * BURST)
            assert len(curl(talus, "/4b")) == 4
        talus.type("no such command\n")
        screen.wait_for(r"^`no` is no command")
        screen.wait_until(lambda rows: all(whole.fullmatch(row.rstrip()) for row in rows[:-1]),
                          "whole lines")
