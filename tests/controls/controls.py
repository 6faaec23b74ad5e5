#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sees each security control fail: a row takes one out, and its test must then fail.

The rows are tables in *.toml here; README says how to write one. All happens in a
copy of the tree and its builds, in a temporary folder that is removed at the end."""
import argparse
import contextlib
import datetime
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import xml.etree.ElementTree

TOP = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
SAMPLE_ROWS = {"unit": 16, "lint": 1}
SAMPLE_SECONDS = 75
UNIT_SECONDS = 180
# About what a row takes, to begin with what takes longest.
SECONDS = {"unit": 2, "lint": 10, "e2e": 20, "lab": 90}
PYTEST_SECONDS = 600
# Only what a test of ours runs is built: the programs of the folder that a row changes.
PROGRAMS = {
    "agent": ["agent/cells-agent"],
    "policyd": ["policyd/cells-policyd"],
    "cellsd": ["cellsd/cellsd"],
    "cellsctl": ["cellsctl/cellsctl"],
    "devnsctl": ["devnsctl/devnsctl"],
    "mgmt-server": ["mgmt-server/cells-mgmtd"],
    "cellsadm": ["cellsadm/cellsadm"],
    "images": ["images/cells-image"],
    "data": [],
    "kernel": [],
    "tests": [],
}
# A patched file may leave a variable unused; what was configured with -Werror builds all the same, as does the module.
QUIET = "-O0 -w"
CRASH, NOT_RUN = "crashed", "did not run"
# What a build says of itself goes to files: a program that crashed refused nothing.
SANITIZER = "log_path={}:log_exe_name=1:handle_abort=1"
KEYS = {"id", "control", "file", "in", "take", "put", "edit", "test", "long", "build", "crash"}
EDIT_KEYS = {"file", "in", "take", "put"}


class Bad(Exception):
    """A row that cannot be tried: it does not apply, build or run."""


class Edit:
    """One change of one file: `take` must occur exactly once where `in` says."""

    def __init__(self, table, row):
        if unknown := set(table) - EDIT_KEYS - KEYS:
            raise Bad(f"{row}: unknown key {', '.join(sorted(unknown))}")
        for key in ("file", "take", "put"):
            if key not in table:
                raise Bad(f"{row}: '{key}' is missing")
        self.file, self.take, self.put = table["file"], table["take"].strip(), table["put"].strip()
        self.scope = table.get("in")

    @staticmethod
    def pattern(code):
        """The code with any white space between its tokens, as another layout has it."""
        tokens = re.findall(r"\w+|[^\w\s]", code)
        out = re.escape(tokens[0])
        for before, after in zip(tokens, tokens[1:]):
            both_words = re.match(r"\w", before[-1]) and re.match(r"\w", after[0])
            out += (r"\s+" if both_words else r"\s*") + re.escape(after)
        return re.compile(out)

    def range(self, text):
        """Where in the text the function or table `in` is defined; all of it without."""
        if not self.scope:
            return 0, len(text)
        found = []
        for m in re.finditer(r"^(?=[A-Za-z_}]).*\b" + re.escape(self.scope) + r"\b", text, re.M):
            rest = text[m.end():]
            if (brace := rest.find("{")) >= 0 and ";" not in rest[:brace]:
                end = text.find("\n}", m.end())
                found.append((m.start(), end if end >= 0 else len(text)))
        if len(found) != 1:
            raise Bad(f"{self.file} defines '{self.scope}' {len(found)} times")
        return found[0]

    def apply(self, text):
        start, end = self.range(text)
        where = f"{self.file}{f', {self.scope}()' if self.scope else ''}"
        found = list(self.pattern(self.take).finditer(text, start, end))
        if len(found) != 1:
            raise Bad(f"{where}: what the row takes out is there {len(found)} times: {' '.join(self.take.split())[:120]}")
        return text[:found[0].start()] + self.put + text[found[0].end():]


class Row:
    def __init__(self, table, area):
        self.name = f"{area}/{table.get('id', '?')}"
        if unknown := set(table) - KEYS:
            raise Bad(f"{self.name}: unknown key {', '.join(sorted(unknown))}")
        for key in ("id", "control", "test"):
            if key not in table:
                raise Bad(f"{self.name}: '{key}' is missing")
        self.control, self.test, self.long = table["control"], table["test"], table.get("long", False)
        self.crash = table.get("crash", False)
        self.edits = [Edit(e, self.name) for e in table["edit"]] if "edit" in table else [Edit(table, self.name)]
        self.programs = table.get("build")
        parts = self.test.split("::", 1)
        self.path, self.node = parts[0], parts[1] if len(parts) > 1 else None
        self.kind = self.path.split("/")[1] if self.path.count("/") >= 2 else ""
        if self.kind not in ("unit", "e2e", "lab", "lint") or (self.kind != "lint") != bool(self.node):
            raise Bad(f"{self.name}: '{self.test}' names no test (tests/unit/test_x.c::name, "
                      "tests/e2e/test_x.py::test_name, tests/lab/test_x.py::test_name, tests/lint/x.sh)")
        if not (TOP / self.path).is_file():
            raise Bad(f"{self.name}: there is no {self.path}")

    def check_test(self):
        """Is there a test of this name? A build is sure, this is fast."""
        if not self.node:
            return
        name = self.node.split("[")[0].split("::")[-1]
        how = rf"START_TEST\({name}\)" if self.kind == "unit" else rf"def {name}\("
        if not re.search(how, (TOP / self.path).read_text()):
            raise Bad(f"{self.path} has no test '{self.node}'")

    @property
    def build(self):
        """The build that its test runs on: programs of the sanitized one have the test clock.
        CELLS_BUILD names another one for quick tries."""
        return os.environ.get("CELLS_BUILD", "build-san") if self.kind == "e2e" else "build"

    def key(self):
        """How its test is called in what ran."""
        return self.test if self.kind in ("e2e", "lab") else self.node or self.path

    def targets(self):
        if self.kind == "unit":
            return [self.path.removesuffix(".c")]
        if self.programs is not None:
            return self.programs
        folders = {e.file.split("/")[0] for e in self.edits}
        if folders - set(PROGRAMS):
            folders = PROGRAMS
        return sorted(p for f in folders for p in PROGRAMS[f])

    def patched(self, top):
        """The changed files' new texts."""
        texts = {}
        for e in self.edits:
            if not (top / e.file).is_file():
                raise Bad(f"there is no {e.file}")
            texts[e.file] = e.apply(texts.get(e.file) or (top / e.file).read_text())
        return texts


