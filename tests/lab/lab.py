#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The device lab's command line: a shell or a command on the emulated phone, or tests."""
import argparse
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import emulator  # noqa: E402
import kernel  # noqa: E402


def interactive(which):
    """A shell on the serial console; leave with exit, or Ctrl-a x."""
    print("lab: a shell on the phone; 'exit' or Ctrl-a x ends it", file=sys.stderr)
    phone = emulator.Phone(which, append="cells.shell", interactive=True)
    # The emulator has the terminal; Ctrl-c belongs to the phone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    phone.child.wait()
    shutil.rmtree(phone.folder, ignore_errors=True)
    return 0


def line_of(words):
    """What the phone's shell is given: one word as it is, several as a program and its arguments."""
    return words[0] if len(words) == 1 else shlex.join(words)


def command(which, args):
    def show(raw):
        sys.stdout.buffer.write(raw)
        sys.stdout.flush()
    with emulator.Phone(which) as phone:
        code = phone.run(line_of(args.command), args.seconds, check=False, sink=show).rc
        for combination in args.key:
            phone.qmp.key(*combination.split("-"))
        if args.shot:
            phone.qmp.shot(args.shot)
        print(f"lab: exit {code}, {time.monotonic() - phone.started:.1f} s from power-on", file=sys.stderr)
        return code


def tests(names, more):
    """pytest on tests/lab/test_NAME.py, or on all."""
    files = [HERE / f"test_{n}.py" for n in names] or [HERE]
    for f in files:
        if not f.exists():
            raise kernel.Failed(f"there is no test {f.stem.removeprefix('test_')}")
    return subprocess.run(["/usr/bin/python3", "-m", "pytest", "-rs", "-p", "no:cacheprovider", *map(str, files), *more],
                          cwd=kernel.TOP, check=False).returncode


def lacks():
    """Says what this machine lacks for an emulated phone; 1 if it lacks nothing."""
    try:
        kernel.chosen().machine()
        return 1
    except kernel.Skip as e:
        print(e)
        return 0


def main():
    ap = argparse.ArgumentParser(prog="./run lab", description="Boots the emulated phone; without a command, a shell on it.")
    ap.add_argument("--shot", metavar="FILE.png", help="a picture of the screen when the command has ended")
    ap.add_argument("--key", action="append", default=[], metavar="A-B", help="press keys before the picture, as ctrl-alt-f1")
    ap.add_argument("--seconds", type=int, default=120, help="how long the command may take")
    ap.add_argument("--debug", action="store_true", help="with the debug kernel, built the first time")
    ap.add_argument("--arch", choices=("amd64", "arm64"), default="amd64", help="the phone's processor")
    ap.add_argument("command", nargs="*", help="runs on the phone as root; one word is a line for its shell; 'test [NAME...]' runs tests/lab/test_NAME.py")
    args, rest = ap.parse_known_args()
    try:
        if args.debug:
            os.environ["CELLS_LAB_KERNEL"] = "debug"
        elif args.arch != "amd64":
            os.environ["CELLS_LAB_KERNEL"] = args.arch
        if args.command == ["lacks"]:
            return lacks()
        which = kernel.chosen(build=True) if args.debug else kernel.chosen()
        if args.command[:1] == ["test"]:
            return tests(args.command[1:], rest)
        if rest:
            ap.error(f"unknown: {' '.join(rest)}")
        return command(which, args) if args.command else interactive(which)
    except kernel.Skip as e:
        print(f"lab: skipped: {e}", file=sys.stderr)
        return 77
    except kernel.Failed as e:
        print(f"lab: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
