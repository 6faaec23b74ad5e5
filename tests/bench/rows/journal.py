# SPDX-License-Identifier: Apache-2.0
"""A durable commit by cellsd's journal, and by SQLite on the same disk with the same records."""
import contextlib
import subprocess

import harness
from bench import Side

NAME = "journal"
WORK = "one commit of a start's three records (about 90 bytes), on the disk of the temporary folder"
ROUNDS = 20
COMMITS = 100
LIMIT = "a durable commit takes one fsync at least"


def commits(folder, who):
    def run():
        out = subprocess.run([harness.program("journal"), who, str(COMMITS), folder], check=True, capture_output=True,
                             text=True).stdout
        return int(out) / 1e9
    return run


@contextlib.contextmanager
def sides():
    with harness.World() as world:
        folder = world.subfolder("journal")
        yield [Side("cellsd's journal", commits(folder, "journal"), ours=True, note="one write, one fsync"),
               Side("SQLite, durable", commits(folder, "sqlite"), package="libsqlite3-0", note="WAL, synchronous = FULL"),
               Side("journal, unsynced", commits(folder, "journal-unsynced"), note="what lasts until the machine is off"),
               Side("SQLite, unsynced", commits(folder, "sqlite-unsynced"), package="libsqlite3-0",
                    note="WAL, synchronous = OFF")]