def load():
    rows, names = [], set()
    for path in sorted(HERE.glob("*.toml")):
        try:
            tables = tomllib.loads(path.read_text()).get("row", [])
        except tomllib.TOMLDecodeError as e:
            raise Bad(f"{path.relative_to(TOP)}: {e}") from e
        for table in tables:
            row = Row(table, path.stem)
            if row.name in names:
                raise Bad(f"{row.name}: two rows have this name")
            names.add(row.name)
            rows.append(row)
    return rows


class Copy:
    """The tree and its builds, once for each worker and once more: rows change a worker's;
    what a row changed comes back from `whole`, with its times, so that the next row builds
    no more than its own."""

    def __init__(self, builds):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cells-controls-"))
        self.folder.chmod(0o755)
        self.whole, self.builds = self.folder / "whole", builds
        others = {p.name for p in TOP.iterdir() if p.is_dir() and p.name.startswith(("build", "."))} - {*builds, "build-aux"}
        shutil.copytree(TOP, self.whole, symlinks=True,
                        ignore=lambda d, names: [n for n in names if n == "__pycache__" or pathlib.Path(d) == TOP and n in others])

    def settle(self):
        """All is built and passes: this is what a row starts from."""
        self.times = {name: scan(self.whole / name) for name in self.builds}

    def tree(self, number):
        """A worker's own tree, in a folder of its own for what its tests leave."""
        top = self.folder / f"{number}" / "tree"
        shutil.copytree(self.whole, top, symlinks=True)
        return top

    def restore(self, top, name, files):
        for f in files:
            shutil.copy2(self.whole / f, top / f)
        for f, at in scan(top / name).items():
            if f not in self.times[name]:
                (top / name / f).unlink()
            elif self.times[name][f] != at:
                (top / name / f).unlink()  # a program that still runs cannot be written to
                shutil.copy2(self.whole / name / f, top / name / f)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def scan(top):
    """When each file below was changed."""
    times, top = {}, str(top)
    for folder, _, files in os.walk(top):
        for f in files:
            path = f"{folder}/{f}"
            times[path[len(top) + 1:]] = os.lstat(path).st_mtime_ns
    return times


