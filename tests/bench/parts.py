# SPDX-License-Identifier: MIT
"""Whose work a source file is: how the benchmark and the paper's tables divide what a request costs."""

# The first folder or file that a path contains decides; lwIP's own sources lie outside the tree,
# under their own name.
PARTS = (
    ("app", ("/apps/httpd/", "/apps/webswamp/", "llhttp")),
    ("libc", ("/libc/", "/net/streams/")),
    ("card", ("/drivers/hosted/",)),
    ("LS", ("/drivers/ixgbe/", "/drivers/virtio/", "/drivers/nic/", "/net/link/", "/net/steering")),
    ("CM", ("/net/manager/",)),
    ("TS", ("/net/", "lwip")),
    ("message", ("/kernel/message/",)),
    ("kernel", ("",)),
)
NAMES = tuple(part for part, _ in PARTS)


def part_of(path):
    return next(part for part, keys in PARTS if any(key in path for key in keys))
