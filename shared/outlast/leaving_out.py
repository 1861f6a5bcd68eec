"""Imports of libraries without the parts that nobody here uses: each costs time and memory."""

import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def leaving_out(module: str) -> Generator[None]:
    """Let whoever imports a module meanwhile, if it is there, find that it is not."""
    loaded = sys.modules.get(module)
    sys.modules[module] = None  # pyright: ignore[reportArgumentType]  # what `import` takes for that
    try:
        yield
    finally:
        del sys.modules[module]
        if loaded:
            sys.modules[module] = loaded
