"""The house put together: configuration, store, services, front.

house = House(Config(data=Path(".serein")))
await house.start()
"""

from __future__ import annotations

from serein.assembly.config import Config, StartFailure
from serein.assembly.house import House, blob_holders
from serein.assembly.premises import Premises

__all__ = ["Config", "House", "Premises", "StartFailure", "blob_holders"]
