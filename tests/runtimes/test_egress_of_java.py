"""Java's sockets go out unchanged: plain ones, and channels that are registered with a selector before they connect."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from serein.runtimes import languages
from tests.runtimes.conftest import Bench

COMPILER = languages.compiler_of(languages.installed_javas().values())
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no JDK is installed")

SOURCE = """
package app;
import java.io.*;
import java.net.*;
import java.nio.*;
import java.nio.channels.*;
import java.util.*;

public class Reaching {
  public Object all(int port) throws Exception {
    List<Object> told = new ArrayList<>();
    try (Socket socket = new Socket("127.0.0.1", port)) {
      socket.getOutputStream().write("plain".getBytes());
      told.add(new String(socket.getInputStream().readNBytes(5)));
    }
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress("127.0.0.1", port), 2000);
      told.add(socket.getPort() == port);
    }
    try (Selector selector = Selector.open(); SocketChannel channel = SocketChannel.open()) {
      channel.configureBlocking(false);
      SelectionKey key = channel.register(selector, 0);
      channel.connect(new InetSocketAddress("127.0.0.1", port));
      key.interestOps(SelectionKey.OP_CONNECT);
      selector.select(2000);
      told.add(channel.finishConnect());
      channel.write(ByteBuffer.wrap("channel".getBytes()));
      key.interestOps(SelectionKey.OP_READ);
      selector.select(2000);
      ByteBuffer got = ByteBuffer.allocate(7);
      channel.read(got);
      told.add(new String(got.array()));
    }
    try (Socket socket = new Socket("127.0.0.1", 1)) {
      told.add("connected");
    } catch (ConnectException error) {
      told.add(error.getMessage());
    }
    return told;
  }
}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        threading.Thread(target=_serve, args=(made,), daemon=True).start()
        yield made


def _serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_shout, args=(connection,), daemon=True).start()


def _shout(connection: socket.socket) -> None:
    with connection:
        while data := connection.recv(65_536):
            connection.sendall(data.upper())


def test_java(server: socket.socket, tmp_path_factory: pytest.TempPathFactory):
    port = server.getsockname()[1]
    work = tmp_path_factory.mktemp("java")
    (work / "Reaching.java").write_text(SOURCE)
    command = [str(COMPILER), "--release", "11", "-d", str(work), str(work / "Reaching.java")]
    subprocess.run(command, check=True)
    bench = Bench(work, reachable=(("127.0.0.1", port),))
    try:
        if not bench.pool.nursery._stations["python"].zygote.machine.get("watch"):
            pytest.skip("the kernel does not ask about calls here")
        spec = bench.function(
            "",
            file="nothing",
            runtime="java17",
            handler="app.Reaching::all",
            timeout_s=30.0,
            memory_mb=512,
        )
        subprocess.run(["cp", "-r", str(work / "app"), spec.code], check=True)
        outcome = bench.invoke(spec, port)
        assert outcome.error is None, outcome.payload
        told = json.loads(outcome.payload)
        assert told[:4] == ["PLAIN", True, True, "CHANNEL"]
        assert told[4].startswith("Connection refused")
    finally:
        bench.close()
