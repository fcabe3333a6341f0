# SPDX-License-Identifier: MIT
"""Machines that GRUB has changed before it starts Talus.

GRUB writes configuration space (setpci), replaces ACPI tables (acpi), and cuts memory out of the
map: what firmware of other machines does, or fails to do, can be shown on one that is at hand.
"""

import shutil
import subprocess

from harness import BUILD, REPOSITORY, Talus

MODULES = ["acpi", "lsacpi", "lspci", "memrw", "mmap", "setpci"]

SCRIPT = """\
set timeout=0
if serial --unit=0 --speed=115200; then
    terminal_input serial
    terminal_output serial
fi
{commands}
multiboot2 /talus/talus.elf {words}
module2 /talus/root.tar root.tar
{mode}
boot
"""


def make_grub_iso(folder, commands="", words="", files=None, mode=None):
    """An ISO in `folder` (a pathlib.Path) whose GRUB runs `commands` and then starts Talus.

    commands  lines of GRUB's script
    words     Talus' command line
    mode      of the screen, "3840x2160x32"; None: what GRUB and the firmware choose
    files     content (bytes) by path in the image, such as {"talus/apic.bin": table}, which the
              commands read as /talus/apic.bin
    """
    tree = folder / "grub-image"
    (tree / "boot" / "grub").mkdir(parents=True)
    (tree / "talus").mkdir()
    for name in ("talus.elf", "root.tar"):
        shutil.copy(BUILD / "image-files" / "talus" / name, tree / "talus" / name)
    (tree / "boot" / "grub" / "grub.cfg").write_text(
        SCRIPT.format(commands=commands, words=words,
                      # The command multiboot2 sets it to what the image asks for.
                      mode=f"set gfxpayload={mode}" if mode else ""))
    for name, content in (files or {}).items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    iso = folder / "grub.iso"
    subprocess.run([REPOSITORY / "boot" / "images" / "make-iso", tree, iso, *MODULES], check=True,
                   capture_output=True)
    return iso


def grub_machine(folder, commands="", *options, words="", files=None, mode=None, firmware="bios",
                 machine="q35", **others):
    """A Talus that boots such an ISO as a CD; `with` starts it, as any other.

    options, others  of the harness' Talus: "--cpu", "max", smp=4, mem="1G", network=...; with a
                     network, words must hold its talus_words
    """
    iso = make_grub_iso(folder, commands, words, files, mode)
    return Talus("--image", f"cd={iso}", "--firmware", firmware, "--machine", machine, *options,
                 kernel=None, **others)
