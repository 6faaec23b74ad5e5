#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The English of comments, messages, schemas and documents, as TAP: subject,
verb, object, and the words that the field uses.

A turn comes with what to write instead and a bad example that must be caught,
tried first. `there is no x` is none of them."""
import re
import sys

import layout

# (what it looks like, what to write, an example)
TURNS = [
    (r"\b(?:stands?|stood)\b", "is, comes, means; for 'stands twice': duplicate x", "key 'x' stands twice"),
    (r"\banew\b", "again", "begins anew"),
    (r"\bbegun\b", "started", "what was begun"),
    (r"\bwho(?:m|se)?ever\b", "name the person or part", "whoever asks"),
    (r"\b(?:tells?|told)\b", "says, reports, shows, sends", "the server tells no digest"),
    (r"(?<!\bthere )\b(?:is|are|was|were) no (?!one\b|longer\b|more\b)", "is not a x", "'x' is no digest"),
    (r"\bis not said\b", "Default: x; not set", "4 if it is not said"),
    (r"\bmay lack\b", "optional", "a member that may lack"),
    (r"\b(?:takes?|taken) apart\b", "parse, parsed", "a head taken apart"),
    (r"\bcalled wrongly\b", "the command line was wrong", "64 when it was called wrongly"),
    (r"\b(?:as ever|from afar|won back)\b", "still; remotely; recovered", "its blocks hold as ever"),
    (r"\b(?:errands?|deeds?|witness(?:es)?|envoys?)\b", "command, audit, worker", "an errand of the server"),
]
CHECKED = [(re.compile(pattern, re.I), instead) for pattern, instead, _ in TURNS]
# Comments, strings and line breaks.
C = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\n', re.S)
SCRIPT = re.compile(r'""".*?"""|#[^\n]*|"(?:\\.|[^"\\\n])*"|\n', re.S)
# Quotations, and a column that is called so.
QUOTED = re.compile(r"`[^`\n]*`|UPDATE job SET begun|receipt, void, begun|job ADD COLUMN begun|SELECT begun FROM job")
# A list of words for passphrases, and examples of documents in others' words.
LEFT_OUT = ("data/words", "schema/examples/", "tests/fuzz/corpus/", "tests/lint/english.py", "LICENSE")
SUFFIXES = (".c", ".h", ".def", ".sql", ".xml", ".xsd", ".yaml", ".json", ".conf", ".md", ".1", ".5", ".7", ".8", ".in", ".py", ".sh", ".toml")


def prose(path, text):
    """What people read of a file: of a program its comments and strings."""
    text = QUOTED.sub("", text)
    if path.endswith((".py", ".sh")):
        spoken = SCRIPT
    elif path.endswith((".c", ".h", ".def")):
        spoken = C
    else:
        return text
    return " | ".join(m[0] for m in spoken.finditer(text))


def banned(path, text):
    # A turn may be broken over two lines of a comment.
    flat = re.sub(r"\s*\n[ \t]*(?:\*(?!/) ?|--|;)?[ \t]*", "\n", prose(path, text))
    for pattern, instead in CHECKED:
        for m in pattern.finditer(flat.replace("\n", " ")):
            yield f"{path}: {' '.join(flat[max(0, m.start() - 30):m.end() + 20].split())} (write: {instead})"


def main():
    for _, _, example in TURNS:
        if not list(banned("lib/x.c", f"/* {example} */\n")):
            sys.exit(f"english: '{example}' is not caught")
    files = layout.tracked_files()
    if not files:
        print("1..0 # SKIP not a git checkout")
        return 0
    found = []
    for path, text in files.items():
        if path.endswith(SUFFIXES) and not path.startswith(LEFT_OUT):
            found += banned(path, text)
    if "--numbers" in sys.argv:
        print(f"banned words and turns: {len(found)}")
        return 0
    return layout.print_tap([("no banned word or turn", found)])


if __name__ == "__main__":
    sys.exit(main())
