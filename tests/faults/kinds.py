# SPDX-License-Identifier: MIT
"""The kinds of faults, and what each is expected to cost."""

from dataclasses import dataclass

# What becomes of the node.
DIES = "dies"        # and loses what it owned, all of it and no more
LIVES = "lives"      # and nobody loses anything
MAY_DIE = "may die"  # or goes on with some of what it owned


@dataclass(frozen=True)
class Kind:
    """`place`: who does it: `monitor`, a command on Talus' console; `qemu`, the machine's; `wire`.
    `is_noticed`: the node does not end by itself, so that the others have to find out."""
    name: str
    title: str
    outcome: str
    place: str = "monitor"
    is_noticed: bool = False


# Kinds that not every node can have, and who has them instead: the core that booted hears the NMI
# line, and cannot be reset by another.
INSTEAD = {("line", node): 0 for node in range(1, 64)} | {("deaf", 0): 1}

KINDS = {kind.name: kind for kind in (
    Kind("page", "page fault", DIES),
    Kind("opcode", "undefined instruction", DIES),
    Kind("stack", "stack overflow", DIES),
    Kind("tables", "write to its page tables", DIES),
    Kind("wild", "wild writes over its data", MAY_DIE, is_noticed=True),
    Kind("loop", "endless loop", DIES, is_noticed=True),
    Kind("open", "endless loop, interrupts on", DIES, is_noticed=True),
    Kind("deaf", "endless loop, deaf to NMIs", DIES, is_noticed=True),
    Kind("nmi", "NMI by another node", MAY_DIE),
    Kind("line", "NMI line", DIES, place="qemu"),
    Kind("reset", "reset of its core", DIES),
    Kind("mce", "machine check", DIES, place="qemu"),
    Kind("message", "corrupt messages", LIVES),
    Kind("truncated", "truncated messages", LIVES),
    Kind("full", "takes no message for 1 s", MAY_DIE),
    Kind("memory", "no memory for 1 s", MAY_DIE),
    Kind("card", "card stops for 0.3 s", LIVES, place="qemu"),
    Kind("link", "link down for 0.3 s", LIVES, place="wire"),
)}
