"""Functions over HTTP, as their callers see them: `python benchmarks/functions.py [--only warm,cold] [--no-peers]`.

Serein runs with a durable store and authorisation on: a user of its own, with an identity policy, signs each request. Peers
(moto server, ministack) run in turn with it, where they run functions at all without a container engine; where they do not,
the table says so. Before and after, the machine's load is printed: read a crowded machine's numbers as ratios.

cases   memory: what an idle environment costs, shared pages counted once
        warm: latency and throughput of 1, 16 and 64 clients, on one function and on 32
        cold: first answers by runtime, by size of dependencies, with and without SnapStart
        many: 1,000 functions deployed, random ones invoked, memory
        sources: records a second through event source mappings of a queue and of a stream
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import functions_apps as apps
import run
from botocore.credentials import Credentials
from ends import End, Request
from replay import wrk

ROUNDS = 15
REST_S = 0.25  # between cold starts: what is forked ahead is forked again meanwhile


class Wire:
    """One connection, kept open: a client that costs nothing to speak of."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._host = f"{host}:{port}"
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes, float]:
        """Status, headers, body, and milliseconds from the first byte sent to the last one come."""
        body = request["body"].encode("latin1")
        headers = {"Host": self._host, **request["headers"], "Content-Length": str(len(body))}
        lines = [f"{request['method']} {request['path']} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        data = "\r\n".join(lines).encode("latin1") + b"\r\n\r\n" + body
        began = time.perf_counter()
        self._socket.sendall(data)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        head, _, rest = answer.partition(b"\r\n\r\n")
        first, *told = head.decode("latin1").split("\r\n")
        fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in told)}
        size = int(fields.get("content-length", "0"))
        while len(rest) < size:
            rest += self._more()
        return int(first.split()[1]), fields, rest, (time.perf_counter() - began) * 1000

    def _more(self) -> bytes:
        data = self._socket.recv(262_144)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data


class Server(End):
    """One server under measurement, with what its functions need."""

    def __init__(self, name: str, url: str, pid: int | None = None) -> None:
        key = run.user_of(url) if name == "serein" else {}
        credentials = Credentials(
            key.get("AWS_ACCESS_KEY_ID", "test"), key.get("AWS_SECRET_ACCESS_KEY", "test")
        )
        super().__init__(url, credentials, name)
        self.pid = pid
        self.role = ""

    def invocation(self, name: str, body: bytes = b'{"k":1}') -> Request:
        """A signed Invoke."""
        path = f"/2015-03-31/functions/{name}/invocations"
        return self.signed(
            "lambda", path=path, headers={"Content-Type": "application/json"}, body=body
        )

    def prepare(self) -> None:
        """A role for its functions."""
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
        document = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
        iam = self.client("iam")
        answer = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps(document))
        self.role = answer["Role"]["Arn"]
        iam.put_role_policy(RoleName="runs", PolicyName="all", PolicyDocument=json.dumps(run.ALL))

    def deploy(self, name: str, app: apps.App, **settings: Any) -> str:
        """Create a function and wait until it is active; its name."""
        aws = self.client("lambda")
        given = {"Runtime": app.runtime, "Handler": app.handler, "Timeout": 30, **settings}
        aws.create_function(
            FunctionName=name, Role=self.role, Code={"ZipFile": app.archive()}, **given
        )
        for _ in range(200):
            state = aws.get_function(FunctionName=name)["Configuration"].get("State", "Active")
            if state == "Active":
                break
            time.sleep(0.02)
        return name


def first_answers(end: Server, names: list[str], rest_s: float = REST_S) -> list[float]:
    """Milliseconds of one Invoke of each. Raises RuntimeError for one that fails."""
    wire, times = Wire(end.url), []
    for name in names:
        request = end.invocation(name)
        time.sleep(rest_s)
        status, headers, body, took_ms = wire.ask(request)
        if status != 200 or "x-amz-function-error" in headers:
            raise RuntimeError(f"{status} {body[:160]!r}")
        times.append(took_ms)
    return times


# The cases: each gives rows of (what, value as text) for a server.

Rows = Iterator[tuple[str, str]]


def warm(end: Server, seconds: int) -> Rows:
    """Latency and throughput."""
    names = [end.deploy(f"warm-{n}", apps.ECHO) for n in range(32)]
    first_answers(end, names, 0.02)
    for title, some in (("1 function", names[:1]), ("32 functions", names)):
        for clients in (1, 16, 64):
            requests = [end.invocation(name) for name in some]
            wrk(end.url, requests, 1, clients)  # as many environments as it takes
            got = wrk(end.url, requests, seconds, clients)
            if got is None or got["bad"]:
                yield f"warm, {title}, {clients} clients", f"bad: {got}"
                continue
            text = f"{got['rps']:6.0f}/s  p50 {got['p50']:6.2f}  p99 {got['p99']:6.2f} ms"
            yield f"warm, {title}, {clients} clients", text