def make(top, name, targets, jobs=1):
    if not targets:
        return
    r = subprocess.run(["make", "-s", "-C", str(top / name), f"-j{jobs}", f"CFLAGS={QUIET}", *targets],
                       capture_output=True, text=True, check=False)
    if r.returncode != 0:
        errors = [line for line in (r.stdout + r.stderr).splitlines() if "error" in line or "***" in line]
        raise Bad(f"does not build: {'; '.join(errors[:3])}")


RUNNING = set()


def end(p):
    """Asks first: what a test has started is in sessions of its own, and it alone ends it."""
    for sig, seconds in ((signal.SIGINT, 30), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(p.pid, sig)
            p.wait(seconds)
            return


def run(argv, seconds, cwd, **env):
    """Output and exit code; its whole process group is ended when it takes too long."""
    with subprocess.Popen(argv, cwd=cwd, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **env), text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True) as p:
        RUNNING.add(p)
        try:
            out, _ = p.communicate(timeout=seconds)
        except BaseException as e:
            end(p)
            if isinstance(e, subprocess.TimeoutExpired):
                raise Bad(f"{argv[-1]} did not end in {seconds} s") from e
            raise
        finally:
            RUNNING.discard(p)
        return out, p.returncode


def unit_results(top, path, node=None):
    """Which tests of a unit test program passed, and why the others did not."""
    program = top / "build" / path.removesuffix(".c")
    only = {"UNIT_TEST": node} if node else {}
    out, code = run([str(program)], UNIT_SECONDS, top / "build", srcdir="..", builddir=".", **only)
    passed, failed = set(), {}
    for ok, name, why in re.findall(r"^(ok|not ok) \d+ - [^:\n]+:[^:\n]+:(\w+)(?::\d+)?: (.*)$", out, re.M):
        if ok == "ok":
            passed.add(name)
        else:
            failed.setdefault(name, f"{CRASH}: {why}" if "Received signal" in why else why)
    if not passed and not failed:
        raise Bad(f"{path} ran no test (exit {code}): {out.strip()[-200:]}")
    return passed - set(failed), failed


def pytest_results(top, nodes):
    """The same of pytest's nodes; one that could not be set up is neither."""
    report, crashes = top.parent / "report.xml", top.parent / "crashes"
    crashes.mkdir(exist_ok=True)
    crashes.chmod(0o1777)  # daemons are under users of their own
    options = SANITIZER.format(crashes / "of")
    build = os.environ.get("CELLS_BUILD", "build-san") if nodes[0].startswith("tests/e2e") else "build"
    more = ["-x"] if len(nodes) == 1 else []
    out, _ = run(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *more, *nodes],
                 PYTEST_SECONDS + 60 * len(nodes), top, CELLS_BUILD=str(top / build), KCFLAGS="-w",
                 ASAN_OPTIONS=options, UBSAN_OPTIONS=options.replace("handle_abort", "print_stacktrace"))
    crashed = crash_told(crashes)
    passed, failed = set(), {}
    try:
        cases = xml.etree.ElementTree.parse(report).iter("testcase")
        report.unlink()
    except (OSError, xml.etree.ElementTree.ParseError) as e:
        raise Bad(f"pytest ran nothing: {out.strip()[-300:]}") from e
    for case in cases:
        node = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        wrong = {c.tag: (c.get("message") or c.text or "") for c in case if c.tag in ("failure", "error", "skipped")}
        if "failure" in wrong:
            failed.setdefault(node, crashed or wrong["failure"])
        elif wrong:
            failed.setdefault(node, f"{NOT_RUN}: {(wrong.get('error') or wrong.get('skipped')).strip()[:200]}")
        else:
            passed.add(node)
    if not passed and not failed:
        raise Bad(f"pytest ran nothing: {out.strip()[-300:]}")
    return passed - set(failed), failed


