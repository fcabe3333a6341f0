# SPDX-License-Identifier: MIT
"""What stands on a machine's screen, read back as text with the kernel's own font."""

import re
import time

from harness import REPOSITORY, HarnessError, Qmp

GLYPH = re.compile(r"^    \{((?:0x[0-9A-F]{2}(?:, )?){12})\},", re.MULTILINE)
WIDTH, HEIGHT, TOP, BOTTOM = 8, 16, 2, 2


def read_font():
    """The lines of each character from kernel/font.c, as one number: its character."""
    source = (REPOSITORY / "kernel" / "font.c").read_text(encoding="ascii")
    rows = [bytes(int(byte, 16) for byte in match[1].split(", "))
            for match in GLYPH.finditer(source)]
    assert len(rows) == 95, "kernel/font.c has another form"
    return {bytes(TOP) + row + bytes(BOTTOM): chr(ord(" ") + index)
            for index, row in enumerate(rows)}


class Screen(Qmp):
    """The screen and keyboard of a machine that was started with qemu_args(path)."""

    def __init__(self, path):
        super().__init__(path)
        self._path = path
        self._font = read_font()

    def press(self, *keys):
        """Keys of the machine's own keyboard, by QEMU's names, one after the other."""
        for key in keys:
            self.run("send-key", keys=[{"type": "qcode", "data": key}])
            time.sleep(0.15)  # QEMU holds a key for 100 ms

    def _pixels(self):
        file = f"{self._path}.ppm"
        self.run("screendump", filename=file)
        with open(file, "rb") as image:
            assert image.readline() == b"P6\n"
            width, height = map(int, image.readline().split())
            image.readline()
            return width, height, image.read()

    def rows(self):
        """Each row as text; what is no character of the font reads as a NUL."""
        width, height, data = self._pixels()
        # Light on dark: one byte of each pixel tells.
        bright = data[::3]
        rows = []
        for top in range(0, height - HEIGHT + 1, HEIGHT):
            lines = [bright[(top + y) * width:(top + y + 1) * width] for y in range(HEIGHT)]
            rows.append("".join(self._character(lines, left)
                                for left in range(0, width - WIDTH + 1, WIDTH)))
        return rows

    def _character(self, lines, left):
        glyph = bytes(sum((line[left + x] > 100) << (7 - x) for x in range(WIDTH))
                      for line in lines)
        inverse = bytes(byte ^ 0xFF for byte in glyph)
        return self._font.get(glyph) or self._font.get(inverse, "\0")

    def wait_for(self, pattern, timeout_s=20):
        """The rows, as soon as one matches: drawing is not waited for by what is drawn."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            rows = self.rows()
            if any(re.search(pattern, row) for row in rows):
                return rows
            if time.monotonic() > deadline_s:
                text = "\n".join(row.rstrip() for row in rows)
                raise HarnessError(f"no {pattern!r} on the screen:\n{text}")
            time.sleep(0.2)
