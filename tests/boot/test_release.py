# SPDX-License-Identifier: MIT
"""What `make release` leaves for others: the same for the same commit, with what is in it."""

import hashlib
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import REPOSITORY

BUILD_WAIT_S = 1800


def git(*words, cwd=REPOSITORY):
    return subprocess.run(["git", *words], cwd=cwd, check=True, capture_output=True,
                          text=True).stdout.strip()


def release(clone):
    """Makes it, in a clone with a build folder of its own; returns the digest of each file."""
    words = {name: value for name, value in os.environ.items()
             if name not in ("BUILD", "MAKEFLAGS", "MFLAGS", "SOURCE_DATE_EPOCH")}
    done = subprocess.run(["make", "release"], cwd=clone, env=words, capture_output=True, text=True,
                          timeout=BUILD_WAIT_S, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (clone / "build" / "release").iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def clones(tmp_path_factory):
    """Two, in folders whose names are not equally long."""
    made = []
    for name in ("a", "another-one"):
        clone = tmp_path_factory.mktemp(name) / "talus"
        git("clone", "--quiet", REPOSITORY, clone)
        git("checkout", "--quiet", git("rev-parse", "HEAD"), cwd=clone)
        made.append(clone)
    return made


@pytest.fixture(scope="module")
def releases(clones):
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(release, clones))


def test_two_clean_clones_give_the_same_bytes(releases):
    assert releases[0] == releases[1]


def test_kernel_images_checksums_and_contents_are_there(clones, releases):
    version = git("describe", "--always", "--tags", cwd=clones[0])
    folder = clones[0] / "build" / "release"
    files = {f"talus-{version}.{kind}" for kind in ("elf", "iso", "img", "qcow2")} | {"BOOTX64.EFI"}
    contents = f"talus-{version}.spdx.json"
    assert set(releases[0]) == files | {contents, "SHA256SUMS"}
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True,
                   capture_output=True)
    document = json.loads((folder / contents).read_text(encoding="utf-8"))
    assert document["spdxVersion"] == "SPDX-2.3"
    listed = {file["fileName"].removeprefix("./"): file["checksums"][0]["checksumValue"]
              for file in document["files"]}
    assert listed == {name: releases[0][name] for name in files}
    packages = {package["name"]: package for package in document["packages"]}
    assert set(packages) == {"Talus", "lwIP", "llhttp", "GRUB", "GNU-EFI"}
    assert all(package["versionInfo"] for package in packages.values())
    assert packages["Talus"]["versionInfo"] == version
    # Every relationship is between things that are there.
    names = {"SPDXRef-DOCUMENT"} | {entry["SPDXID"] for entry in
                                    document["packages"] + document["files"]}
    for relation in document["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= names


def test_what_is_not_committed_is_not_released(clones):
    (clones[0] / "kernel" / "stray.c").write_text("", encoding="ascii")
    done = subprocess.run(["make", "release"], cwd=clones[0], capture_output=True, text=True,
                          timeout=BUILD_WAIT_S, check=False)
    assert done.returncode != 0
    assert "kernel/stray.c" in done.stderr
