#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Names of functions, as TAP: a stranger finds a function by its name alone.

With --numbers it prints what the tree comes to instead. A rule comes with a bad
example that it must catch, tried first."""
import collections
import pathlib
import re
import statistics
import sys

import layout
import ties

LENGTH_MEDIAN_MIN = 14
LINES_MAX = 60
# Verbs that say all by themselves.
ONE_WORD = {"main", "parse"}
# Called by name from elsewhere: the kernel finds its programs in device.bpf.c so.
BY_NAME = {"cells_device"}
DEFINITION = re.compile(r"^(?!typedef\b|return\b)((?:[A-Za-z_][\w *\n]*[\s*])?)(\w+)\(([^;{}]*?)\)[^;{}()]*\n\{\n(.*?)^\}", re.M | re.S)


class Function:
    def __init__(self, path, kind, name, lines):
        self.path, self.name, self.lines = path, name, lines
        self.static = "static" in kind.split()
        self.is_void = kind.split()[-1:] == ["void"] and not kind.rstrip().endswith("*")
        self.exported = not self.static and path.endswith(".c") or self.static and path.endswith(".h")


def functions(path, text):
    """The functions that a file defines, in the layout that clang-format gives."""
    code = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)
    code = re.sub(r"__attribute__\(\((?:[^()]|\([^()]*\))*\)\)\s*", "", code)
    code = re.sub(r"^[A-Z]\w*\(.*\)$", "", code, flags=re.M)  # macros on a line of their own
    return [Function(path, m[1], m[2], m[0].count("\n") + 1) for m in DEFINITION.finditer(code)
            if not m[2].isupper()]


def words(name):
    return len([w for w in name.split("_") if w])


def one_word(found, _texts):
    return [f"{f.path}: {f.name}" for f in found if words(f.name) < 2 and f.name not in ONE_WORD]


def declared_in(name, path, texts):
    """The stems that may prefix an export: its file's, and its header's."""
    folder = pathlib.PurePath(path).parent
    return {pathlib.PurePath(p).stem for p, t in texts.items()
            if p == path or p.endswith(".h") and pathlib.PurePath(p).parent == folder and re.search(rf"\b{name}\b", t)}


def no_prefix(found, texts):
    return [f"{f.path}: {f.name}" for f in found
            if f.exported and f.name != "main" and f.name not in BY_NAME and not f.path.startswith("kernel/uapi/")
            and not any(f.name == s or f.name.startswith((s + "_", *(["devns_" + s + "_"] if f.path.startswith("kernel/") else [])))
                        for s in declared_in(f.name, f.path, texts))]


def private(found, texts):
    """An export that no other file uses is a static function, or dead."""
    used = collections.defaultdict(set)
    for path, text in texts.items():
        for word in set(re.findall(r"[A-Za-z_]\w+", text)):
            used[word].add(path)
    return [f"{f.path}: {f.name}" for f in found
            if f.exported and f.path.endswith(".c") and f.name != "main" and f.name not in BY_NAME
            and not any(p != f.path and not p.endswith(".h") for p in used[f.name])
            and not any(p.endswith(".h") and re.search(rf"\b{f.name}\b", body(texts[p])) for p in used[f.name])]


def body(text):
    """What a header does, not what it declares: its macros and inline functions."""
    return "\n".join(re.findall(r"^#define (?:.*\\\n)*.*$", text, re.M) + re.findall(r"^\{\n.*?^\}", text, re.M | re.S))


def too_long(found, _texts):
    return [f"{f.path}: {f.name} has {f.lines} lines" for f in found if f.lines > LINES_MAX]


def short_names(found, _texts):
    """The median of each program."""
    lengths = collections.defaultdict(list)
    for f in found:
        lengths[f.path.split("/")[0]].append(len(f.name))
    return [f"{folder}: the median name has {statistics.median(n):g} characters" for folder, n in lengths.items()
            if statistics.median(n) < LENGTH_MEDIAN_MIN]


def void_checks(found, _texts):
    """What checks or is asked has an answer; what acts is named by what it does."""
    return [f"{f.path}: {f.name}" for f in found if f.is_void
            and re.match("(check|verify|is|has|can)_", f.name.removeprefix(pathlib.PurePath(f.path).stem + "_"))]


def unread(found, texts):
    """As many functions are read as there are bodies, so that no layout hides one."""
    read = collections.Counter(f.path for f in found)
    return [f"{path}: {read[path]} of {n} functions were read" for path, text in texts.items()
            if not path.startswith("tests/") and path.endswith(".c") and (n := len(re.findall(r"^\{$", text, re.M))) != read[path]]


RULES = [
    ("a function's name has two words", one_word, {"lib/x.c": "static int take(void)\n{\n\treturn 0;\n}\n"}),
    ("an export starts with its file's stem, or its header's", no_prefix, {"lib/x.c": "int y_take(void)\n{\n\treturn 0;\n}\n"}),
    ("an export is used by another file", private, {"lib/x.c": "int x_take(void)\n{\n\treturn 0;\n}\n", "lib/x.h": "#define X 1\nint x_take(void);\n"}),
    (f"a function has at most {LINES_MAX} lines", too_long, {"lib/x.c": "int x_take(void)\n{\n" + "\n" * 70 + "}\n"}),
    ("what checks or is asked returns something", void_checks, {"lib/x.c": "void x_check_it(void)\n{\n\treturn;\n}\n"}),
    ("every function is read", unread, {"lib/x.c": "int X(y)(void)\n{\n\treturn 0;\n}\n"}),
    (f"the median name of a program has {LENGTH_MEDIAN_MIN} characters", short_names, {"lib/x.c": "int x_take(void)\n{\n\treturn 0;\n}\n"}),
]


def all_functions(texts):
    return [f for path, text in texts.items() if not path.startswith("tests/") for f in functions(path, text)]


def numbers(found, texts):
    few = len(one_word(found, texts))
    print(f"functions: {len(found)}")
    print(f"of one word: {few} ({100 * few / len(found):.1f} %)")
    print(f"median length of a name: {statistics.median(len(f.name) for f in found):g}")
    print(f"longest function: {max(f.lines for f in found)} lines")
    print(f"exports: {sum(f.exported for f in found)}, without prefix: {len(no_prefix(found, texts))}, private: {len(private(found, texts))}")
    folders = collections.Counter(str(pathlib.PurePath(p).parent) for p in texts if p.endswith(".c") and not p.startswith("tests/"))
    print("sources a folder: " + ", ".join(f"{n} {d}" for d, n in folders.most_common(6)))


def main():
    texts = {f: t for f, t in layout.tracked_files().items() if f.endswith((".c", ".h", ".def"))}
    if not texts:
        print("1..0 # SKIP not a git checkout")
        return 0
    found = all_functions(texts)
    if sys.argv[1:] == ["--numbers"]:
        numbers(found, texts)
        ties.numbers(texts)
        return 0
    results = []
    for name, check, example in RULES:
        complaints = check(found, texts)
        if not check(all_functions(example), example):
            complaints.append("the rule did not catch its own bad example")
        results.append((name, complaints))
    return layout.print_tap(results)


if __name__ == "__main__":
    sys.exit(main())
