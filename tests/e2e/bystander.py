#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Somebody on the host, as the agent is: `bystander.py USER FOLDER PAGE SERVER` does for each line that it reads what the
agent and a VP's visitors do, and answers with what failed and how long each look at the page took, as JSON."""
import ctypes
import json
import os
import pwd
import select
import socket
import sys
import tempfile
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PAGES = 20


def place(text):
    host, port = text.split(":")
    return host, int(port)


def look(page):
    begin = time.monotonic()
    with socket.create_connection(place(page), 5) as s:
        s.sendall(b"GET /page HTTP/1.0\r\n\r\n")
        answer = b""
        while data := s.recv(4096):
            answer += data
    assert answer.endswith(b"personal\n"), answer
    return time.monotonic() - begin


def connect(server):
    with socket.create_connection(place(server), 5) as s:
        assert s.recv(100)


def write(folder):
    with tempfile.NamedTemporaryFile(dir=folder) as f:
        f.write(b"x" * 65536)
        f.flush()
        os.fsync(f.fileno())


def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def take(fd):
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.close(fd)


def pipe():
    for fd in os.pipe():
        os.close(fd)


def terminal():
    for fd in os.openpty():
        os.close(fd)


def queue():
    name = f"/bystander-{os.getpid()}".encode()
    take(LIBC.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None))
    LIBC.mq_unlink(name)


def memory():
    assert bytearray(8 << 20)


def main():
    user, folder, page, server = sys.argv[1:]
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    acts = {"connect": lambda: connect(server), "write": lambda: write(folder), "fork": fork, "pipe": pipe, "terminal": terminal,
            "queue": queue, "memory": memory, "inotify": lambda: take(LIBC.inotify_init1(0)),
            "epoll": lambda: select.epoll().close(), "socket": lambda: socket.socket(socket.AF_UNIX).close()}
    print("ready", flush=True)
    for _ in sys.stdin:
        failed, seconds = {}, []
        for name, act in acts.items():
            try:
                act()
            except (OSError, AssertionError) as e:
                failed[name] = repr(e)
        for _ in range(PAGES):
            try:
                seconds.append(look(page))
            except (OSError, AssertionError) as e:
                failed["page"] = repr(e)
        print(json.dumps({"failed": failed, "seconds": seconds}), flush=True)


main()
