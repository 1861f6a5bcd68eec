"""What the tools share."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Shop:
    items: dict[str, int] = field(default_factory=dict[str, int])


@asynccontextmanager
async def lifespan() -> AsyncGenerator[Shop]:
    """Open the shop."""
    yield Shop({"lamp": 3})