def cold(end: Server, seconds: int) -> Rows:
    """First answers of new environments: medians of functions that nobody has called before."""
    for title, app, settings, published in apps.COLD:
        label = f"cold, {title}"
        try:
            mark = f"cold-{random.randrange(10**9)}"
            count = 1 if published else ROUNDS
            names = [end.deploy(f"{mark}-{n}", app, **settings) for n in range(count)]
            if app.is_large:
                time.sleep(3.0)  # what is compiled ahead is compiled
            if published:
                times = restored_answers(end, restored(end, names[0]))
            else:
                times = first_answers(end, names)
        except Exception as error:
            yield label, f"- ({type(error).__name__}: {str(error)[:90]})"
            continue
        yield label, f"median {statistics.median(times):6.1f}  best {min(times):6.1f} ms"
    if end.name == "serein":
        names = [end.deploy(f"burst-{n}", apps.ECHO) for n in range(40)]
        time.sleep(1.0)
        times = first_answers(end, names, 0.0)
        yield (
            "cold, Python, one right after the other",
            f"median {statistics.median(times):6.1f} ms",
        )


def restored(end: Server, name: str) -> str:
    """The qualified name of a published version with SnapStart."""
    return f"{name}:{end.client('lambda').publish_version(FunctionName=name)['Version']}"


def restored_answers(end: Server, name: str) -> list[float]:
    """Each answer is of another environment: as many invocations at once as there were before, and one more."""
    times = []
    first_answers(end, [name])  # the snapshot is made by the first
    for busy in range(1, 9):
        held = [Wire(end.url) for _ in range(busy)]
        slow = end.invocation(name, b'{"sleep": 0.6}')
        threads = [threading.Thread(target=wire.ask, args=(slow,)) for wire in held]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        times.append(first_answers(end, [name], 0.0)[0])
        for thread in threads:
            thread.join()
    return times


def many(end: Server, seconds: int) -> Rows:
    """A thousand functions."""
    app, count = apps.ECHO, 1000
    aws, archive = end.client("lambda"), apps.ECHO.archive()
    began = time.perf_counter()
    for number in range(count):
        aws.create_function(
            FunctionName=f"many-{number}",
            Role=end.role,
            Runtime=app.runtime,
            Handler=app.handler,
            Code={"ZipFile": archive},
            Environment={"Variables": {"NUMBER": str(number)}},
        )
    took = time.perf_counter() - began
    yield f"{count} functions deployed", f"{count / took:6.0f}/s"
    chosen = random.Random(7).sample(range(count), 300)
    times = first_answers(end, [f"many-{number}" for number in chosen], 0.0)
    cut = statistics.quantiles(times, n=100)
    yield "300 random ones, first call", f"p50 {cut[49]:6.1f}  p99 {cut[98]:6.1f} ms"
    if end.pid is not None:
        server, tree = memory_mb(end.pid)
        yield "memory then: server, all processes", f"{server:6.0f}, {tree:.0f} MB"


def memory(end: Server, seconds: int) -> Rows:
    """What one more idle environment costs: shared pages counted once."""
    if end.pid is None:
        return
    names = [end.deploy(f"idle-{n}", apps.ECHO) for n in range(48)]
    first_answers(end, names[:8], 0.1)
    server_before, before = memory_mb(end.pid)
    first_answers(end, names[8:], 0.1)
    time.sleep(0.5)
    server_after, after = memory_mb(end.pid)
    server = (server_after - server_before) / 40
    yield "one more idle Python environment", f"{(after - before) / 40 - server:6.2f} MB"
    yield "what the server keeps of it", f"{server:6.2f} MB"


def sources(end: Server, seconds: int) -> Rows:
    """Records through mappings, from the moment that the mapping may read them."""
    for title, make in (("SQS", queue_source), ("DynamoDB streams", stream_source)):
        try:
            yield f"{title}: records a second", f"{make(end):6.0f}/s"
        except Exception as error:
            yield title, f"- ({type(error).__name__}: {str(error)[:90]})"


COUNT = 3000


