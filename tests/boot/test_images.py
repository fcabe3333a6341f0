# SPDX-License-Identifier: MIT
"""The images boot: by a BIOS and by UEFI, as CD, USB stick and disk, on small and large machines."""

import io
import re
import subprocess
import tarfile

import pytest

from harness import BUILD, Qmp, REPOSITORY, Talus, card, curl, wait_until

ENTRY_DOWN = "\x1b[B"
MENU = r"Press enter to boot"
MENU_SECONDS = 3600  # longer than a test waits for anything


def boot(kind, path, firmware="bios", machine="q35", cpu="max", mem="1G", *options, **others):
    """A machine that boots an image, with QEMU's user network as its wire."""
    return Talus("--image", f"{kind}={path}", "--firmware", firmware, "--machine", machine,
                 "--cpu", cpu, *options, kernel=None, mem=mem, **others)


# Each way to start once, and machines and cards spread over them. Hypervisors have the virtio card; theirs is
# by the distribution's QEMU.
@pytest.mark.parametrize("image, kind, firmware, machine, cpu, mem, model", [
    ("iso", "cd", "bios", "pc", "qemu64", "8G", "82599"),
    ("iso", "usb", "bios", "q35", "qemu64", "2G", "82599"),
    ("iso", "usb", "uefi", "q35", "qemu64", "4G", "82599"),
    ("disk", "disk", "bios", "pc", "max", "1G", "82599"),
    ("disk", "disk", "uefi", "q35", "max", "8G", "82599"),
    ("disk", "disk", "bios", "pc", "max", "1G", "virtio"),
    ("iso", "cd", "bios", "q35", "max", "2G", "virtio"),
    ("disk", "disk", "uefi", "pc", "max", "1G", "virtio"),
    ("iso", "cd", "uefi", "q35", "max", "1G", "virtio"),
])
def test_an_image_boots_four_nodes_and_serves(images, image, kind, firmware, machine, cpu, mem, model):
    options = card.VIRTIO_OPTIONS if model == "virtio" else card.FIRST_OPTIONS
    with boot(kind, images[image], firmware, machine, cpu, mem, *options) as talus:
        assert "started by GRUB" in talus.console
        assert "ignored" not in talus.console
        assert "error:" not in talus.console  # GRUB's
        assert re.search(rf"node0 ls: {model}.* at 0000:", talus.console)
        for node in range(4):
            talus.wait_for(rf"node{node} boot: roles ")
        # Once more than there are applications.
        for _ in range(3):
            assert b"Talus" in curl(talus, "/")
        assert talus.counter("node_up") == {node: 1 for node in range(4)}


# As boot/images/README.md has them, and what QEMU then boots. VirtualBox's is one that ours cannot read.
CONVERSIONS = re.findall(r"^ +(qemu-img convert .* build/talus\.img (talus\.\w+))$",
                         (REPOSITORY / "boot" / "images" / "README.md").read_text(encoding="utf-8"),
                         re.M)


@pytest.fixture(scope="module")
def converted(images, tmp_path_factory):
    """The disk in the formats that the README knows commands for: by the file's name."""
    folder = tmp_path_factory.mktemp("converted")
    (folder / "build").mkdir()
    (folder / "build" / "talus.img").symlink_to(images["disk"])
    for command, _ in CONVERSIONS:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return {name: folder / name for _, name in CONVERSIONS}


@pytest.mark.parametrize("name, firmware", [
    ("talus.qcow2", "bios"),
    ("talus.qcow2", "uefi"),
    ("talus.vmdk", "bios"),
    ("talus.vhdx", "bios"),
])
def test_a_converted_disk_boots_and_serves(converted, name, firmware):
    with boot("disk", converted[name], firmware) as talus:
        assert "started by GRUB" in talus.console
        assert b"Talus" in curl(talus, "/")


def test_every_converted_disk_holds_what_the_raw_one_does(images, converted):
    assert set(converted) == {"talus.qcow2", "talus.vmdk", "talus.vhdx", "talus.vdi"}
    for path in converted.values():
        subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", path.suffix[1:], images["disk"],
                        path], check=True, capture_output=True)


@pytest.fixture(scope="module")
def menu_iso(tmp_path_factory):
    """An ISO whose menu waits."""
    folder = tmp_path_factory.mktemp("menu")
    subprocess.run(["make", "iso", f"MENU={MENU_SECONDS}", f"ISO={folder}/menu.iso",
                    f"IMAGE_FILES={folder}/files"], cwd=REPOSITORY, check=True, capture_output=True)
    return folder / "menu.iso"


