# SPDX-License-Identifier: MIT
"""make usb: what is not an unused whole disk is refused, and nothing is written unasked."""

import contextlib
import importlib.machinery
import importlib.util
import os
import re
import subprocess

import pytest

from harness import REPOSITORY, Talus, curl

IMAGE_BYTES = 3 << 20
STICK_BYTES = 8 << 20


def run(*command, **options):
    return subprocess.run([os.fspath(word) for word in command], capture_output=True, text=True,
                          check=True, **options).stdout.strip()


@contextlib.contextmanager
def loop_device(path, *options):
    device = run("losetup", "--find", "--show", *options, path)
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


@pytest.fixture
def stick(tmp_path):
    """A loop device as the stick, and the file behind it."""
    path = tmp_path / "stick"
    path.write_bytes(b"\xa5" * STICK_BYTES)
    with loop_device(path) as device:
        yield device, path


@pytest.fixture
def partition(stick):
    """The first partition of the stick."""
    device, _ = stick
    run("sfdisk", "--quiet", device, input="label: gpt\nstart=2048\n")
    # sfdisk asks the kernel to look, which does so for a loop device only when told twice.
    run("partx", "--update", device)
    yield f"{device}p1"
    run("partx", "--delete", device)


@contextlib.contextmanager
def mounted(device, folder):
    folder.mkdir()
    run("mkfs.ext4", "-q", "-F", device)
    run("mount", "-t", "ext4", device, folder)
    try:
        yield
    finally:
        run("umount", folder)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(os.urandom(IMAGE_BYTES))
    return path


