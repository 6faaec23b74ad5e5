# SPDX-License-Identifier: Apache-2.0
"""What a switch with the display costs, in the lab's emulated phone."""
import contextlib
import pathlib
import sys

from bench import Side, Skip

LAB = pathlib.Path(__file__).resolve().parents[2] / "lab"

NAME = "display"
WORK = "the screen goes to another, whole and flushed (emulated phone, virtio-gpu, 1280x800)"
ROUNDS = 60
LIMIT = "a frame lasts 16.7 ms"


@contextlib.contextmanager
def sides():
    sys.path.insert(0, str(LAB))
    import emulator
    import kernel
    import pictures
    try:
        phone = emulator.Phone(kernel.chosen())
    except kernel.Skip as e:
        raise Skip(str(e)) from e
    with phone:
        phone.run("true", 120)
        two = pictures.start(phone, phone.kernel.module())
        pictures.prepare(two, "/dev/fb0")
        frame = 0

        def paint(*names):
            """Nothing of the last frame is left, so each row has to be moved."""
            nonlocal frame
            frame += 1
            for name in names:
                two.paint(name, {"one": two.one, "two": two.two}[name], frame, "map")

        def there():
            if two.front != two.one:
                two.to(two.one)
            paint("one", "two")

        def home():
            if two.front:
                two.to(0)
            paint("one")

        yield [Side("one namespace to another", lambda: two.to(two.two) / 1e9, ours=True, before=there,
                    note="the module's own clock"),
               Side("host to a namespace", lambda: two.to(two.one) / 1e9, before=home),
               Side("host: one text console to another", lambda: two.console(3) / 1e9,
                    before=lambda: (home(), two.console(2)), note="VT_ACTIVATE until VT_WAITACTIVE; no flush")]
        two.to(0)
        pictures.end(two)
