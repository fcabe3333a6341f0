# SPDX-License-Identifier: MIT
"""Fixtures of the boot tests, on the system tests' harness."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))

import pytest  # noqa: E402
from harness import BUILD, REPOSITORY  # noqa: E402 (found through the path above)

# The folder of images stands on the disk of the repository, not in memory.
IMAGES = {"iso": BUILD / "talus.iso", "disk": BUILD / "talus.img"}


@pytest.fixture(scope="session", autouse=True)
def images():
    """The images, which make test-boot has built: by kind."""
    for kind, path in IMAGES.items():
        assert path.exists(), f"{path}: make {kind}"
    return IMAGES


@pytest.fixture(scope="session")
def boot_tool():
    """A program of boot/, by name."""
    return lambda name: os.fspath(REPOSITORY / "boot" / "images" / name)


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    """The kernel as an image has it, without what only gdb reads."""
    path = tmp_path_factory.mktemp("image") / "talus.elf"
    subprocess.run(["objcopy", "--strip-debug", BUILD / "talus.elf", path], check=True)
    return path.read_bytes()
