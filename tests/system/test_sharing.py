# SPDX-License-Identifier: MIT
"""No shared kernel data, checked from outside: which node touches which page of memory.

qemu/plugins/sharing.c watches every access from the end of each node's boot.
"""

import pytest

from harness import BUILD, KERNEL, PLUGINS, Talus, ab, curl

SHARED_KERNEL = BUILD / "talus-shared.elf"


@pytest.fixture
def report(tmp_path):
    return tmp_path / "sharing.txt"


def run_watched(network, report, kernel, requests):
    """Boot, serve, power off; what the plugin wrote."""
    plugin = f"{PLUGINS / 'sharing.so'},report={report}"
    with Talus(network=network, kernel=kernel, words="check=sharing", plugins=[plugin]) as talus:
        load = ab(talus, "/4b", requests, concurrency=8)
        assert load.failed == 0, load.output
        for path in ("/", "/1k", "/100k", "/stats", "/metrics"):
            assert curl(talus, path)
        talus.type("poweroff\n")
        assert talus.wait() == 0
    return report.read_text()


def test_nodes_share_nothing_but_mailbox_and_status_pages(network, report):
    text = run_watched(network, report, KERNEL, requests=1000)
    assert text.splitlines()[-1] == "sharing: passed", text


def test_a_page_that_is_shared_on_purpose_is_reported(network, report):
    text = run_watched(network, report, SHARED_KERNEL, requests=20)
    assert text.splitlines()[-1].startswith("sharing: FAILED"), text
