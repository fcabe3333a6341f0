# SPDX-License-Identifier: MIT
"""Fixtures of the 82599 model's tests: a Linux guest whose own ixgbe driver is the judge."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))

from harness import LinuxGuest, Network  # noqa: E402 (found through the path above)


@pytest.fixture(scope="module")
def network():
    with Network() as made:
        yield made


@pytest.fixture(scope="module")
def model_log(tmp_path_factory):
    """Where QEMU writes what the model reports: guest errors, and what it does not model."""
    return tmp_path_factory.mktemp("model") / "qemu.log"


@pytest.fixture(scope="module")
def guest(network, model_log):
    """Linux on four vCPUs, so that its driver uses four queues; for all tests of a file."""
    with LinuxGuest(network=network, smp=4,
                    qemu_args=f"-d unimp,guest_errors -D {model_log}") as machine:
        yield machine
