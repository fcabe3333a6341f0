# SPDX-License-Identifier: MIT
"""Fixtures of the 82599 model's tests: a Linux guest whose own ixgbe driver is the judge."""

import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))

from harness import LinuxGuest, Network, Qmp  # noqa: E402 (found through the path above)


@pytest.fixture(scope="module")
def network():
    with Network() as made:
        yield made


@pytest.fixture(scope="module")
def folder():
    """For QEMU's log and socket. Short: a socket's path holds 107 characters."""
    with tempfile.TemporaryDirectory(prefix="talus-model-") as path:
        yield Path(path)


@pytest.fixture(scope="module")
def model_log(folder):
    """Where QEMU writes what the model reports: guest errors, and what it does not model."""
    return folder / "qemu.log"


@pytest.fixture(scope="module")
def guest(network, folder, model_log):
    """Linux on four vCPUs, so that its driver uses four queues; for all tests of a file."""
    with LinuxGuest(network=network, smp=4,
                    qemu_args=f"-d unimp,guest_errors -D {model_log} "
                              + Qmp.qemu_args(folder / "qmp")) as machine:
        yield machine


@pytest.fixture(scope="module")
def wire(guest, folder):  # the guest's QEMU is what listens
    with Qmp(folder / "qmp") as connection:
        yield connection
