# SPDX-License-Identifier: MIT
"""BOOTX64.EFI under UEFI firmware: from disk, CD and TFTP server, and in want of a file."""

import re
import shutil
import subprocess

from harness import REPOSITORY, curl
from screen import Screen
from volume import MEBIBYTE, archive, lay_out, make_volume, pack_volume, uefi

STICK_BYTES = 64 * MEBIBYTE


def make_cd(tmp_path, volume):
    """A CD whose boot image is the volume: firmware lets nobody write to it."""
    folder = tmp_path / "cd"
    folder.mkdir()
    shutil.copyfile(volume, folder / "esp.img")
    cd = tmp_path / "cd.iso"
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", cd, "-eltorito-alt-boot",
                    "-e", "esp.img", "-no-emul-boot", folder], check=True, capture_output=True)
    return cd


def test_it_boots_four_nodes_and_serves(tmp_path, image):
    volume = make_volume(tmp_path, talus_elf=image)
    with uefi("disk", volume, "--qemu-args", Screen.qemu_args(tmp_path / "qmp")) as talus:
        assert "started by UEFI" in talus.console
        assert "ignored" not in talus.console
        for node in range(4):
            talus.wait_for(rf"node{node} boot: roles ")
        assert len(curl(talus, "/4b")) == 4
        assert talus.counter("node_up") == {node: 1 for node in range(4)}
        with Screen(tmp_path / "qmp") as screen:
            screen.wait_for(r"listening on http://")


def test_a_read_only_volume_gives_configuration_and_web_root(tmp_path, image):
    page = b"from the volume\n"
    words = b"# two nodes\r\nnodes=2 # and no more\r\n\tapp=httpd:1 log=info"
    volume = make_volume(tmp_path, talus_elf=image, talus_cfg=words,
                         root_tar=archive("own.txt", page))
    with uefi("cd", make_cd(tmp_path, volume)) as talus:
        assert "command line: nodes=2 app=httpd:1 log=info" in talus.console
        assert "2 cores left out: nodes=2" in talus.console
        assert curl(talus, "/own.txt") == page


def test_words_given_in_the_shell_win_over_those_of_the_file(tmp_path, image):
    files = tmp_path / "files"
    lay_out(files, talus_elf=image, talus_cfg=b"nodes=4\n")
    # Not where firmware looks by itself: it starts its shell, which obeys startup.nsh.
    (files / "EFI" / "BOOT" / "BOOTX64.EFI").rename(files / "EFI" / "talus" / "start.efi")
    (files / "startup.nsh").write_bytes(b"fs0:\\EFI\\talus\\start.efi nodes=1\r\n")
    with uefi("disk", pack_volume(tmp_path)) as talus:
        assert "command line: nodes=4 nodes=1\n" in talus.console
        assert "3 cores left out: nodes=1" in talus.console


def test_without_a_kernel_it_says_so_and_waits_for_a_key(tmp_path):
    fault = r"\\EFI\\talus\\talus.elf is not on the volume that this program was started from"
    machine = uefi("disk", make_volume(tmp_path))
    machine.start(is_awaited=False)
    try:
        machine.wait_for(rf"Talus cannot start: {fault}")
        machine.wait_for(r"Press a key to go back to the firmware\.")
        said = len(machine.console)
        machine.type(" ")
        # Whatever it does next: it goes on, and says so.
        machine.wait_for(r"\S", start=said)
    finally:
        machine.stop()


def stick_commands():
    """The commands by which the README makes a stick."""
    text = (REPOSITORY / "boot" / "uefi" / "README.md").read_text(encoding="utf-8")
    return "\n".join(re.search(r"(?:^    .*\n)+(?=\nWords of the boot entry)", text,
                               re.MULTILINE)[0].split("\n    "))


def test_a_stick_made_as_the_readme_says_boots(tmp_path):
    page = b"from the stick\n"
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "own.txt").write_bytes(page)
    for name in ("boot", "build"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    stick = tmp_path / "stick"
    with open(stick, "wb") as made:
        made.truncate(STICK_BYTES)
    device = subprocess.run(["losetup", "--find", "--show", "--partscan", stick], check=True,
                            capture_output=True, text=True).stdout.strip()
    try:
        commands = stick_commands().replace("/dev/sdX1", f"{device}p1").replace("/dev/sdX", device)
        # Of a stick the kernel looks at the new partitions by itself.
        commands = commands.replace("\nmkfs", f"\npartx --update {device}\nmkfs", 1)
        subprocess.run(["sh", "-ex"], input=commands, cwd=tmp_path, check=True, text=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    with uefi("usb", stick) as talus:
        assert "started by UEFI" in talus.console
        assert curl(talus, "/own.txt") == page


def test_a_tftp_server_gives_what_a_volume_would(tmp_path, image):
    """PXE over a NIC that firmware has a driver for; then Talus serves over its own."""
    lay_out(tmp_path / "files", talus_elf=image, talus_cfg=b"nodes=2\n")
    blank = tmp_path / "blank.img"
    blank.write_bytes(bytes(MEBIBYTE))
    network = (f"-netdev user,id=boot,net=10.0.3.0/24,tftp={tmp_path / 'files'},"
               "bootfile=EFI/BOOT/BOOTX64.EFI "
               "-device virtio-net-pci,netdev=boot,romfile=,bootindex=1")
    with uefi("disk", blank, f"--qemu-args={network}") as talus:
        assert "command line: nodes=2" in talus.console
        assert "started by UEFI" in talus.console
        assert len(curl(talus, "/4b")) == 4
