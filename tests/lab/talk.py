# SPDX-License-Identifier: Apache-2.0
"""A program on the phone that does what a test on the host asks for: both ends of it.

A line in is [function, arguments, named arguments]; a line out is the answer, or
{"errno": NAME, "why": text}."""
import errno
import json
import sys


def serve(functions):
    """In the program: answers until its standard input ends."""
    for line in sys.stdin:
        name, args, named = json.loads(line)
        try:
            answer = functions[name](*args, **named)
        except OSError as e:
            answer = {"errno": errno.errorcode.get(e.errno, e.errno), "why": str(e)}
        print(json.dumps(answer), flush=True)


class Refused(Exception):
    """What was said no to: the name of the errno, and why."""


class Talk:
    """In the test: the program's functions are methods here."""

    def __init__(self, phone, argv, seconds=60):
        self.phone, self.front, self.seconds = phone, 0, seconds
        self.job = phone.spawn(argv)

    def request(self, name, *args, **named):
        """Does not wait for the answer."""
        self.job.send(json.dumps([name, args, named]) + "\n")

    def reply(self):
        answer = json.loads(self.job.line(self.seconds))
        if isinstance(answer, dict) and "errno" in answer:
            raise Refused(answer["errno"], answer["why"])
        return answer

    def __getattr__(self, name):
        def call(*args, **named):
            self.request(name, *args, **named)
            return self.reply()
        return call

    def to(self, number):
        """Switches the foreground, for programs that have `switch`."""
        took = self.switch(self.front, number)
        self.front = number
        return took
