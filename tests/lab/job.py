# SPDX-License-Identifier: Apache-2.0
"""Reads one job from the phone's port, up to its NUL, byte by byte."""
import os
import sys

text = b""
while not text.endswith(b"\0"):
    c = os.read(0, 1)
    if not c:
        sys.exit(1)
    text += c
sys.stdout.write(text[:-1].decode())
