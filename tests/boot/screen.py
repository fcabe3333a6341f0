# SPDX-License-Identifier: MIT
"""What stands on a machine's screen, read back as text with the kernel's own font."""

import re
import time

from harness import REPOSITORY, Qmp, wait_until

GLYPH = re.compile(r"^    \{((?:0x[0-9A-F]{2}(?:, )?){12})\},", re.MULTILINE)
WIDTH, HEIGHT, TOP, BOTTOM = 8, 16, 2, 2
# Glyphs grow until no more characters than these fit.
COLUMNS_MAX, ROWS_MAX = 240, 75

KEY_HOLD_MS = 20
KEYS = {" ": "spc", "\n": "ret", "\b": "backspace", "=": "equal", ",": "comma", "-": "minus",
        ".": "dot", "!": "shift-1", "?": "shift-slash", "\x04": "ctrl-d"}


def read_font():
    """The lines of each character from drivers/console/font.c, as one number: its character."""
    source = (REPOSITORY / "drivers" / "console" / "font.c").read_text(encoding="ascii")
    rows = [bytes(int(byte, 16) for byte in match[1].split(", "))
            for match in GLYPH.finditer(source)]
    assert len(rows) == 95, "drivers/console/font.c has another form"
    return {bytes(TOP) + row + bytes(BOTTOM): chr(ord(" ") + index)
            for index, row in enumerate(rows)}


class Screen(Qmp):
    """The screen and keyboard of a machine that was started with qemu_args(path)."""

    def __init__(self, path):
        super().__init__(path)
        self._path = path
        self._font = read_font()

    def press(self, *keys):
        """Keys of the machine's own keyboard, by QEMU's names, one after the other; `shift-n` holds
        one while the other is pressed."""
        for key in keys:
            self.run("send-key", **{"hold-time": KEY_HOLD_MS}, keys=[
                {"type": "qcode", "data": name} for name in key.split("-")])
            time.sleep(2.5 * KEY_HOLD_MS / 1000)

    def type(self, text):
        """The same keys for a text, on the US layout."""
        self.press(*(KEYS.get(character) or (f"shift-{character.lower()}" if character.isupper()
                                             else character) for character in text))

    def _pixels(self):
        file = f"{self._path}.ppm"
        self.run("screendump", filename=file)
        with open(file, "rb") as image:
            assert image.readline() == b"P6\n"
            width, height = map(int, image.readline().split())
            image.readline()
            return width, height, image.read()

    def size(self):
        """Width and height in pixels."""
        return self._pixels()[:2]

    def rows(self):
        """Each row as text; what is no character of the font reads as a NUL, also where the pixels
        of one that is enlarged differ."""
        width, height, data = self._pixels()
        scale = next(n for n in range(1, 9)
                     if width // (WIDTH * n) <= COLUMNS_MAX and height // (HEIGHT * n) <= ROWS_MAX)
        # Light on dark: one byte of each pixel tells.
        bits = bytes(value > 100 for value in range(256))
        bright = data[::3].translate(bits)
        lines = [bright[y * width:(y + 1) * width] for y in range(height)]
        return [self._row(lines[top:top + HEIGHT * scale], width, scale)
                for top in range(0, height - HEIGHT * scale + 1, HEIGHT * scale)]

    def _row(self, lines, width, scale):
        thin = lines[::scale]
        if any(line != thin[y // scale] for y, line in enumerate(lines)):
            return "\0"
        narrow = [line[::scale] for line in thin]
        if any(line[offset::scale] != narrow[y][:len(line[offset::scale])]
               for y, line in enumerate(thin) for offset in range(1, scale)):
            return "\0"
        return "".join(self._character(narrow, left)
                       for left in range(0, width // scale - WIDTH + 1, WIDTH))

    def _character(self, lines, left):
        glyph = bytes(sum(line[left + x] << (7 - x) for x in range(WIDTH)) for line in lines)
        inverse = bytes(byte ^ 0xFF for byte in glyph)
        return self._font.get(glyph) or self._font.get(inverse, "\0")

    def wait_until(self, is_shown, what):
        """The rows, as soon as is_shown(rows): drawing is not waited for by what is drawn."""
        def look():
            rows = self.rows()
            return rows if is_shown(rows) else None

        return wait_until(look, f"{what} on the screen",
                          lambda: "\n".join(row.rstrip() for row in self.rows()), period_s=0.2)

    def wait_for(self, pattern):
        """The same, as soon as one row matches."""
        return self.wait_until(lambda rows: any(re.search(pattern, row) for row in rows),
                               repr(pattern))
