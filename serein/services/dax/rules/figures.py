"""What clusters count, as lines of Prometheus' text format."""

from __future__ import annotations

from serein.services.dax.rules.cache import Cache


class Caches:
    """The caches of the clusters that this process serves, by the clusters' ARNs."""

    def __init__(self) -> None:
        self.by_cluster: dict[str, Cache] = {}

    def prometheus(self) -> list[str]:
        """One line for each number of each cluster; none where there is no cluster."""
        lines: list[str] = []
        for arn, cache in sorted(self.by_cluster.items()):
            counts = cache.counts
            for kind, hits, misses in (
                ("item", counts.item_hits, counts.item_misses),
                ("query", counts.query_hits, counts.query_misses),
            ):
                labels = f'cluster="{arn}",cache="{kind}"'
                lines.append(f"serein_dax_hits_total{{{labels}}} {hits}")
                lines.append(f"serein_dax_misses_total{{{labels}}} {misses}")
            lines.append(f'serein_dax_evicted_total{{cluster="{arn}"}} {counts.evicted}')
            lines.append(f'serein_dax_cache_bytes{{cluster="{arn}"}} {cache.bytes}')
        return lines
