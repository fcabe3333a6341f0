# SPDX-License-Identifier: MIT
"""Talus' driver on a 82599 as unforgiving as the datasheet allows."""

import pytest

from harness import Talus, curl

pytestmark = pytest.mark.only_82599("strict-reset is its model's")


def test_driver_relies_on_no_table_whose_content_after_reset_is_undefined(network, tmp_path):
    """Filters, hash key and redirection table start as noise; the log names every wrong access."""
    log = tmp_path / "qemu.log"
    arguments = f"-global ixgbe82599.strict-reset=on -d unimp,guest_errors -D {log}"
    with Talus("--qemu-args", arguments, network=network, smp=4) as talus:
        for _ in range(40):  # source ports of all link servers
            assert len(curl(talus, "/4b")) == 4
    assert [line for line in log.read_text().splitlines() if "ixgbe82599" in line] == []
