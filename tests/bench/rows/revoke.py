# SPDX-License-Identifier: Apache-2.0
"""How long a policy takes that takes a camera away from handles that are open."""
import contextlib
import types

from bench import Side, Skip
from labscene import RIGHTS, SCENE, cuts

GROUP = "revoke"
HANDLES = (1, 100, 10000)
ROUNDS = {1: 51, 100: 31, 10000: 5}


@contextlib.contextmanager
def sides(n, last):
    try:
        SCENE.open()

        def hold():
            SCENE.devns.rights({SCENE.vp: RIGHTS})
            SCENE.ask(f"hold /dev/video0.d1 {n}")

        def drop():
            SCENE.ask("drop")

        def revoke(table):
            SCENE.devns.generation += 1
            answer = SCENE.devns.policy(SCENE.devns.generation, {SCENE.vp: table})
            cut = sum(c["HANDLES"] for c in cuts(answer).values())
            want = 0 if "camera" in table else n
            if cut != want:
                raise Skip(f"{cut} handles were cut, not {want}: {answer}")
            return answer["TOOK"] / 1e9
        yield [Side("policy that revokes", lambda: revoke({"sensors": "shared"}), before=hold, after=drop, ours=True,
                    note="the module's own clock, to the last handle dead"),
               Side("policy that changes nothing", lambda: revoke(RIGHTS), before=hold, after=drop)]
    except BaseException:
        SCENE.close()
        raise
    if last:
        SCENE.close()


def rows(wanted):
    return [types.SimpleNamespace(
        NAME=f"{GROUP}-{n}", GROUP=GROUP, WORK=f"a camera is taken from {n:,} open handle{'s' if n > 1 else ''} (emulated phone)",
        ROUNDS=ROUNDS[n], LIMIT=None, sides=lambda n=n, last=(wanted or n == HANDLES[-1]): sides(n, last)) for n in HANDLES]
