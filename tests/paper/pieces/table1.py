# SPDX-License-Identifier: MIT
"""Table 1: what nodes share."""

from measures.sharing import NOTATION, SERVERS, SHARING
from piece import AGREES, CONTRADICTS, Finding, Piece, Shown, Table

PAPER = Table("Last-level cache misses in the kernel per HTTP request",
              ["", "DMA", "other", "total"],
              [["Same socket", 0.98, 0.27, 1.25], ["Across sockets", 0.84, 0.30, 1.14]])
NAMES = {"private": "a node's private pages", "mailbox": "mailbox and status pages",
         "archive": "the read-only boot archive"}


def show(sharing):
    sharing.require("kind", "pages_touched_by_several", "fetched_per_request", "taken_per_request")
    rows = [[NAMES[kind], *(sharing.one(kind=kind)[name] for name in sharing.columns[1:])] for kind in NAMES]
    private = sharing.one(kind="private")
    is_clean = private["pages_touched_by_several"] == 0 and private["fetched_per_request"] == 0
    mailbox = sharing.one(kind="mailbox")
    moved = mailbox["fetched_per_request"] + mailbox["taken_per_request"]
    finding = (Finding(AGREES, "Nothing is shared in secret: no private page is touched by a "
                       "second node, and all lines that move between nodes are in mailbox and "
                       "status pages.") if is_clean else
               Finding(CONTRADICTS, "Private pages are touched by several nodes: a fault of "
                                    "Talus."))
    return Shown([Table("Pages that several nodes touched, and lines that moved between them per "
                        "request",
                        ["", "pages", "fetched", "taken away"], rows)], [],
                 [finding, Finding(AGREES, f"What moves is messages: {moved:.1f} lines a request, "
                                   "each once when it is read and once when its place in the ring "
                                   "is written again.")])


PIECE = Piece(
    "table1", "Table 1: what a request shares between nodes", "5.1",
    (PAPER, "“LLC misses do not increase across sockets; thus, there is no hidden communication "
            "among cores.”"),
    "guest instructions' memory accesses",
    f"pika={NOTATION} with {SERVERS} web servers on nodes of their own, in QEMU. A TCG plugin "
    "(qemu/plugins/sharing.c) sees each access to memory after boot and keeps which nodes have a "
    "copy of each line of 64 bytes, as caches without end would. Fetched: a read of a line that "
    "only others have. Taken: a write to a line that others have. The difference of two runs, so "
    "that start-up falls out.",
    ("The paper could only see the kernel's misses, because its servers' processes were isolated "
     "by Linux. Here all memory of all nodes is watched, so the lines of messages are in the sum, "
     "and there is no second socket to compare.",
     "What the card reads and writes (DMA), page tables and frames that an interrupt pushes are "
     "not seen."),
    (SHARING,), show)
