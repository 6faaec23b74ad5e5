# SPDX-License-Identifier: Apache-2.0
"""The examples of README and docs/ are run as they are, one session a document; docsession.py says how."""
import os
import subprocess

import pytest

import docsession
import harness

DOCUMENTS = sorted(p for p in [harness.TOP / "README.md", *harness.TOP.glob("docs/*.md")] if docsession.blocks(p.read_text()))
ELSEWHERE_MAX = 12  # blocks of all documents together that cannot be run here


def test_a_wrong_example_is_found():
    (words, lines), = docsession.blocks("text\n```console again\n$ echo a \\\n    b\na b\n...\nend …\n```\n")
    assert words == ["again"]
    (command, wanted), = docsession.commands(lines)
    assert command == "echo a \\\n    b" and wanted == ["a b", "...", "end …"]
    assert docsession.prints(wanted, "a  b\nx\ny\nend of it\n") and docsession.prints(wanted, "a b\nend x\n")
    assert not docsession.prints(wanted, "a c\nend\n") and not docsession.prints(wanted, "a b\n")
    assert docsession.prints(["dev-0123456789ab  ok"], "dev-ba9876543210 ok\n") and not docsession.prints(["x"], "")
    assert docsession.prints([], "whatever\n")


def test_few_examples_are_not_run():
    skipped = [words for p in DOCUMENTS for words, _ in docsession.blocks(p.read_text()) if "elsewhere" in words]
    assert len(skipped) <= ELSEWHERE_MAX
    known = {(), ("again",), ("elsewhere",)}
    assert {tuple(words) for p in DOCUMENTS for words, _ in docsession.blocks(p.read_text())} <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.stem)
def test_examples_do_what_the_document_says(world, document):
    cgroup = f"cells-{os.getpid()}-{document.stem}"
    world.closers.append(lambda: harness.end_vps(cgroup))
    r = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "/usr/bin/python3",
                        docsession.__file__, document, world.subfolder("machine"), cgroup],
                       capture_output=True, text=True, timeout=900, check=False)
    assert r.returncode == 0, r.stdout[-6000:] + r.stderr[-2000:]
