# SPDX-License-Identifier: MIT
"""BOOTX64.EFI on firmware that a program before it has changed, and on volumes that are broken.

Machines that are to fail run all at once: each mostly waits.
"""

import contextlib
import shutil
import struct
import subprocess

import pytest

from harness import BUILD, REPOSITORY, Qmp, curl
from screen import Screen
from volume import APPLICATION, lay_out, make_volume, pack_volume, uefi

FILE = r"\\EFI\\talus\\talus.elf"


@pytest.fixture(scope="module")
def changes():
    """The program of firmware_changes.c."""
    path = BUILD / "firmware_changes.efi"
    subprocess.run(["make", path.relative_to(REPOSITORY)], cwd=REPOSITORY, check=True,
                   capture_output=True)
    return path


def changed_volume(folder, changes, word, image):
    """Firmware starts the changes, and these the application."""
    lay_out(folder / "files", talus_elf=image, start_efi=APPLICATION.read_bytes(),
            changes_cfg=word.encode())
    shutil.copyfile(changes, folder / "files" / "EFI" / "BOOT" / "BOOTX64.EFI")
    return pack_volume(folder)


def test_firmware_that_is_in_the_way_at_every_step_still_starts_four_nodes(tmp_path, changes, image):
    """Its data lies where the image belongs, its map changes at the last moment (the key has to be
    read again), and only itself can draw on the screen."""
    volume = changed_volume(tmp_path, changes, "occupied stale-key blt-only", image)
    with uefi("disk", volume) as talus:
        assert "occupied\n" in talus.console
        assert "Talus: no screen that it can draw on, going on with the serial port" in talus.console
        assert "stale key\nboot services left\n" in talus.console
        assert len(curl(talus, "/4b")) == 4
        assert talus.counter("node_up") == {node: 1 for node in range(4)}


def test_without_a_screen_there_is_the_serial_port(tmp_path, image):
    with uefi("disk", make_volume(tmp_path, talus_elf=image), "--qemu-args=-vga none") as talus:
        assert "Talus: no screen that it can draw on, going on with the serial port" in talus.console
        assert len(curl(talus, "/4b")) == 4


def test_a_4k_screen_shows_the_log(tmp_path, changes, image):
    path = tmp_path / "qmp"
    with uefi("disk", changed_volume(tmp_path, changes, "large-screen", image),
              f"--qemu-args={Qmp.qemu_args(path)} -global VGA.vgamem_mb=64") as talus:
        with Screen(path) as screen:
            rows = screen.wait_for(r"^ Talus \| 10\.0\.2\.15/24 \|")
            assert screen.size() >= (3840, 2160)
            assert any("listening on http://" in row for row in rows)
            assert len(curl(talus, "/4b")) == 4


def grow_in_directory(volume, name, size_bytes):
    """Have a file's entry in its FAT directory claim another size."""
    data = bytearray(volume.read_bytes())
    entry = data.index(name.encode())
    assert data.find(name.encode(), entry + 1) < 0
    struct.pack_into("<I", data, entry + 28, size_bytes)
    volume.write_bytes(data)
    return volume


def test_broken_volumes_and_firmware_are_named_and_a_key_waited_for(tmp_path, changes, image):
    huge = (1 << 32) - 1
    wrong_machine = bytearray(image)
    wrong_machine[18:20] = struct.pack("<H", 183)  # ELF: AArch64

    def volume(name, **files):
        return make_volume(tmp_path / name, **files)

    def changed(word):
        return changed_volume(tmp_path / word, changes, word, image)

    # Each complaint, and what is to lead to it.
    volumes = {
        rf"{FILE} is not on the volume that this program was started from$": volume("empty"),
        rf"{FILE} is no 64-bit ELF file$": volume("garbage", talus_elf=b"no kernel"),
        rf"{FILE} is cut short$": volume("cut", talus_elf=image[:len(image) // 2]),
        rf"{FILE} is no executable for x86-64$": volume("machine", talus_elf=wrong_machine),
        rf"{FILE} cannot be read from the volume .*: the file system is damaged$":
            grow_in_directory(volume("damaged", talus_elf=image), "TALUS   ELF", len(image) * 2),
        r"\\EFI\\talus\\root.tar does not fit into memory$":
            grow_in_directory(volume("huge", talus_elf=image, root_tar=b"-"), "ROOT    TAR", huge),
        rf"{FILE} wants memory that the firmware keeps to itself$": changed("reserved"),
        rf"{FILE} cannot be entered: the firmware does not end its boot services$":
            changed("stuck"),
    }
    with contextlib.ExitStack() as stack:
        machines = {}
        for complaint, path in volumes.items():
            machines[complaint] = uefi("disk", path, smp=1, mem="512M")
            stack.callback(machines[complaint].stop)
            machines[complaint].start(is_awaited=False)
        for complaint, machine in machines.items():
            machine.wait_for(rf"Talus cannot start: {complaint}")
            machine.wait_for(r"Press a key to go back to the firmware\.")


def test_a_configuration_of_megabytes_is_read_and_cut(tmp_path, image):
    words = b"# many words\n" * 200000 + b"nodes=2\n" + b"nonsense=1\n" * 100000
    volume = make_volume(tmp_path, talus_elf=image, talus_cfg=words)
    with uefi("disk", volume) as talus:
        assert "command line cut" in talus.console
        assert "2 cores left out: nodes=2" in talus.console
        assert len(curl(talus, "/4b")) == 4
