# SPDX-License-Identifier: MIT
"""Which network card the machines of the tests have, and so which QEMU: chosen here for all of them.

NIC in the environment says which, as for `make run`. The first is ours, in our own QEMU; the distribution's
has virtio. What is not run over another card than the first carries a marker that says why (conftest.py).
"""

import os

from . import paths

FIRST = "82599"
NIC = os.environ.get("NIC") or FIRST
IS_FIRST = NIC.partition(",")[0] == FIRST

# The launcher chooses the distribution's QEMU for the other cards, unless the environment names one.
QEMU = paths.QEMU if IS_FIRST else os.environ.get("QEMU")
OPTIONS = ("--nic", NIC, *(("--qemu", QEMU) if QEMU else ()))
# For a machine that has a certain card, whatever the others have; a comma and properties may follow.
FIRST_OPTIONS = ("--qemu", paths.QEMU, "--nic", FIRST)
VIRTIO_OPTIONS = ("--qemu", "qemu-system-x86_64", "--nic", "virtio")

# Each link server has queues of its own, to which the card brings its flows: nothing is forwarded.
STEERS = IS_FIRST
# What each queue has to receive into, at least.
RX_BUFFERS_MIN = 768 if IS_FIRST else 256
# In the log when the next link server drives the card, and on the console.
TAKEN_OVER = "the NIC is driven from here now; SYNs have no queue" if IS_FIRST else r"virtio-net \("
LINK = "link up, 10000 Mbit/s" if IS_FIRST else "link up"


def with_queues(link_servers):
    """Those that have queues: without steering the first one only, which drives the card."""
    return set(link_servers) if STEERS else {min(link_servers)}
