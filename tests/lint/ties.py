#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ties between files, as TAP: who includes whom.

x.c and x.h of one folder are one node. No circle is allowed between nodes, and
the sub-folders of a program include each other in one direction only.
names.py --numbers has the counts."""
import pathlib
import re
import sys

import layout

# The sub-folders of a program from the bottom up: each may include those before
# it. "" is the files at the program's top.
ORDER = {
    "cellsd": ["net", "container", "device", "vp", "storage", "lifecycle", "bus", ""],
    "mgmt-server": ["store", "core", "channel", "fleet", "api", "listener", ""],
    "policyd": ["store", "document", "receipt", "access", "layer", "bus", ""],
}
# Headers at a program's top that lie below all of its sub-folders.
BELOW = {"cellsd/limits.h"}
# The struct of each program that gives access to all of it.
CONTEXTS = {"cellsd": "host", "mgmt-server": "server", "policyd": "policyd"}
# Where few files need that, they stay few.
KNOWING_MAX = {"cellsd": 5, "mgmt-server": 3}
INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)


def node(path):
    return path.rsplit(".", 1)[0]


def include_graph(texts):
    """The nodes that each node includes; of headers that are in the tree."""
    graph = {node(p): set() for p in texts if not p.startswith("tests/")}
    for path, text in texts.items():
        if not path.startswith("tests/"):
            graph[node(path)] |= {node(t) for t in INCLUDE.findall(text) if node(t) in graph} - {node(path)}
    return graph


def reachable(graph, start):
    seen, todo = set(), [start]
    while todo:
        for n in graph[todo.pop()] - seen:
            seen.add(n)
            todo.append(n)
    return seen


def circles(texts):
    """The strongly connected components of more than one node."""
    graph = include_graph(texts)
    reach = {n: reachable(graph, n) for n in graph}
    found = {frozenset(m for m in reach[n] if n in reach[m]) for n in graph if n in reach[n]}
    return sorted("a circle: " + ", ".join(sorted(c)) for c in found)


def subfolder(path):
    parts = pathlib.PurePath(path).parts
    return parts[0], parts[1] if len(parts) > 2 else ""


def against_order(texts):
    """The includes from a sub-folder to one above it."""
    found = []
    for path, text in texts.items():
        program, folder = subfolder(path)
        order = ORDER.get(program)
        if order and folder not in order:
            found.append(f"{path}: {folder}/ has no place in the order")
        elif order:
            found += [f"{path} includes {t}" for t in INCLUDE.findall(text)
                      if subfolder(t)[0] == program and t not in BELOW and subfolder(t)[1] not in order[:order.index(folder) + 1]]
    return found


def knowing(texts, program, context):
    """The nodes of a program that mention its context."""
    return {node(p) for p, t in texts.items() if p.startswith(program + "/") and re.search(rf"\bstruct {context}\b", t)}


def known_widely(texts):
    return [f"{len(known)} files of {program} know struct {CONTEXTS[program]}, at most {most} are to: {', '.join(sorted(known))}"
            for program, most in KNOWING_MAX.items() if len(known := knowing(texts, program, CONTEXTS[program])) > most]


RULES = [
    ("no circle between files", circles,
     {"a/x.c": '#include "a/y.h"\n', "a/x.h": "", "a/y.h": '#include "a/x.h"\n'}),
    ("the sub-folders of a program include in one direction", against_order,
     {"mgmt-server/store/x.c": '#include "mgmt-server/core/y.h"\n'}),
    ("the context of a program stays on its top floor", known_widely,
     {f"cellsd/vp/{n}.c": "struct host;\n" for n in range(6)}),
]


def numbers(texts):
    print(f"circles: {len(circles(texts))}")
    print(f"includes against the order of sub-folders: {len(against_order(texts))}")
    for program, context in CONTEXTS.items():
        print(f"files of {program} that know struct {context}: {len(knowing(texts, program, context))}")


def main():
    texts = {f: t for f, t in layout.tracked_files().items() if f.endswith((".c", ".h"))}
    if not texts:
        print("1..0 # SKIP not a git checkout")
        return 0
    return layout.print_tap([(name, check(texts) if check(bad) else ["the rule did not catch its own bad example"])
                             for name, check, bad in RULES])


if __name__ == "__main__":
    sys.exit(main())
