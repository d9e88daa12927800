"""Which face a request is for: one of Serein's own pages, a site, or the AWS API.

Host forms: `<name>.<label>.localhost`, `<name>.<label>.<region>.localhost`, the same below
`localhost.localstack.cloud` and `amazonaws.com`. Paths of the house itself begin with `/_`.
"""

from __future__ import annotations

from collections.abc import Iterable

from serein.kernel.services import Site
from serein.wire.http import HttpRequest

HOSTS_MAX = 4096


class Hosts:
    """The sites by host label and by path prefix; a lookup costs one dictionary read for an API call."""

    def __init__(self, sites: Iterable[Site]) -> None:
        self._by_label: dict[str, Site] = {}
        self._by_prefix: list[tuple[str, Site]] = []
        for site in sites:
            if site.host_label:
                self._by_label[site.host_label] = site
            self._by_prefix.extend((prefix, site) for prefix in site.path_prefixes)
        self._by_host: dict[str, tuple[Site, str] | None] = {}
        """What the Host headers seen so far (as sent) stand for."""

    def site_of(self, request: HttpRequest) -> tuple[Site, str] | None:
        """The site a request belongs to and its name there, or None when it is for the AWS API."""
        host = request.headers.get("host", "")
        try:
            found = self._by_host[host]
        except KeyError:
            if len(self._by_host) >= HOSTS_MAX:
                self._by_host.clear()
            found = self._by_host[host] = self._look(request.host)
        if found is not None:
            return found
        path = request.path
        if path != "/":
            for prefix, site in self._by_prefix:
                if path.startswith(prefix) and (site.wants is None or site.wants(request)):
                    return site, ""
        return None

    def _look(self, host: str) -> tuple[Site, str] | None:
        labels = host.split(".")
        for index in range(len(labels) - 1, 0, -1):
            site = self._by_label.get(labels[index])
            if site is not None:
                return site, ".".join(labels[:index])
        return None
