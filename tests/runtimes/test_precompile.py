"""Code is compiled ahead of its first import."""

from __future__ import annotations

import os
from pathlib import Path

from tests.runtimes.conftest import Bench


def test_modules_are_compiled_once(bench: Bench):
    spec = bench.function(
        "import helper\ndef handler(event, context): return helper.__cached__ is not None"
    )
    folder = Path(spec.code)
    (folder / "helper.py").write_text("VALUE = 1\n")
    (folder / "broken.py").write_text("def (:\n")
    bench.run(bench.pool.nursery.precompile("python3.11", str(folder)))
    compiled = sorted(path.name.partition(".")[0] for path in (folder / "__pycache__").iterdir())
    assert compiled == ["app", "helper"]
    (first, *_) = (folder / "__pycache__").iterdir()
    os.unlink(first)
    bench.run(bench.pool.nursery.precompile("python3.11", str(folder)))
    assert not first.exists()
    bench.run(bench.pool.nursery.precompile("nodejs20.x", str(folder)))
    assert bench.invoke(spec).payload == b"true"
