# SPDX-License-Identifier: MIT
"""The image with all slow checks, such as of released memory: none of them finds anything.

What every image asserts is asserted in every other system test.
"""

import pytest

from harness import BUILD, KERNEL, Network, Talus, ab, curl

CHECKED_KERNEL = BUILD / "checked" / "talus.elf"
# A failed assertion prints its text: this one is slow.
SLOW_ASSERTION = b"is_poisoned("


def test_the_image_has_the_slow_checks_and_the_ordinary_one_has_not():
    assert SLOW_ASSERTION in CHECKED_KERNEL.read_bytes()
    assert SLOW_ASSERTION not in KERNEL.read_bytes()


@pytest.mark.parametrize("words", ["", "pika=TS1+LS1+CM1 app=httpd:1"], ids=["combined", "split"])
def test_no_check_fails_under_load(words):
    with Network() as network, \
            Talus(network=network, kernel=CHECKED_KERNEL, smp=4, words=words) as talus:
        for load in (ab(talus, "/4b", 2000, concurrency=32),
                     ab(talus, "/4b", 2000, concurrency=32, keep_alive=True),
                     ab(talus, "/100k", 100, concurrency=8)):
            assert load.failed == 0, load.output
        for path in ("/", "/1k", "/stats", "/metrics"):
            assert curl(talus, path)
        assert talus.counter("node_up") == {node: 1 for node in range(4)}
        assert "panic" not in talus.console, talus.last_lines()
        talus.type("poweroff\n")
        assert talus.wait() == 0
