# SPDX-License-Identifier: MIT
"""Reader of the file in which qemu/plugins/instructions.c counts; its layout stands there."""

import struct

MAGIC = b"TALSCNT1"
HEADER_BYTES = 64
TOTALS_BYTES = 64
BLOCK_FIXED_BYTES = 16


class Counters:
    """One moment of the file. `later - earlier` is what was executed between two moments.

    instructions, rep_iterations   a number for each vCPU
    blocks                         (pc, is_rep): a list with a number for each vCPU, instructions
                                   and rep iterations of the translated blocks that begin there
    """

    def __init__(self, instructions, rep_iterations, blocks):
        self.instructions = instructions
        self.rep_iterations = rep_iterations
        self.blocks = blocks

    @classmethod
    def read(cls, path, with_blocks=False):
        with open(path, "rb") as file:
            header = file.read(HEADER_BYTES)
            magic, vcpu_count, block_bytes, block_count, _ = struct.unpack_from("<8s4Q", header)
            if magic != MAGIC:
                raise ValueError(f"{path} is no file of the instructions plugin")
            totals = [struct.unpack_from("<2Q", file.read(TOTALS_BYTES)) for _ in range(vcpu_count)]
            blocks = {}
            if with_blocks:
                cls._add_blocks(blocks, file.read(block_count * block_bytes), vcpu_count)
        return cls([row[0] for row in totals], [row[1] for row in totals], blocks)

    @staticmethod
    def _add_blocks(blocks, data, vcpu_count):
        # One address can have several blocks: of other lengths, or in other nodes' private text.
        row = struct.Struct(f"<QII{vcpu_count}Q")
        for pc, instructions, rep_iterations, *executions in row.iter_unpack(data):
            for is_rep, weight in ((False, instructions), (True, rep_iterations)):
                if weight:
                    sums = blocks.setdefault((pc, is_rep), [0] * vcpu_count)
                    for vcpu, count in enumerate(executions):
                        sums[vcpu] += count * weight

    def __sub__(self, earlier):
        zeros = [0] * len(self.instructions)

        def difference(new, old):
            return [a - b for a, b in zip(new, old)]

        return Counters(difference(self.instructions, earlier.instructions),
                        difference(self.rep_iterations, earlier.rep_iterations),
                        {key: difference(row, earlier.blocks.get(key, zeros))
                         for key, row in self.blocks.items()})