def write_usb(boot_tool, *words, answer=""):
    done = subprocess.run([boot_tool("write-usb"), *map(os.fspath, words)], input=answer,
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def system_disk():
    done = subprocess.run(["findmnt", "--noheadings", "--nofsroot", "--output", "SOURCE", "/"],
                          capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("device, why", [
    ("", "no device given"),
    ("/dev/no-such-device", "no such file"),
    ("/dev/null", "no block device"),
    ("/etc/passwd", "no block device"),
])
def test_what_is_no_disk_is_refused(boot_tool, device, why):
    status, text = write_usb(boot_tool, "--check", device)
    assert status == 1 and why in text


def test_the_system_disk_is_refused(boot_tool):
    disk = system_disk()
    if not disk.startswith("/dev/"):
        disk = os.path.realpath(f"/dev/block/{os.major(os.stat('/').st_dev)}:"
                                f"{os.minor(os.stat('/').st_dev)}")
    status, text = write_usb(boot_tool, "--check", disk)
    assert status == 1
    assert re.search("carries the running system|in use at|give the whole disk|does not know", text)


def test_a_partition_is_refused(boot_tool, partition):
    status, text = write_usb(boot_tool, "--check", partition)
    assert status == 1 and "is a part; give the whole disk" in text


def test_a_mounted_disk_is_refused(boot_tool, stick, tmp_path):
    device, _ = stick
    with mounted(device, tmp_path / "mount"):
        status, text = write_usb(boot_tool, "--check", device)
    assert status == 1 and f"{device} is in use at {tmp_path / 'mount'}; unmount it first" in text


def test_a_disk_with_a_mounted_partition_is_refused(boot_tool, stick, partition, tmp_path):
    device, _ = stick
    with mounted(partition, tmp_path / "mount"):
        status, text = write_usb(boot_tool, "--check", device)
    assert status == 1 and f"{partition} is in use at {tmp_path / 'mount'}" in text


def test_swap_is_refused(boot_tool, stick):
    device, _ = stick
    run("mkswap", device)
    run("swapon", device)
    try:
        status, text = write_usb(boot_tool, "--check", device)
    finally:
        run("swapoff", device)
    assert status == 1 and f"{device} is in use at [SWAP]" in text


def test_what_others_have_mounted_is_left_alone(boot_tool, stick, image, tmp_path):
    """Mounted where this process cannot see it: the kernel still knows."""
    device, path = stick
    run("mkfs.ext4", "-q", "-F", device)
    (tmp_path / "mount").mkdir()
    before = path.read_bytes()
    script = 'mount -t ext4 -o ro "$1" "$2" && echo mounted && read -r line'
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", script, "sh", device,
                           tmp_path / "mount"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as other:
        assert other.stdout.readline() == "mounted\n"
        status, text = write_usb(boot_tool, image, device, answer=os.path.basename(device) + "\n")
        other.stdin.close()
    assert status == 1 and "in use by a file system, RAID, LVM or swap" in text
    assert path.read_bytes() == before


def test_a_write_protected_stick_is_refused(boot_tool, tmp_path):
    path = tmp_path / "stick"
    path.write_bytes(bytes(STICK_BYTES))
    with loop_device(path, "--read-only") as device:
        status, text = write_usb(boot_tool, "--check", device)
    assert status == 1 and "is write-protected" in text


def test_nothing_is_written_without_the_devices_name(boot_tool, stick, image):
    device, path = stick
    for answer in ("", "yes\n", "\n", device + "0\n"):
        status, text = write_usb(boot_tool, image, device, answer=answer)
        assert status == 1 and "nothing written" in text
    assert path.read_bytes() == b"\xa5" * STICK_BYTES


def test_the_image_is_written_and_nothing_beyond_it(boot_tool, stick, image):
    device, path = stick
    status, text = write_usb(boot_tool, image, device, answer=os.path.basename(device) + "\n")
    assert status == 0, text
    written = path.read_bytes()
    assert written[:IMAGE_BYTES] == image.read_bytes()
    assert set(written[IMAGE_BYTES:]) == {0xA5}


def test_a_stick_that_is_too_small_is_refused(boot_tool, stick, tmp_path):
    device, _ = stick
    large = tmp_path / "large"
    large.write_bytes(b"")
    os.truncate(large, STICK_BYTES + 1)
    status, text = write_usb(boot_tool, large, device, answer=os.path.basename(device) + "\n")
    assert status == 1 and "too small" in text


def test_a_stick_that_does_not_keep_what_was_written_is_named(boot_tool, stick, image,
                                                              monkeypatch, capsys):
    device, path = stick
    loader = importlib.machinery.SourceFileLoader("write_usb", boot_tool("write-usb"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("write_usb", loader))
    loader.exec_module(module)
    synchronise = os.fsync

    def synchronise_and_lose(descriptor):
        synchronise(descriptor)
        os.pwrite(descriptor, b"lost", IMAGE_BYTES - 4)

    monkeypatch.setattr(os, "fsync", synchronise_and_lose)
    monkeypatch.setattr("builtins.input", lambda _: os.path.basename(device))
    with pytest.raises(SystemExit) as ended:
        module.main([os.fspath(image), device])
    assert f"{device} does not hold what was written" in ended.value.code
    assert "boots Talus now" not in capsys.readouterr().out


def test_make_usb_asks_nothing_and_builds_nothing_for_what_is_no_disk(images):
    before = images["iso"].stat().st_mtime_ns
    done = subprocess.run(["make", "-C", REPOSITORY, "usb", "DEV=/dev/null"], capture_output=True,
                          text=True, check=False)
    assert done.returncode != 0 and "/dev/null is no block device" in done.stderr
    assert images["iso"].stat().st_mtime_ns == before


def test_a_stick_so_written_boots(boot_tool, images, tmp_path):
    path = tmp_path / "stick"
    with open(path, "wb") as made:
        made.truncate(images["iso"].stat().st_size + STICK_BYTES)
    with loop_device(path) as device:
        status, text = write_usb(boot_tool, images["iso"], device,
                                 answer=os.path.basename(device) + "\n")
        assert status == 0 and f"{device} boots Talus now." in text
    with Talus("--image", f"usb={path}", kernel=None, mem="1G") as talus:
        assert len(curl(talus, "/4b")) == 4
