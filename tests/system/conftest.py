# SPDX-License-Identifier: MIT
"""Fixtures of the system tests. The harness beside this file does the work."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Network, Talus  # noqa: E402 (found through the path above)


@pytest.fixture
def network():
    """A namespace with a TAP device, for one test."""
    with Network() as made:
        yield made


@pytest.fixture(scope="module")
def shared_network():
    """The same for all tests of a file."""
    with Network() as made:
        yield made


@pytest.fixture(scope="module")
def talus(shared_network):
    """Talus as `make run` starts it, but on a TAP device: four nodes, for all tests of a file."""
    with Talus(network=shared_network, smp=4) as machine:
        yield machine
