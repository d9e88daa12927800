"""A handler that takes another's place: connections stay, new requests wait for it, and what takes too long is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from serein.base.clock import ManualClock
from serein.front.limits import Limits
from serein.wire.http import HttpRequest, HttpResponse
from tests.front.client import GET, post, run, talking


def said(words: str, status: int = 200) -> HttpResponse:
    return HttpResponse(status, [], words.encode())


def refuse(request: HttpRequest) -> HttpResponse:
    return said("come again", 503)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode()


@pytest.mark.parametrize("eager", [True, False])
def test_new_requests_wait_for_the_new_handler(eager: bool) -> None:
    def new(request: HttpRequest) -> HttpResponse:
        return said("new")

    async def new_later(request: HttpRequest) -> HttpResponse:
        return said("new")

    async def story() -> None:
        async with talking(lambda request: said("old")) as talk:
            known, fresh = await talk.connect(), await talk.connect()
            assert (await known.ask(GET)).body == b"old"
            await talk.server.hold(0.5, refuse)
            await known.send(GET)
            await fresh.send(GET)
            await asyncio.sleep(0.02)
            talk.server.go_on(new if eager else new_later, ManualClock())
            assert (await known.answer()).body == b"new"
            assert (await fresh.answer()).body == b"new"
            assert (await known.ask(GET)).body == b"new"

    run(story())


@pytest.mark.parametrize("kind", ["coroutine", "future"])
def test_what_is_under_way_has_its_grace(kind: str) -> None:
    async def story() -> None:
        waiting: dict[str, asyncio.Future[HttpResponse]] = {}

        def handler(request: HttpRequest) -> object:
            future = waiting[request.path] = asyncio.get_running_loop().create_future()
            if kind == "future":
                return future

            async def wait() -> HttpResponse:
                return await future

            return wait()

        async with talking(handler) as talk:  # type: ignore[arg-type]
            quick, slow, spared = [await talk.connect() for _ in range(3)]
            await quick.send(get("/quick"))
            await slow.send(get("/slow"))
            await spared.send(get("/spared"))
            while len(waiting) < 3:
                await asyncio.sleep(0)
            holding = asyncio.ensure_future(
                talk.server.hold(0.1, refuse, lambda request: request.path == "/spared")
            )
            await asyncio.sleep(0)
            waiting["/quick"].set_result(said("done"))
            assert (await quick.answer()).body == b"done"
            await holding
            answer = await slow.answer()
            assert (answer.status, answer.body) == (503, b"come again")
            await asyncio.sleep(0)
            assert waiting["/slow"].cancelled()
            # Its connection goes on.
            await slow.send(GET)
            talk.server.go_on(lambda request: said("new"), ManualClock())
            assert (await slow.answer()).body == b"new"
            waiting["/spared"].set_result(said("spared"))
            assert (await spared.answer()).body == b"spared"

    run(story())


def test_an_answer_that_has_begun_is_cut_off() -> None:
    async def story() -> None:
        async def endless() -> AsyncIterator[bytes]:
            yield b"begun"
            await asyncio.sleep(60)
            yield b"never"

        async with talking(lambda request: HttpResponse(200, [], endless())) as talk:
            client = await talk.connect()
            await client.send(GET)
            await asyncio.sleep(0.05)
            await talk.server.hold(0.01, refuse)
            rest = await client.rest()
            assert b"begun" in rest
            assert b"never" not in rest

    run(story())


def test_an_upload_that_goes_on_is_refused() -> None:
    async def handler(request: HttpRequest) -> HttpResponse:
        await request.read(1 << 20)
        return said("read")

    async def story() -> None:
        async with talking(handler, Limits(buffered_body_bytes=10, linger_s=0.05)) as talk:
            client = await talk.connect()
            await client.send(post(b"x" * 1000)[:-500])
            await asyncio.sleep(0.05)
            await talk.server.hold(0.01, refuse)
            assert (await client.answer()).status == 503

    run(story())