def crash_told(folder):
    """What a sanitizer wrote of a program that crashed, "" if none did; it is gone then."""
    told = ""
    for f in sorted(folder.iterdir()):
        line = next((x for x in f.read_text(errors="replace").splitlines() if re.search("ERROR: Addr|runtime error", x)), "")
        told = told or line and f"{CRASH}: {f.name}: {line}"
        f.unlink()
    return told


def lint_results(top, path):
    out, code = run([str(top / path)], UNIT_SECONDS, top / "build", srcdir="..", builddir=".")
    if re.search(r"^1\.\.0 # SKIP", out, re.M):
        raise Bad(f"{path} did not run: {out.strip()}")
    if code == 0 and not re.search(r"^not ok", out, re.M):
        return {path}, {}
    return set(), {path: next(iter(re.findall(r"^not ok.*", out, re.M)), f"exit {code}")}


def results(top, row, keys):
    """Which tests of the row's file passed, and why others failed; at least those of `keys` ran."""
    if row.kind == "unit":
        return unit_results(top, row.path, keys[0] if len(keys) == 1 else None)
    if row.kind == "lint":
        return lint_results(top, row.path)
    return pytest_results(top, keys)


class Trial:
    """Tries rows, each worker in a tree of its own, and counts."""

    def __init__(self, copy, jobs, until=None):
        self.copy, self.jobs, self.until = copy, jobs, until
        self.killed, self.bad, self.left, self.whole = 0, 0, 0, {}
        self.lock, self.groups = threading.Lock(), []

    def build(self, rows):
        for build in self.copy.builds:
            # Tests of e2e have programs of their own, which no row names.
            more = {"all"} if any(r.kind == "e2e" and r.build == build for r in rows) else set()
            make(self.copy.whole, build, sorted(more | {t for r in rows if r.build == build for t in r.targets()}), self.jobs)
        self.copy.settle()

    def all(self, rows):
        """Rows whose tests are in one file are one worker's: a file's tests are not made to
        run beside each other. What takes longest comes first."""
        groups = {}
        for r in rows:
            groups.setdefault(r.path, []).append(r)
        self.groups = sorted(groups.values(), key=lambda g: sum(SECONDS[r.kind] for r in g))
        threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(min(self.jobs, len(groups)))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def work(self, number):
        top = self.copy.tree(number)
        while True:
            with self.lock:
                if not self.groups:
                    return
                rows = self.groups.pop()
            self.baseline(top, rows)
            for r in rows:
                if self.until and time.monotonic() > self.until:
                    with self.lock:
                        self.left += 1
                    continue
                self.row(top, r)

    def baseline(self, top, rows):
        """What passes while all controls are in. A test that fails anyway shows nothing."""
        nodes = sorted({r.key() for r in rows})
        try:
            passed, failed = results(top, rows[0], nodes)
        except Bad as e:
            passed, failed = set(), {n: str(e) for n in nodes}
        for r in rows:
            n = r.key()
            self.whole[r.test] = failure(n, failed) or ("" if any(matches(n, p) for p in passed) else "it did not run")

    def attempt(self, top, row):
        """Why the test failed, or None if it passed without the control."""
        if self.whole[row.test]:
            raise Bad(f"{row.test} with all controls in: {self.whole[row.test]}")
        texts = row.patched(self.copy.whole)
        try:
            for f, text in texts.items():
                (top / f).write_text(text)
            make(top, row.build, row.targets())
            why = failure(row.key(), results(top, row, [row.key()])[1])
        finally:
            self.copy.restore(top, row.build, texts)
        if why and why.startswith(NOT_RUN):
            raise Bad(f"{row.test} {why}")
        if why and why.startswith(CRASH) and not row.crash:
            raise Bad(f"nothing refused, something {why}")
        return why

    def row(self, top, row):
        start = time.monotonic()
        try:
            why = self.attempt(top, row)
            word, more = ("killed", f": {' '.join(why.split())[:100]}") if why else ("SURVIVED", "")
            if not why:
                more = f": {row.test} passes without it ({', '.join(e.file for e in row.edits)}): {row.control}"
        except Bad as e:
            word, more = "BAD ROW", f": {e}"
        if self.until == float("-inf"):
            return  # ended in the middle: it says nothing of the row
        with self.lock:
            self.killed += word == "killed"
            self.bad += word != "killed"
            print(f"{word:8} {row.name}  {time.monotonic() - start:.1f} s{more}", flush=True)


