# SPDX-License-Identifier: MIT
"""The kinds of faults, and what each is expected to cost."""

from dataclasses import dataclass

# What becomes of the node.
DIES = "dies"        # and loses what it owned, all of it and no more
LIVES = "lives"      # and nobody loses anything
MAY_DIE = "may die"  # or goes on with some of what it owned

# The core that booted hears the chipset's NMI line, and cannot be reset by another.
FIRST_NODE = 0


@dataclass(frozen=True)
class Kind:
    """`place`: who does it: `monitor`, a command on Talus' console; `qemu`, the machine's; `wire`.
    `is_noticed`: the node does not end by itself, so that the others have to find out.
    `lasts_s`: of one that the node may outlive, after which it has done what it does.
    `is_machines`: of no node."""
    name: str
    title: str
    outcome: str
    place: str = "monitor"
    is_noticed: bool = False
    lasts_s: float = 0.0
    is_machines: bool = False

    def outcome_of(self, node):
        """An NMI that another node need not have sent is nothing, but to the node that hears the NMI line."""
        return MAY_DIE if self.name == "nmi" and node == FIRST_NODE else self.outcome


KINDS = {kind.name: kind for kind in (
    Kind("page", "page fault", DIES),
    Kind("opcode", "undefined instruction", DIES),
    Kind("stack", "stack overflow", DIES),
    Kind("tables", "write to its page tables", DIES),
    Kind("wild", "wild writes over its data", MAY_DIE, is_noticed=True, lasts_s=1.5),
    Kind("loop", "endless loop, interrupts off", DIES, is_noticed=True),
    Kind("open", "endless loop, interrupts on", DIES, is_noticed=True),
    Kind("deaf", "endless loop, deaf to NMIs", DIES, is_noticed=True),
    Kind("line", "NMI line", DIES, place="qemu"),
    Kind("nmi", "NMI by another node", LIVES, lasts_s=0.2),
    Kind("reset", "reset of its core", DIES),
    Kind("mce", "machine check", DIES, place="qemu"),
    Kind("message", "corrupt messages to all others", LIVES, lasts_s=0.2),
    Kind("truncated", "truncated messages to all others", LIVES, lasts_s=0.2),
    Kind("order", "orders to all others to end", LIVES, lasts_s=0.2),
    Kind("full", "takes no message for 1 s", MAY_DIE, lasts_s=1.2),
    Kind("memory", "no memory for 1 s", MAY_DIE, lasts_s=1.2),
    Kind("card", "the card stops for 0.3 s", LIVES, place="qemu", lasts_s=0.5, is_machines=True),
    Kind("link", "the link flaps: three times down for 0.1 s", LIVES, place="wire", lasts_s=0.7,
         is_machines=True),
)}


def nodes_for(kind, nodes, all_nodes):
    """Those of `nodes` that can have it, or others if none of them can."""
    if kind.name == "line":
        return [FIRST_NODE]
    if kind.name == "deaf":
        return [node for node in nodes if node != FIRST_NODE] or [n for n in all_nodes if n != FIRST_NODE]
    return nodes
