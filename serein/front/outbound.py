"""HTTP from the house: to one of our own sites in process, or to the world.

The world is reached by urllib3 on a small pool of threads: what calls it (HTTP integrations, webhooks) waits for a
network anyway. Answers are bounded in size and time; redirects are the caller's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from serein.base.errors import AwsError
from serein.base.later import later
from serein.front.hosts import Hosts
from serein.front.thumbprints import context_for
from serein.wire.http import HttpRequest, HttpResponse

if TYPE_CHECKING:
    import urllib3
else:
    urllib3 = later("urllib3")

ANSWER_BYTES_MAX = 10 * 1024 * 1024
REQUEST_BYTES_MAX = 10 * 1024 * 1024
TIMEOUT_S = 30.0
THREADS_MAX = 32
_HOP = frozenset(
    {"connection", "content-length", "keep-alive", "transfer-encoding", "te", "upgrade"}
)
Handler = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]


class Unreachable(AwsError):
    """The other side did not answer as HTTP."""

    code = "BadGateway"
    status = 502
    fault = "server"


class UntrustedCertificate(Unreachable):
    """No authority vouches for the other side's certificate, and it has none of the thumbprints."""

    code = "UntrustedCertificate"


class Outbound:
    """Fulfils `kernel.dispatch.Fetcher`."""

    def __init__(self, handler: Handler, hosts: Hosts) -> None:
        self._handler = handler
        self._hosts = hosts
        self._threads: ThreadPoolExecutor | None = None
        self._pool: urllib3.PoolManager | None = None
        self.in_flight = 0

    async def __call__(
        self, request: HttpRequest, secure: bool, thumbprints: Sequence[str] = ()
    ) -> HttpResponse:
        """The answer, its body as bytes when it comes from the world. Raises Unreachable.

        A server whose certificate no authority vouches for is trusted where a certificate that it shows has one of
        `thumbprints` (SHA-1).
        """
        if self._hosts.site_of(request) is not None:
            answer = self._handler(request)
            return answer if isinstance(answer, HttpResponse) else await answer
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="outbound")
        if self._pool is None:
            self._pool = urllib3.PoolManager(maxsize=THREADS_MAX, retries=False)
        pool = self._pool
        body = await request.read(REQUEST_BYTES_MAX)
        loop = asyncio.get_running_loop()
        self.in_flight += 1
        try:
            return await loop.run_in_executor(
                self._threads, _ask, pool, request, body, secure, thumbprints
            )
        finally:
            self.in_flight -= 1

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.clear()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def _ask(
    pool: urllib3.PoolManager,
    request: HttpRequest,
    body: bytes,
    secure: bool,
    thumbprints: Sequence[str],
) -> HttpResponse:
    try:
        return _ask_once(pool, request, body, secure)
    except UntrustedCertificate:
        if not thumbprints:
            raise
    host, _, port = request.headers.get("host", "").partition(":")
    try:
        context = context_for(host, int(port or 443), thumbprints, TIMEOUT_S)
    except (OSError, ValueError) as error:
        raise Unreachable(f"{host} cannot be reached: {error}") from error
    if context is None:
        raise UntrustedCertificate(f"The certificate of {host} has none of the thumbprints.")
    with urllib3.PoolManager(retries=False, ssl_context=context) as pinned:
        return _ask_once(pinned, request, body, secure)


def _ask_once(
    pool: urllib3.PoolManager, request: HttpRequest, body: bytes, secure: bool
) -> HttpResponse:
    host = request.headers.get("host", "")
    query = f"?{request.query}" if request.query else ""
    url = f"{'https' if secure else 'http'}://{host}{request.path}{query}"
    headers = urllib3.HTTPHeaderDict()
    for name, value in request.header_list:
        if name.lower() not in _HOP and name.lower() != "host":
            headers.add(name, value)
    try:
        answer = pool.request(
            request.method,
            url,
            body=body or None,
            headers=headers,
            redirect=False,
            preload_content=False,
            timeout=urllib3.Timeout(total=TIMEOUT_S),
        )
        content = answer.read(ANSWER_BYTES_MAX + 1, decode_content=False)
        answer.release_conn()
    except urllib3.exceptions.SSLError as error:
        raise UntrustedCertificate(f"{host} cannot be trusted: {error}") from error
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise Unreachable(f"{host} cannot be reached: {error}") from error
    if len(content) > ANSWER_BYTES_MAX:
        raise Unreachable(f"The answer of {host} is too large.")
    kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP]
    return HttpResponse(answer.status, kept, content)
