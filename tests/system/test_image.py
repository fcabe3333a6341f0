# SPDX-License-Identifier: MIT
"""The kernel image as a loader sees it."""

import re
import struct
import subprocess

import pytest

from harness import KERNEL

pytestmark = pytest.mark.same_on_any_card("the file alone")

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


def variables_of(folder):
    """(name, address, size) of each variable whose source is in that folder, by the debug information.

    One is described where its source was compiled, and, by reference, where the link put it.
    """
    dies, unit, die = {}, {}, {}
    for line in readelf("--debug-dump=info").splitlines():
        if start := re.match(r" <[0-9a-f]+><([0-9a-f]+)>: .*\(DW_TAG_(\w+)\)", line):
            die = dies[start[1]] = {}
            unit = die if start[2] == "compile_unit" else unit
            die["unit"] = unit
        elif word := re.search(r"DW_AT_name\b.*?([^\s:]+)$", line):
            die["name"] = word[1]
        elif word := re.search(r"DW_AT_abstract_origin\s*:.*<0x([0-9a-f]+)>", line):
            die["origin"] = word[1]
        elif word := re.search(r"DW_OP_addr: ([0-9a-f]{16})", line):
            die["address"] = int(word[1], 16)
    sizes = {int(address, 16): int(size, 0) for address, size in
             re.findall(r"^ *\d+: ([0-9a-f]{16}) +(\w+) OBJECT", readelf("--symbols"), re.M)}
    for die in dies.values():
        source = dies.get(die.get("origin"), die)
        if "address" in die and source["unit"].get("name", "").startswith(folder):
            yield source["name"], die["address"], sizes.get(die["address"], 0)


def test_tables_of_boot_lie_outside_what_each_node_has_a_copy_of():
    """The linker cannot tell whose they are, as all objects are optimised as one."""
    variables = list(variables_of("boot/"))
    start, end = symbol("data_start"), symbol("image_end")
    copied = {name: size for name, address, size in variables if start <= address < end}
    outside = {name: size for name, address, size in variables if address >= end}
    assert sum(copied.values()) < 1024, copied
    assert sum(outside.values()) > 128 * 1024, outside


def bytes_between(start, end):
    """What the image has at these addresses."""
    rows = re.findall(r"^ +LOAD +0x(\S+) 0x(\S+) 0x\S+ 0x(\S+)", readelf("--segments"), re.M)
    offset, vaddr = next((int(offset, 16), int(vaddr, 16)) for offset, vaddr, size in rows
                         if int(vaddr, 16) <= start and end <= int(vaddr, 16) + int(size, 16))
    content = KERNEL.read_bytes()
    return content[offset + start - vaddr:offset + end - vaddr]


def test_each_address_in_the_image_is_in_the_table_of_relocations():
    """Of 64 bits, in data; and what the table lists of text are addresses of the image."""
    table = bytes_between(symbol("relocations_start"), symbol("relocations_end"))
    entries = {entry[0] & 0x7FFFFFFF: bool(entry[0] >> 31) for entry in struct.iter_unpack("<I", table)}
    image_start, image_end = symbol("image_start"), symbol("image_end")
    for part in ("rodata", "data"):
        start, end = symbol(f"{part}_start"), symbol(f"{part}_end")
        places = [start - image_start + index * 8 for index, word
                  in enumerate(struct.iter_unpack("<Q", bytes_between(start, end - (end - start) % 8)))
                  if image_start <= word[0] < image_end]
        assert len(places) > 50
        assert [place for place in places if not entries.get(place)] == []
    text_end, loaded_end = symbol("text_end"), symbol("loaded_end")
    text = bytes_between(image_start, text_end)
    words = [struct.unpack_from("<i", text, place)[0] & 0xFFFFFFFFFFFFFFFF
             for place, is_wide in entries.items() if place < text_end - image_start and not is_wide]
    assert len(words) > 3000
    assert [hex(word) for word in words if not image_start - 65536 <= word < loaded_end + 65536] == []