# The drive is slowed down, so that there is time to type after firmware that takes Esc for itself.
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
@pytest.mark.parametrize("keyboard", ["serial", "ps/2"])
def test_esc_brings_the_menu(images, tmp_path, firmware, keyboard):
    path = tmp_path / "qmp"
    talus = boot("cd", images["iso"], firmware, "q35", "max", "1G", "--qemu-args",
                 f"{Qmp.qemu_args(path)} -set drive.image.throttling.iops-total=200")
    talus.start(is_awaited=False)
    try:
        with Qmp(path) as qmp:
            if firmware == "uefi":
                talus.wait_for(r"BdsDxe: starting")

            def is_past_grub():
                if keyboard == "serial":
                    talus.type("\x1b")
                else:
                    qmp.run("send-key", keys=[{"type": "qcode", "data": "esc"}])
                return re.search(rf"{MENU}|Starting Talus", talus.console)

            wait_until(is_past_grub, "the menu or Talus", talus.last_lines, period_s=0.15)
        assert re.search(MENU, talus.console), talus.last_lines()
    finally:
        talus.stop()


def test_the_menu_comes_only_when_asked_for(images):
    with boot("cd", images["iso"]) as talus:
        assert "for the menu, hold Esc" in talus.console
        assert not re.search(MENU, talus.console)


def choose(talus, steps):
    """Walk down GRUB's menu on the serial port, and press Enter."""
    talus.wait_for(MENU)
    talus.type(ENTRY_DOWN * steps + "\r")


def test_the_menu_starts_a_single_node(menu_iso):
    talus = boot("cd", menu_iso)
    talus.start(is_awaited=False)
    try:
        choose(talus, 2)
        talus.wait_for(r"3 cores left out: nodes=1")
        talus.wait_for(r"listening on")
        assert len(curl(talus, "/4b")) == 4
    finally:
        talus.stop()


def test_the_menu_asks_for_the_memory_to_use(menu_iso):
    talus = boot("cd", menu_iso, mem="2G")
    talus.start(is_awaited=False)
    try:
        choose(talus, 3)
        talus.wait_for(r"Other \.\.\.")
        talus.type(ENTRY_DOWN * 3 + "\r")
        talus.wait_for(r"512M or 2G\): ")
        talus.type("640M\r")
        # What the channels take is part of it.
        talus.wait_for(r" 63\d MiB of memory for 4 nodes")
        talus.wait_for(r"listening on")
    finally:
        talus.stop()


def test_configuration_and_web_root_come_from_the_image(tmp_path, boot_tool):
    """Words from talus.cfg, a page from root.tar, and the known-good image from the menu's end."""
    files = tmp_path / "files"
    (files / "talus").mkdir(parents=True)
    (files / "boot" / "grub").mkdir(parents=True)
    menu = (REPOSITORY / "boot" / "images" / "grub.cfg").read_text(encoding="ascii")
    (files / "boot" / "grub" / "grub.cfg").write_text(f"set menu_seconds={MENU_SECONDS}\n{menu}")
    for name in ("talus.elf", "known-good.elf"):
        subprocess.run(["objcopy", "--strip-debug", BUILD / "talus.elf", files / "talus" / name],
                       check=True)
    (files / "talus" / "talus.cfg").write_text(
        "# two nodes\nnodes=2 # and no more\n\n\tapp=httpd:1\r\nlog=info")
    page = b"from the image\n"
    with tarfile.open(files / "talus" / "root.tar", "w") as archive:
        member = tarfile.TarInfo("own.txt")
        member.size = len(page)
        archive.addfile(member, io.BytesIO(page))
    iso = tmp_path / "own.iso"
    subprocess.run([boot_tool("make-iso"), files, iso], check=True, capture_output=True)

    talus = boot("cd", iso)
    talus.start(is_awaited=False)
    try:
        talus.wait_for(r"last passed the boot tests")
        choose(talus, 4)
        talus.wait_for(r"listening on")
        assert "command line: nodes=2 app=httpd:1 log=info" in talus.console
        assert "2 cores left out: nodes=2" in talus.console
        assert curl(talus, "/own.txt") == page
    finally:
        talus.stop()
