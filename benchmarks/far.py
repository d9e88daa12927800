"""A database that is farther away: `python benchmarks/far.py PORT SOCKET MS` hands on what comes to PORT, so many milliseconds later.

Each way takes MS, so a round trip takes 2 MS more. Threads that sleep, for event loops count in whole milliseconds.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import sys
import threading
import time


def hand_on(source: socket.socket, target: socket.socket, late_s: float) -> None:
    """Everything from one side to the other, each piece as late as that."""
    pieces: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def write() -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = pieces.get()
                if (wait_s := due - time.monotonic()) > 0:
                    time.sleep(wait_s)
                if not data:
                    break
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    threading.Thread(target=write, daemon=True).start()
    data = b"-"
    while data:
        try:
            data = source.recv(262_144)
        except OSError:
            data = b""
        pieces.put((time.monotonic() + late_s, data))


def main() -> None:
    """Listen until killed."""
    port, path, late_s = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]) / 1000
    listener = socket.create_server(("127.0.0.1", port), backlog=200)
    print("ready", flush=True)
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = socket.socket(socket.AF_UNIX)
        server.connect(path)
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=hand_on, args=(one, other, late_s), daemon=True).start()


if __name__ == "__main__":
    main()
