#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A piece of internet for tests: servers in a network namespace that the test made.

Serves on each address:port of the arguments: TCP says its name, then echoes what it hears; port 53 answers
every DNS question for an A record with 203.0.113.7, over UDP. Port 9 swallows UDP, port 19 sends without end.
"""
import socket
import sys
import threading


def talk(c, name):
    with c:
        c.sendall(f"{name} sees {c.getpeername()[0]}\n".encode())
        while True:
            data = c.recv(65536)
            if not data:
                return
            c.sendall(data)


def pour(c, _name):
    with c:
        block = b"x" * 65536
        while True:
            c.sendall(block)


def attempt(fn, *args):
    try:
        fn(*args)
    except OSError:
        pass


def tcp(address, port):
    s = socket.create_server((address, port))
    while True:
        c, _ = s.accept()
        threading.Thread(target=attempt, args=(pour if port == 19 else talk, c, f"{address}:{port}"), daemon=True).start()


def dns(address, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, port))
    while True:
        q, peer = s.recvfrom(512)
        end = 12
        while q[end]:
            end += q[end] + 1
        question = q[12:end + 5]
        is_a = question[-4:-2] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes([203, 0, 113, 7]) if is_a else b""
        s.sendto(q[:2] + b"\x81\x80\0\1\0" + bytes([is_a]) + b"\0\0\0\0" + question + answer, peer)


for word in sys.argv[1:]:
    host, number = word.split(":")
    threading.Thread(target=dns if number == "53" else tcp, args=(host, int(number)), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
