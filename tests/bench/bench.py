#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures this project and, in the same run and on the same work, what one would
take instead. The sides of a row take turns (A B A B ...), so that a noisy machine
is noisy for all; what is quoted is the ratio of medians, and of each round.

A row is a file in rows/ with
    NAME, WORK          its name and what is measured, in one line
    ROUNDS              how often, unless --rounds says
    LIMIT               (optional) what nothing could beat, in words
    def sides():        a context manager that sets up and gives a list of Side
or, for several tables of one kind, `GROUP` and a function rows(wanted) that gives a
list of such rows; `wanted` is whether one of them alone was asked for.
The first side that is `ours` is what the ratios are of. Nothing here fails because
something is slow.
"""
import argparse
import datetime
import importlib.util
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]


class Skip(Exception):
    """Why a side, or a whole row, cannot be measured here."""


class Side:
    """One way to do the work. run() does it once; what it returns is the measure,
    None means: take the time that it took. `needs` are programs, `package` is the
    Debian package that brings them."""

    def __init__(self, name, run, package=None, needs=(), note="", ours=False, before=None, after=None):
        self.name, self.run, self.package, self.note, self.ours = name, run, package, note, ours
        self.before, self.after = before, after
        missing = [p for p in needs if not shutil.which(p)]
        self.reason = f"{', '.join(missing)} is not installed" if missing else None
        self.values = []

    def measure(self):
        if self.before:
            self.before()
        start = time.perf_counter()
        value = self.run()
        took = time.perf_counter() - start
        if self.after:
            self.after()
        return took if value is None else value

    def turn(self):
        if self.reason:
            return
        try:
            self.values.append(self.measure())
        except (OSError, subprocess.SubprocessError, Skip) as e:
            text = getattr(e, "stderr", None) or str(e)
            text = text.decode(errors="replace") if isinstance(text, bytes) else text
            self.reason = (text.strip().splitlines() or [type(e).__name__])[-1][:200]
            self.values = []


def version(package):
    r = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False)
    return r.stdout if r.returncode == 0 else None


def show(value, unit):
    if unit != "s":
        return f"{value:,.1f} {unit}"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if value * factor >= 1:
            return f"{value * factor:.2f} {name}"
    return f"{value * 1e9:.0f} ns"


def spread(values):
    """First and last decile."""
    ordered = sorted(values)
    tenth = len(ordered) // 10
    return ordered[tenth], ordered[-1 - tenth]


def side_result(side, reference):
    low, high = spread(side.values)
    result = {"name": side.name, "package": side.package, "version": version(side.package) if side.package else None,
              "note": side.note, "median": statistics.median(side.values), "low": low, "high": high,
              "values": side.values}
    if reference and reference is not side:
        pairs = [a / b for a, b in zip(reference.values, side.values) if b]
        result["ratio"] = statistics.median(reference.values) / result["median"] if result["median"] else None
        result["ratio_spread"] = spread(pairs) if pairs else None
    return result


def measure(module, rounds):
    row = {"name": module.NAME, "work": module.WORK, "limit": getattr(module, "LIMIT", None),
           "unit": getattr(module, "UNIT", "s"), "sides": [], "skipped": []}
    try:
        with module.sides() as sides:
            for side in sides:  # one that does not count: caches, first builds
                side.turn()
                side.values = []
            for _ in range(rounds or module.ROUNDS):
                for side in sides:
                    side.turn()
    except Skip as e:
        row["reason"] = str(e)
        return row
    except Exception as e:  # one broken row leaves the others their tables
        row["reason"] = f"{type(e).__name__}: {e}".splitlines()[0]
        return row
    reference = next((s for s in sides if s.ours and s.values), None)
    for side in sides:
        if side.values:
            row["sides"].append(side_result(side, reference))
        else:
            row["skipped"].append({"name": side.name, "package": side.package, "reason": side.reason})
    row["rounds"] = len(reference.values) if reference else 0
    return row


def print_row(row):
    print(f"\n{row['name']}: {row['work']}")
    if "reason" in row:
        print(f"  skipped: {row['reason']}")
        return
    print(f"  {'side':24} {'package':22} {'median':>11}  {'spread':>23}  {'ratio':>6}")
    for s in row["sides"]:
        low_high = f"{show(s['low'], row['unit'])} - {show(s['high'], row['unit'])}"
        ratio = f"{s['ratio']:6.2f}" if s.get("ratio") else "     -"
        package = f"{s['package']} {s['version'] or ''}"[:22] if s["package"] else "-"
        note = f"  ({s['note']})" if s["note"] else ""
        print(f"  {s['name']:24} {package:22} {show(s['median'], row['unit']):>11}  {low_high:>23}  {ratio}{note}")
    for s in row["skipped"]:
        package = f" (package {s['package']})" if s["package"] else ""
        print(f"  {s['name']:24} skipped: {s['reason']}{package}")
    if row["limit"]:
        print(f"  limit: {row['limit']}")


def load(names):
    modules = []
    for path in sorted((HERE / "rows").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"row_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        group = getattr(module, "GROUP", None)
        modules += module.rows(bool(names) and group not in names) if group else [module]
    known = {n for m in modules for n in (m.NAME, getattr(m, "GROUP", m.NAME))}
    for name in names:
        if name not in known:
            sys.exit(f"bench: there is no row '{name}' ({', '.join(sorted(known))})")
    return [m for m in modules if not names or m.NAME in names or getattr(m, "GROUP", None) in names]


def main():
    sys.modules["bench"] = sys.modules["__main__"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended"))  # so that worlds are closed
    parser = argparse.ArgumentParser(prog="run bench", description="Measures side by side; ratio is ours / theirs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which rows; all")
    parser.add_argument("--rounds", type=int, help="how often each side takes its turn")
    parser.add_argument("--json", metavar="FILE", help="write all values there")
    parser.add_argument("--list", action="store_true", help="say which rows there are")
    args = parser.parse_args()
    modules = load(args.names)
    if args.list:
        for m in modules:
            print(f"{m.NAME:12} {m.WORK}")
        return
    report = {"time": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
              "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "architecture": platform.machine()},
              "rows": []}
    print(f"{os.cpu_count()} CPUs, Linux {platform.release()}; ratio = ours / theirs, less than 1 is faster")
    for m in modules:
        row = measure(m, args.rounds)
        report["rows"].append(row)
        print_row(row)
        sys.stdout.flush()
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