def queue_source(end: Server) -> float:
    """Messages a second: a backlog of 3,000, in batches of 10."""
    sqs = end.client("sqs")
    url = sqs.create_queue(QueueName="work", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    for start in range(0, COUNT, 10):
        entries = [{"Id": str(n), "MessageBody": f"{start + n}"} for n in range(10)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    end.deploy("from-queue", apps.ECHO)
    began = time.perf_counter()
    end.client("lambda").create_event_source_mapping(
        EventSourceArn=arn["QueueArn"], FunctionName="from-queue", BatchSize=10
    )
    wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def left() -> int:
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
        return sum(int(number) for number in found.values())

    return until_zero(left, began)


def stream_source(end: Server) -> float:
    """Stream records a second: 3,000 changes, in batches of 100, from the trim horizon."""
    ddb, sqs = end.client("dynamodb"), end.client("sqs")
    table = ddb.create_table(
        TableName="changes",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]
    ddb.get_waiter("table_exists").wait(TableName="changes")
    for start in range(0, COUNT, 25):
        items = [{"PutRequest": {"Item": {"pk": {"S": str(start + n)}}}} for n in range(25)]
        ddb.batch_write_item(RequestItems={"changes": items})
    url = sqs.create_queue(QueueName="counted")["QueueUrl"]
    end.deploy("from-stream", apps.COUNTER, Environment={"Variables": {"QUEUE": url}})
    began = time.perf_counter()
    end.client("lambda").create_event_source_mapping(
        EventSourceArn=table["LatestStreamArn"],
        FunctionName="from-stream",
        BatchSize=100,
        StartingPosition="TRIM_HORIZON",
    )
    seen = 0

    def left() -> int:
        nonlocal seen
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        seen += sum(int(message["Body"]) for message in got.get("Messages", []))
        return max(0, COUNT - seen)

    return until_zero(left, began)


def until_zero(left: Callable[[], int], began: float) -> float:
    """Records a second until `left` says 0. Raises TimeoutError after a minute."""
    while time.perf_counter() - began < 60:
        if left() == 0:
            return COUNT / (time.perf_counter() - began)
        time.sleep(0.02)
    raise TimeoutError(f"{left()} of {COUNT} are left after a minute")


CASES = {"memory": memory, "warm": warm, "cold": cold, "many": many, "sources": sources}


def memory_mb(pid: int) -> tuple[float, float]:
    """The server's own proportional set size and that of everything it started, MB: shared pages count once."""
    sizes, found = {}, [pid]
    while found:
        one = found.pop()
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
            sizes[one] = int(text.split("Pss:")[1].split()[0]) / 1024
            for task in os.listdir(f"/proc/{one}/task"):
                children = Path(f"/proc/{one}/task/{task}/children").read_text()
                found += [int(child) for child in children.split()]
    return sizes[pid], sum(sizes.values())


def calm() -> str:
    """The machine's state, in words."""
    return f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores"


@contextlib.contextmanager
def ends(with_peers: bool) -> Iterator[list[Server]]:
    """The servers, running."""
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory(dir=HERE) as data:
        port = run.free_port()
        options = ["--port", str(port), "--data", data, "--max-processes", "128"]
        command = [sys.executable, "-m", "serein.cli.main", "up", *options]
        url = stack.enter_context(run.running(command, f"http://127.0.0.1:{port}"))
        with urllib.request.urlopen(f"{url}/_serein/health", timeout=10) as page:
            pid = json.load(page).get("pid") or listener_pid(port)
        found = [Server("serein", url, pid)]
        if with_peers:
            programs = run.peers()
            moto, mini = run.free_port(), run.free_port()
            command = [str(programs / "moto_server"), "-p", str(moto)]
            url = stack.enter_context(run.running(command, f"http://127.0.0.1:{moto}"))
            found.append(Server("moto", url))
            names = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(mini)}
            command = [str(programs / "ministack")]
            url = stack.enter_context(run.running(command, f"http://127.0.0.1:{mini}", **names))
            found.append(Server("ministack", url))
        yield found


def listener_pid(port: int) -> int | None:
    """The child process of this one that was started on a port."""
    own = f"/proc/self/task/{os.getpid()}/children"
    for text in Path(own).read_text().split():
        if str(port).encode() in Path(f"/proc/{text}/cmdline").read_bytes().split(b"\0"):
            return int(text)
    return None


def main() -> None:
    """Measure everybody, case by case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true")
    given = parser.parse_args()
    with ends(not given.no_peers) as servers:
        for end in list(servers):
            try:
                end.prepare()
                first_answers(end, [end.deploy("first", apps.ECHO)])
            except Exception as error:
                print(f"{end.name} runs no functions here: {str(error)[:200]}")
                servers.remove(end)
        time.sleep(1.0)
        for name in given.only.split(","):
            print(f"\n{name} ({calm()})")
            for end in servers:
                try:
                    for what, value in CASES[name](end, given.seconds):
                        print(f"  {end.name:10} {what:48} {value}", flush=True)
                except Exception as error:
                    print(f"  {end.name:10} {type(error).__name__}: {str(error)[:120]}")
        print(f"\n{calm()}")


if __name__ == "__main__":
    main()