def matches(wanted, got):
    return got == wanted or got.startswith(wanted + "[")


def failure(wanted, failed):
    return next((why or "failed" for name, why in failed.items() if matches(wanted, name)), None)


def lab_lacks():
    r = subprocess.run([str(TOP / "tests/lab/lab.py"), "lacks"], capture_output=True, text=True, check=False)
    return r.stdout.strip() if r.returncode == 0 else None


def chosen(rows, args):
    """The rows to try, with those of one file beside each other."""
    if args.row:
        picked = [r for r in rows if any(r.name == n or r.name.startswith(n + "/") for n in args.row)]
        for n in args.row:
            if not any(r.name == n or r.name.startswith(n + "/") for r in rows):
                raise Bad(f"there is no row or area '{n}'")
    else:
        picked = rows
    if not args.long and not args.row:
        picked = [r for kind, n in SAMPLE_ROWS.items() for r in sample([r for r in picked if r.kind == kind and not r.long], n)]
    if any(r.kind == "lab" for r in picked) and (lacks := lab_lacks()):
        print(f"skipped: rows of the lab: {lacks}")
        picked = [r for r in picked if r.kind != "lab"]
    return picked


def sample(rows, count):
    """One row of so many, from all over the table, and the next ones on the next day."""
    step = max(1, len(rows) // count)
    return rows[datetime.date.today().toordinal() % step::step]


def applies(rows):
    """Finds what does not apply any more at once, and without a build."""
    bad = 0
    for r in rows:
        try:
            r.patched(TOP)
            r.check_test()
        except Bad as e:
            print(f"BAD ROW  {r.name}: {e}")
            bad += 1
    return bad


def main():
    ap = argparse.ArgumentParser(prog="./run controls", description="Takes controls out, one at a time: the test of each must fail.")
    ap.add_argument("row", nargs="*", help="AREA/ID, or AREA for all of one file; without, a sample that changes with the day")
    ap.add_argument("--long", action="store_true", help="all rows")
    ap.add_argument("--jobs", type=int, default=min(os.cpu_count(), 4), help="workers; without, one for each processor, up to 4")
    ap.add_argument("--list", action="store_true", help="print the table")
    ap.add_argument("--applies", action="store_true", help="only check that all rows apply")
    args = ap.parse_args()
    start = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        rows = load()
        if args.list:
            for r in rows:
                print(f"{r.name}\t{r.control}\t{', '.join(e.file for e in r.edits)}\t{r.test}")
            return 0
        picked = rows if args.applies else chosen(rows, args)
        unappliable = applies(picked)
        if args.applies or unappliable:
            print(f"{len(picked) - unappliable} passed, {unappliable} failed")
            return bool(unappliable)
    except Bad as e:
        print(f"controls: {e}", file=sys.stderr)
        return 1
    copy = Copy(sorted({r.build for r in picked}))
    t = Trial(copy, args.jobs, None if args.long or args.row else start + SAMPLE_SECONDS)
    try:
        t.build(picked)
        print(f"{len(picked)} of {len(rows)} rows; ready after {time.monotonic() - start:.0f} s", flush=True)
        t.all(picked)
    finally:
        t.until = float("-inf")  # nobody begins another row
        for p in list(RUNNING):
            end(p)
        copy.close()
    if untried := len(picked) - t.killed - t.bad - t.left:
        print(f"BAD ROW: {untried} rows were not tried: a worker ended before")
        t.bad += untried
    if t.left:
        print(f"{t.left} rows were left: the {SAMPLE_SECONDS} s of a sample are over")
    print(f"{t.killed} passed, {t.bad} failed\nin {time.monotonic() - start:.0f} s")
    return bool(t.bad)


if __name__ == "__main__":
    sys.exit(main())
