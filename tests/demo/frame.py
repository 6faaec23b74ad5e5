#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a VP of the demo shows: its name in large letters on its colour.

    frame.py WIDTH HEIGHT NAME RED GREEN BLUE    the frame buffer's bytes, to standard output
"""
import sys

# Five columns a letter, a number a row, from the top.
LETTERS = {
    "A": (14, 17, 17, 31, 17, 17, 17), "C": (14, 17, 16, 16, 16, 17, 14), "E": (31, 16, 16, 30, 16, 16, 31),
    "K": (17, 18, 20, 24, 20, 18, 17), "L": (16, 16, 16, 16, 16, 16, 31), "N": (17, 25, 21, 21, 19, 17, 17),
    "O": (14, 17, 17, 17, 17, 17, 14), "P": (30, 17, 17, 30, 16, 16, 16), "R": (30, 17, 17, 30, 20, 18, 17),
    "S": (15, 16, 16, 14, 1, 1, 30), "W": (17, 17, 17, 21, 21, 27, 17),
}
COLUMNS, ROWS, PITCH = 5, 7, 6
WHITE = (255, 255, 255)


def frame_buffer(colour):
    """A pixel of /dev/fb0: 32 bits, little endian."""
    red, green, blue = colour
    return bytes((blue, green, red, 0))


def rows(width, height, name, colour, encode=bytes):
    """All rows from the top, each pixel as `encode` writes its red, green and blue."""
    text = [LETTERS[c] for c in name.upper()]
    side = max(1, width * 3 // 4 // (PITCH * len(text)))  # of a dot
    shade = tuple(c * 2 // 3 for c in colour)
    bar = height // 24
    over = (height - ROWS * side) // 2
    left = (width - (PITCH * len(text) - 1) * side) // 2

    def plain(colour):
        return encode(colour) * width

    def dots(row):
        """One row of the letters."""
        lit = [letter[row] >> (COLUMNS - 1 - x) & 1 if x < COLUMNS else 0 for letter in text for x in range(PITCH)]
        line = b"".join(encode(WHITE if on else colour) * side for on in lit[:-1])
        return encode(colour) * left + line + encode(colour) * (width - left - len(lit[:-1]) * side)

    yield from [plain(shade)] * bar
    yield from [plain(colour)] * (over - bar)
    for row in range(ROWS):
        yield from [dots(row)] * side
    yield from [plain(colour)] * (height - over - ROWS * side - bar)
    yield from [plain(shade)] * bar


if __name__ == "__main__":
    w, h, word, *rgb = sys.argv[1:]
    sys.stdout.buffer.write(b"".join(rows(int(w), int(h), word, tuple(map(int, rgb)), frame_buffer)))
