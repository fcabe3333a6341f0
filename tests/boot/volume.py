# SPDX-License-Identifier: MIT
"""Volumes and web servers' folders with BOOTX64.EFI and what it loads."""

import io
import shutil
import subprocess
import tarfile

from harness import BUILD, Talus

APPLICATION = BUILD / "BOOTX64.EFI"
MEBIBYTE = 1 << 20
ESP_BYTES = 16 * MEBIBYTE


def lay_out(folder, **files):
    """The application and its files as they lie on a volume: a name's last _ is its dot."""
    (folder / "EFI" / "BOOT").mkdir(parents=True)
    (folder / "EFI" / "talus").mkdir()
    shutil.copyfile(APPLICATION, folder / "EFI" / "BOOT" / "BOOTX64.EFI")
    for name, content in files.items():
        (folder / "EFI" / "talus" / name.replace("_", ".")).write_bytes(content)


def make_volume(tmp_path, **files):
    """A FAT volume with the application and its files."""
    lay_out(tmp_path / "files", **files)
    return pack_volume(tmp_path)


def pack_volume(tmp_path, volume_bytes=ESP_BYTES):
    volume = tmp_path / "esp.img"
    with open(volume, "wb") as made:
        made.truncate(volume_bytes)
    subprocess.run(["mformat", "-i", volume, "::"], check=True)
    subprocess.run(["mcopy", "-i", volume, "-s", *(tmp_path / "files").iterdir(), "::/"],
                   check=True)
    return volume


def archive(name, page):
    """A web root with one page."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as root:
        member = tarfile.TarInfo(name)
        member.size = len(page)
        root.addfile(member, io.BytesIO(page))
    return packed.getvalue()


def uefi(kind, path, *options, **others):
    return Talus("--image", f"{kind}={path}", "--firmware", "uefi", *options, kernel=None,
                 **{"mem": "1G", **others})
