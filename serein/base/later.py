"""Modules that are imported at their first use, so that `serein up` answers before it has read what few requests need.

    if TYPE_CHECKING:
        import yaml
    else:
        yaml = later("yaml")

For libraries that are large and whose features are rare. An absent library is then noticed late, so those named here are
dependencies like any other.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def later(name: str) -> ModuleType:
    """The module called `name`; its code runs when one of its attributes is first asked for. Raises ImportError when
    there is no such module."""
    known = sys.modules.get(name)
    if known is not None:
        return known
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
