"""Where GetFunction's `Location` points: the archive, for whoever knows its random name."""

from __future__ import annotations

from serein.kernel.operations import Context
from serein.store.blobs import BlobId, BlobMissing
from serein.wire.http import HttpRequest, HttpResponse

PREFIX = "/_serein/lambda/code/"


async def download(cx: Context, request: HttpRequest, name: str) -> HttpResponse:
    """The archive's bytes."""
    blob = request.path.removeprefix(PREFIX)
    if request.method != "GET" or not blob.isalnum():
        return HttpResponse(status=404, headers=[], body=b"")
    try:
        archive = await cx.blobs.read(BlobId(blob))
    except BlobMissing:
        return HttpResponse(status=404, headers=[], body=b"")
    return HttpResponse(status=200, headers=[("Content-Type", "application/zip")], body=archive)
