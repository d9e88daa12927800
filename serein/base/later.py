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
import threading
from types import ModuleType
from typing import Any

_LOADING = threading.RLock()


class _Unread(ModuleType):
    """A module whose code has not run. The library's own lazy loader lets two threads that come at once run it twice,
    or see half of it (https://github.com/python/cpython/issues/114763)."""

    def __getattr__(self, name: str) -> Any:
        with _LOADING:
            spec = ModuleType.__getattribute__(self, "__spec__")
            state = ModuleType.__getattribute__(self, "__dict__")
            if type(self) is _Unread and not state.get("__reading__"):
                state["__reading__"] = True
                try:
                    spec.loader.exec_module(self)
                except BaseException:
                    del state["__reading__"]
                    raise
                del state["__reading__"]
                self.__class__ = ModuleType  # type: ignore[assignment]
        try:
            return ModuleType.__getattribute__(self, name)
        except AttributeError:
            # A module may answer for names that it does not have (PEP 562).
            answer = ModuleType.__getattribute__(self, "__dict__").get("__getattr__")
            if answer is None:
                raise
            return answer(name)


def later(name: str) -> ModuleType:
    """The module called `name`; its code runs when one of its attributes is first asked for. Raises ImportError when
    there is no such module."""
    known = sys.modules.get(name)
    if known is not None:
        return known
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    module = importlib.util.module_from_spec(spec)
    module.__class__ = _Unread
    sys.modules[name] = module
    package, _, own = name.rpartition(".")
    if package:
        # As an import does: others say `from package import own`.
        setattr(sys.modules[package], own, module)
    return module
