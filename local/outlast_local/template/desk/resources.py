"""What the tools share: opened by the worker before it serves, closed when it ends.

The place for pools, clients and caches, and for reading their secrets: the app starts without.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Warehouse:
    """A stand-in for your database: forgets everything when the worker ends."""

    items: dict[str, int]
    orders: dict[str, str] = field(default_factory=dict[str, str])

    def order(self, key: str, item: str, quantity: int) -> str:
        """Order once for each key, however often this is called with it."""
        if key not in self.orders:
            self.items[item] += quantity
            self.orders[key] = f"O-{1001 + len(self.orders)}"
        return self.orders[key]


@dataclass(frozen=True)
class Resources:
    """What a tool gets as `context.resources`."""

    warehouse: Warehouse


@asynccontextmanager
async def lifespan() -> AsyncGenerator[Resources, None]:
    """Open what the tools share, and close it again."""
    yield Resources(warehouse=Warehouse(items={"lamp": 12, "chair": 3, "shelf": 0}))
