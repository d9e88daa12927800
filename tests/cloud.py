"""A whole house in memory for one test: manual clock, seeded ids, boto3 without sockets."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import time
from collections.abc import Awaitable
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config as BotoConfig
from botocore.httpsession import URLLib3Session

from serein.assembly import Config, House
from serein.base.clock import ManualClock
from serein.base.ids import SeededRandomness
from serein.kernel.calls import Principal
from serein.kernel.operations import Context
from serein.wire.http import HttpRequest, HttpResponse

T = TypeVar("T")
ENDPOINT = "http://127.0.0.1:4566"
STEPS_MAX = 20_000


def store_of_tests() -> str | None:
    """`SEREIN_TEST_STORE=postgresql://…` runs every test of a `cloud` on that database, each in a schema of its own."""
    url = os.environ.get("SEREIN_TEST_STORE")
    if url is None:
        return None
    more = f"serein_connections=4&serein_schema=cloud_{secrets.token_hex(6)}"
    return f"{url}{'&' if '?' in url else '?'}{more}"


class Cloud:
    """The house under test. Requests run on a private event loop, in the test's own thread."""

    def __init__(
        self, *, auth_open: bool = True, account: str = "000000000000", **settings: Any
    ) -> None:
        self.loop = asyncio.new_event_loop()
        # Signatures carry botocore's wall-clock time, so the manual clock starts there.
        self.clock = ManualClock(time.time())
        self.account = account
        config = Config(
            data=None, store=store_of_tests(), auth_open=auth_open, account=account, **settings
        )
        self.house = House(config, clock=self.clock, randomness=SeededRandomness(7))
        self.run(self.house.open())

    def close(self) -> None:
        self.run(self.house.stop())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def run(self, awaitable: Awaitable[T]) -> T:
        """Run until `awaitable` is done. Where everybody only waits for time, time moves on to the next alarm."""
        task = asyncio.ensure_future(awaitable, loop=self.loop)
        idle = 0
        while not task.done():
            before = self._busy()
            self.loop.run_until_complete(_step())
            idle = idle + 1 if not before else 0
            if idle > 50 and not task.done():
                # Nothing was ready for a while: either real I/O is under way (wait a little), or only the clock is.
                if not self.house.waits_for_the_world():
                    when = self.clock.next_wake()
                    if when is not None:
                        self.clock.move_to(when)
                        idle = 0
                        continue
                self.loop.run_until_complete(asyncio.sleep(0.001))
        return task.result()

    def _busy(self) -> bool:
        ready: Any = getattr(self.loop, "_ready", ())
        return len(ready) > 0

    def settle(self) -> None:
        """Let the courier and the workers come to rest, without moving time."""
        for _ in range(STEPS_MAX):
            for _ in range(20):
                self.loop.run_until_complete(_step())
            if self.house.idle():
                return
            if self.house.waits_for_the_world():
                self.loop.run_until_complete(asyncio.sleep(0.001))
        raise AssertionError("the house does not come to rest")

    def advance(self, seconds: float) -> None:
        """Move time on, alarm by alarm, and let everything settle."""
        until = self.clock.now() + seconds
        self.settle()
        while (when := self.clock.next_wake()) is not None and when <= until:
            self.clock.move_to(when)
            self.settle()
        self.clock.move_to(until)
        self.settle()

    def http(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> HttpResponse:
        """A plain HTTP request into the house; the answer's body is bytes."""
        parts = urlsplit(url)
        given = {"Host": parts.netloc, **(headers or {})}
        given.setdefault("Content-Length", str(len(body)))
        request = HttpRequest(
            method=method,
            path=parts.path or "/",
            query=parts.query,
            headers={name.lower(): value for name, value in given.items()},
            header_list=list(given.items()),
            body=body,
            scheme=parts.scheme,
        )
        return self.run(self._answer(request))

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        answer = self.house.handle(request)
        response = answer if isinstance(answer, HttpResponse) else await answer
        if not isinstance(response.body, bytes):
            response.body = b"".join([part async for part in response.body])
        return response

    def client(
        self,
        service: str,
        *,
        access_key: str = "test",
        secret_key: str = "test",
        session_token: str | None = None,
        region: str = "us-east-1",
        **config: Any,
    ) -> Any:
        """A boto3 client whose requests go straight into this house, through every floor."""
        settings: dict[str, Any] = {
            "retries": {"total_max_attempts": 1},
            "parameter_validation": True,
        }
        if service == "s3":
            settings["s3"] = {"addressing_style": "path"}
        settings.update(config)
        made = _session().client(
            service,
            endpoint_url=ENDPOINT,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=session_token,
            config=BotoConfig(**settings),
        )
        made._endpoint.http_session = _InProcess(self)
        return made

    def resource(self, service: str, **kwargs: Any) -> Any:
        """A boto3 resource over such a client."""
        made = _session().resource(
            service,
            endpoint_url=ENDPOINT,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        made.meta.client._endpoint.http_session = _InProcess(self)
        return made

    def unvalidated(self, service: str, **kwargs: Any) -> Any:
        """A client that sends what it is given: for what AWS itself must refuse."""
        return self.client(service, parameter_validation=False, **kwargs)

    def context(self, principal: Principal | None = None) -> Context:
        """A Context to call the kernel's verbs from a test."""
        return self.house.context(principal)


@cache
def _session() -> boto3.session.Session:
    """One for all tests of a process: reading the models anew would be most of what a test takes."""
    return boto3.session.Session()


async def _step() -> None:
    await asyncio.sleep(0)


class _InProcess(URLLib3Session):  # type: ignore[misc]
    """botocore's HTTP session, answered by the house itself."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        body = request.body
        if body is None:
            body = b""
        elif isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes | bytearray):
            body = body.read()
        headers = {name: _text(value) for name, value in request.headers.items()}
        headers.pop("Transfer-Encoding", None)
        response = self._cloud.http(request.method, request.url, headers, bytes(body))
        answer = AWSResponse(request.url, response.status, _headers(response), _Raw(response.body))
        if not request.stream_output:
            answer.content  # noqa: B018  (reads it, as botocore's own session does)
        return answer


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _headers(response: HttpResponse) -> Any:
    made = HTTPHeaders()
    for name, value in response.headers:
        made.add_header(name, value)
    return made


class _Raw(io.BytesIO):
    """What botocore expects of urllib3's response."""

    def stream(self, *_: object, **__: object) -> Any:
        while chunk := self.read(65536):
            yield chunk
