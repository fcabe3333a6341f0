# SPDX-License-Identifier: MIT
"""Fixtures of the system tests. The harness beside this file does the work."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Network, Talus, card  # noqa: E402 (found through the path above)

# Why a test is not run over another card than the first (harness/card.py).
MARKERS = {"only_82599": "it shows what the 82599, its model or our own QEMU does, which the reason names",
           "same_on_any_card": "it has no card, or one of its own: it would be the same again, says the reason"}


def pytest_configure(config):
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}(reason): {meaning}")


def pytest_collection_modifyitems(config, items):
    """Nothing is skipped: what is not to be run over this card is none of the tests."""
    if card.IS_FIRST:
        return
    marked = [item for item in items if any(item.get_closest_marker(name) for name in MARKERS)]
    items[:] = [item for item in items if item not in marked]
    config.hook.pytest_deselected(items=marked)


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
