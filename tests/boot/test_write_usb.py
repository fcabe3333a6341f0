# SPDX-License-Identifier: MIT
"""make usb: what is not an unused whole disk is refused, and nothing is written unasked."""

import os
import re
import subprocess

import pytest

IMAGE_BYTES = 3 << 20


@pytest.fixture
def stick(tmp_path):
    """A loop device as the stick, and the file behind it."""
    path = tmp_path / "stick"
    path.write_bytes(b"\xa5" * (8 << 20))
    done = subprocess.run(["losetup", "--find", "--show", path], capture_output=True, text=True,
                          check=True)
    device = done.stdout.strip()
    yield device, path
    subprocess.run(["losetup", "--detach", device], check=True)


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


def test_nothing_is_written_without_the_devices_name(boot_tool, stick, image):
    device, path = stick
    for answer in ("", "yes\n", "\n"):
        status, text = write_usb(boot_tool, image, device, answer=answer)
        assert status == 1 and "nothing written" in text
    assert path.read_bytes() == b"\xa5" * (8 << 20)


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
    os.truncate(large, 9 << 20)
    status, text = write_usb(boot_tool, large, device, answer=os.path.basename(device) + "\n")
    assert status == 1 and "too small" in text
