#!/usr/bin/env python3
"""Ports of 127.0.0.1 that nobody else is given while a test lasts.

A socket is bound to each and never listens. A node may listen there all the same, and
again after it ended, since both ask for SO_REUSEADDR; but the kernel gives the port to
nobody who asks for any, nor to whoever connects.

    ports.py PID    prints one, and holds it until the process PID has ended
"""
import os
import socket
import sys
import time

HELD = []


def free_port():
    """Held for as long as this process lives."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(('127.0.0.1', 0))
    HELD.append(held)
    return held.getsockname()[1]


def hold_for(pid):
    os.setsid()
    os.chdir('/')
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    while os.path.exists(f'/proc/{pid}'):
        time.sleep(0.5)


if __name__ == '__main__':
    print(free_port(), flush=True)
    if os.fork() == 0:
        hold_for(int(sys.argv[1]))
