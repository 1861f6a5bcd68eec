"""The least that a durable agent on Restate can be: a loop whose calls are steps.

No threads, approvals, events, streams, retries, keys or failover: the floor to compare with.

python -m benchmarks.bare_loop PORT MODEL_URL
"""

import asyncio
import sys
from functools import partial
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import orjson
import restate
import uvloop
from restate.serde import Serde

from benchmarks.client import DirectClient, look_up


class Json(Serde[Any]):
    """JSON, fast."""

    def deserialize(self, buf: bytes) -> Any:
        """Read a value."""
        return orjson.loads(buf) if buf else None

    def serialize(self, obj: Any) -> bytes:
        """Write a value."""
        return orjson.dumps(obj)


JSON = Json()
bench = restate.Service("Bench")
clients: list[DirectClient] = []


@bench.handler(input_serde=JSON, output_serde=JSON)
async def run(ctx: restate.Context, text: str) -> str:
    """Run the loop."""
    [client] = clients
    options: restate.RunOptions[Any] = restate.RunOptions(serde=JSON)
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You are a helpful agent."},
        {"role": "user", "content": text},
    ]
    while True:
        message = await ctx.run_typed("model", partial(client.ask, messages), options)
        messages.append(message)
        if not message.get("tool_calls"):
            return message["content"]
        for call in message["tool_calls"]:
            output = await ctx.run_typed("tool", partial(look_up, call), options)  # awaited
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": output})


async def main() -> None:
    """Serve until the process ends."""
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.keep_alive_max_requests = sys.maxsize
    config.keep_alive_timeout = 3600
    config.accesslog = None
    app: Any = restate.app([bench], protocol="bidi")
    async with DirectClient(sys.argv[2]) as client:
        clients.append(client)
        await hypercorn.asyncio.serve(app, config, shutdown_trigger=asyncio.Event().wait)


if __name__ == "__main__":
    uvloop.run(main())
