# SPDX-License-Identifier: MIT
"""The kernel image as a loader sees it."""

import re
import subprocess

import pytest

from harness import KERNEL

PAGE_BYTES = 4096


def readelf(*words):
    return subprocess.run(["readelf", "--wide", *words, KERNEL], check=True, capture_output=True,
                          text=True).stdout


def symbol(name):
    match = re.search(rf"^ *\d+: ([0-9a-f]{{16}}) .* {name}$", readelf("--symbols"), re.M)
    return int(match[1], 16)


def segments():
    """(virtual address, physical address, bytes in memory, flags) of what is loaded."""
    rows = re.findall(r"^ +LOAD +0x\S+ 0x(\S+) 0x(\S+) 0x\S+ 0x(\S+) (.{3})", readelf("--segments"),
                      re.M)
    return [(int(vaddr, 16), int(paddr, 16), int(size, 16), flags.strip())
            for vaddr, paddr, size, flags in rows]


def test_the_pvh_note_names_the_entry():
    """Owner Xen, type 18, four bytes: the physical address of the 32-bit entry."""
    note = re.search(r"^ +Xen +0x(\S+)\s+Unknown note type: \(0x00000012\)\s+description data: (.*)$",
                     readelf("--notes"), re.M)
    assert note, readelf("--notes")
    data = bytes.fromhex(note[2].replace(" ", ""))
    assert len(data) == 4
    entry = symbol("pvh_entry")
    vaddr, paddr, size, _ = segments()[0]
    assert vaddr <= entry < vaddr + size
    assert int.from_bytes(data, "little") == entry - vaddr + paddr


def test_no_part_of_the_image_is_writable_and_executable():
    assert {flags for _, _, _, flags in segments()} == {"R E", "R", "RW"}


@pytest.mark.parametrize("name", ["image_start", "rodata_start", "data_start", "image_end"])
def test_parts_with_other_rights_start_a_page(name):
    assert symbol(name) % PAGE_BYTES == 0


def test_no_multiboot_1_magic_keeps_qemu_from_the_pvh_entry():
    """QEMU looks for that first, and then refuses the 64-bit file."""
    magic = (0x1BADB002).to_bytes(4, "little")
    assert magic not in KERNEL.read_bytes()[:8192]
