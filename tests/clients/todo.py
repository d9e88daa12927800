"""The to-do service as its user sees it: over HTTP, from creating a to-do to the attachment's hash."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
from typing import Any

WAIT_S_MAX = 30.0


class TodoUser:
    """Drives a deployed to-do service at `base` (the API's path form)."""

    def __init__(self, base: str) -> None:
        self._base = base

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """An HTTP request: status and JSON answer."""
        request = urllib.request.Request(
            self._base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            text = error.read()
            return error.code, json.loads(text) if text else None

    def whole_story(self) -> None:
        """Create, read, list, update, attach, delete; every answer as it should be."""
        status, todo = self.ask("POST", "/todos", {"title": "water the plants"})
        assert status == 201, todo
        path = f"/todos/{todo['id']}"
        assert self.ask("GET", path) == (
            200,
            todo | {"done": False},
        )
        assert [t["id"] for t in self.ask("GET", "/todos")[1]["todos"]] == [todo["id"]]
        status, changed = self.ask("PUT", path, {"done": True})
        assert (status, changed["done"]) == (200, True)
        assert self.ask("POST", "/todos", {"title": ""})[0] == 400
        assert self.ask("GET", "/todos/none")[0] == 404
        assert self.ask("GET", "/nowhere") == (404, {"message": "Not Found"})
        self.attach(path, b"milk, bread\n" * 1000)
        assert self.ask("DELETE", path)[0] == 204
        assert self.ask("GET", path)[0] == 404

    def attach(self, path: str, content: bytes) -> None:
        """Upload by presigned URL, then wait for the worker to record size and SHA-256."""
        status, answer = self.ask("POST", f"{path}/attachment", {"name": "list.txt"})
        assert status == 200, answer
        upload = urllib.request.Request(answer["upload_url"], method="PUT", data=content)
        with urllib.request.urlopen(upload, timeout=30) as done:
            assert done.status == 200
        until = time.monotonic() + WAIT_S_MAX
        while time.monotonic() < until:
            attachment = self.ask("GET", path)[1].get("attachment")
            if attachment:
                assert attachment["sha256"] == hashlib.sha256(content).hexdigest()
                assert int(attachment["size"]) == len(content)
                return
            time.sleep(0.1)
        raise AssertionError("the attachment was not recorded")
