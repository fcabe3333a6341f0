# SPDX-License-Identifier: MIT
"""From addresses to functions and their source files, by way of nm and addr2line."""

import bisect
import subprocess


class Symbols:
    """The functions of an ELF file."""

    def __init__(self, elf):
        lines = subprocess.run(["nm", "--numeric-sort", "--defined-only", elf], check=True,
                               capture_output=True, text=True).stdout.splitlines()
        rows = [line.split() for line in lines]
        rows = [(int(address, 16), name) for address, kind, name in rows if kind in "tTwW"]
        self._addresses = [address for address, _ in rows]
        self._names = [name for _, name in rows]
        places = subprocess.run(["addr2line", "-e", elf], check=True, text=True,
                                input="\n".join(f"{address:#x}" for address in self._addresses),
                                capture_output=True).stdout.splitlines()
        self._files = [place.rsplit(":", 1)[0] for place in places]

    def find(self, address):
        """(function, source file) of an address; ("?", "??") below the first function."""
        index = bisect.bisect_right(self._addresses, address) - 1
        return ("?", "??") if index < 0 else (self._names[index], self._files[index])

    def sums(self, counters):
        """Counters' blocks by function: {(function, file): [instructions, rep iterations]},
        each a list with a number for each vCPU."""
        sums = {}
        for (pc, is_rep), row in counters.blocks.items():
            if any(row):
                pair = sums.setdefault(self.find(pc), ([0] * len(row), [0] * len(row)))
                target = pair[1] if is_rep else pair[0]
                for vcpu, count in enumerate(row):
                    target[vcpu] += count
        return sums
