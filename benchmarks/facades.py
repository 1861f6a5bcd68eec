"""Measures what the app spends on streams through other protocols, beside the native one.

    python -m benchmarks.facades [--rounds 3] [--streams 16]

First each encoder alone: what a piece of an answer costs from the live channel's line to the bytes
for the client. Then the whole app, with so many streams of 50 tokens a second side by side: what is
sent costs the difference of long and short answers, so that the starts of the runs don't count.
Then how much later than natively the first piece comes. Protocols take turns. Responses and
completions are compared with native runs, chats with native ones on threads and with a key, since
that is what they are.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import uvloop

from benchmarks.systems import Product, model_server, product
from outlast.events import RunStarted, TurnStarted
from outlast.live import Delta, write_line
from outlast.names import DEFAULT_TENANT, RunRef
from outlast_app.facades.ag_ui.events import AgUiEncoder, AgUiRun
from outlast_app.facades.ag_ui.shown import ClientMessages
from outlast_app.facades.ai_sdk.chunks import UiEncoder
from outlast_app.facades.items import Encoder, TextRule
from outlast_app.facades.openai.chat_encoder import ChatEncoder, ChatName
from outlast_app.facades.openai.response_encoder import ResponseEncoder
from outlast_app.facades.openai.response_object import Facts
from outlast_app.runs.feed import ShownEvent

AGENT = "plain"
NATIVE, ON_THREAD = "native", "native, on a thread"
KEYED = f"{ON_THREAD}, with a key"
_RUN_ID = f"{AGENT}.aaaaaaaaaaaaaaaaaaaaaaaaaa"
_SHORT, _LONG = 50, 500  # tokens
_PIECES = 500
_FIRSTS = 20


@dataclass(frozen=True)
class Facade:
    """A protocol as a client has it.

    Attributes:
        path: Where an answer is asked for, as a stream.
        body: What is sent there, for a text.
        delta: Returns the piece of text that an event brings, if it does.
        encoder: Makes what its streams are encoded by; none of the native ones are.
        beside: What it is compared with.
        is_keyed: Whether requests have keys that make them safe to repeat; those of chats always
            are.
    """

    path: str
    body: Callable[[str], Mapping[str, Any]]
    delta: Callable[[Mapping[str, Any]], str | None]
    encoder: Callable[[], Encoder] | None = None
    beside: str = NATIVE
    is_keyed: bool = False


def _on_thread(text: str) -> Mapping[str, Any]:
    return {"input": text, "thread_id": uuid4().hex}


def _native_delta(event: Mapping[str, Any]) -> str | None:
    return event["text"] if event["type"] == "message.delta" else None


def _responses_delta(event: Mapping[str, Any]) -> str | None:
    return event["delta"] if event["type"] == "response.output_text.delta" else None


def _chat_delta(chunk: Mapping[str, Any]) -> str | None:
    return chunk["choices"][0]["delta"].get("content")


def _ag_ui_body(text: str) -> Mapping[str, Any]:
    said = [{"id": "1", "role": "user", "content": text}]
    return {"threadId": uuid4().hex, "runId": uuid4().hex, "messages": said}


def _ag_ui_encoder() -> Encoder:
    messages = ClientMessages(RunRef(DEFAULT_TENANT, _RUN_ID), list[Any])
    return AgUiEncoder(_RUN_ID, AgUiRun("thread", "run"), messages)


def _ui_body(text: str) -> Mapping[str, Any]:
    said = {"id": "1", "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"id": uuid4().hex, "messages": [said]}


FACADES: Mapping[str, Facade] = {
    NATIVE: Facade(f"/agents/{AGENT}/runs", lambda text: {"input": text}, _native_delta),
    ON_THREAD: Facade(f"/agents/{AGENT}/runs", _on_thread, _native_delta),
    KEYED: Facade(
        f"/agents/{AGENT}/runs", _on_thread, _native_delta, beside=ON_THREAD, is_keyed=True
    ),
    "Responses": Facade(
        "/v1/responses",
        lambda text: {"model": AGENT, "input": text, "stream": True},
        _responses_delta,
        lambda: ResponseEncoder(Facts(_RUN_ID, 1, 0, {}, {}, None, None)),
    ),
    "Chat Completions": Facade(
        "/v1/chat/completions",
        lambda text: {
            "model": AGENT,
            "messages": [{"role": "user", "content": text}],
            "stream": True,
        },
        _chat_delta,
        lambda: ChatEncoder(ChatName(_RUN_ID, 1, AGENT, 0)),
    ),
    "AI SDK": Facade(
        f"/ai-sdk/{AGENT}",
        _ui_body,
        lambda chunk: chunk["delta"] if chunk["type"] == "text-delta" else None,
        lambda: UiEncoder(_RUN_ID, 1),
        KEYED,
    ),
    "AG-UI": Facade(
        f"/ag-ui/{AGENT}",
        _ag_ui_body,
        lambda event: event["delta"] if event["type"] == "TEXT_MESSAGE_CONTENT" else None,
        _ag_ui_encoder,
        KEYED,
    ),
}


def encoding_us(make: Callable[[], Encoder]) -> float:
    """Return the CPU of one piece, from the line that brings it to the bytes that are sent."""
    encoder, rule = make(), TextRule()
    begun = [RunStarted(run_id=_RUN_ID, seq=1), TurnStarted(run_id=_RUN_ID, seq=2, turn=1)]
    pieces = [Delta("text", 1, 0, number, f"word{number} ") for number in range(_PIECES)]
    lines = [ShownEvent(piece.type, write_line(_RUN_ID, piece)) for piece in pieces]
    for event in begun:
        _encode(encoder, rule, ShownEvent.of(event))
    began = time.process_time()
    sent = sum(_encode(encoder, rule, line) for line in lines)
    took_s = time.process_time() - began
    if sent < _PIECES:
        raise ValueError(f"only {sent} of {_PIECES} pieces were encoded")
    return took_s * 1e6 / _PIECES


def _encode(encoder: Encoder, rule: TextRule, shown: ShownEvent) -> int:
    return sum(1 for item in rule.take(shown) for _said in encoder.take(item))


async def pieces(product: Product, facade: Facade, text: str) -> AsyncGenerator[str]:
    """Ask for an answer, and yield its pieces."""
    url, headers = f"{product.stack.app_url}{facade.path}", {"accept": "text/event-stream"}
    if facade.is_keyed:
        headers["idempotency-key"] = uuid4().hex
    async with product.http.post(url, json=facade.body(text), headers=headers) as answer:
        if answer.status != 200:
            raise ValueError(f"{facade.path}: {answer.status} {await answer.text()}")
        async for line in answer.content:
            if line.startswith(b"data: {") and (piece := facade.delta(json.loads(line[6:]))):
                yield piece


async def streaming_us(product: Product, facade: Facade, streams: int) -> float:
    """Return the CPU of the app for each piece that it sends, of streams side by side."""
    (few, short_s), (many, long_s) = [
        await _stream(product, facade, streams, tokens) for tokens in (_SHORT, _LONG)
    ]
    return (long_s - short_s) * 1e6 / (many - few)


async def _stream(product: Product, facade: Facade, streams: int, tokens: int) -> tuple[int, float]:
    async def watch() -> int:
        text = f"chunks={tokens} pause_ms=20"
        return sum([1 async for _piece in pieces(product, facade, text)])

    used = product.stack.processes()
    before = used.cpu_s()["app"]
    counts = await asyncio.gather(*(watch() for _ in range(streams)))
    return sum(counts), used.cpu_s()["app"] - before


async def first_piece_ms(product: Product, facade: Facade) -> float:
    """Return how long after the request the first piece comes."""
    began = time.perf_counter()
    async with aclosing(pieces(product, facade, "delay_ms=100 chunks=20 pause_ms=1")) as told:
        async for _piece in told:
            break
    return (time.perf_counter() - began) * 1000


async def measure(rounds: int, streams: int) -> str:
    """Measure, and return the table."""
    alone: dict[str, list[float]] = defaultdict(list)
    whole: dict[str, list[float]] = defaultdict(list)
    first: dict[str, list[float]] = defaultdict(list)
    for name, facade in [*FACADES.items()] * (rounds + 1):
        if facade.encoder:
            alone[name].append(encoding_us(facade.encoder))
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as folder:
        async with (
            model_server(Path(folder)) as model_url,
            product(Path(folder), model_url) as outlast,
        ):
            for facade in FACADES.values():
                await first_piece_ms(outlast, facade)  # warms it up
            for _ in range(rounds):
                for name, facade in FACADES.items():
                    whole[name].append(await streaming_us(outlast, facade, streams))
                for _ in range(_FIRSTS):
                    for name, facade in FACADES.items():
                        first[name].append(await first_piece_ms(outlast, facade))
    return _table(alone, whole, first, streams)


_Samples = Mapping[str, Sequence[float]]


def _table(alone: _Samples, whole: _Samples, first: _Samples, streams: int) -> str:
    app = f"app, µs, {streams} streams"
    lines = [
        f"| | encoder alone, µs | {app} | over native | first piece, ms later |",
        "|---|---|---|---|---|",
    ]
    for name, facade in FACADES.items():
        # The first time of an encoder is slower than all others.
        encoder = _spread(alone[name][1:]) if name in alone else ""
        ratio = median(whole[name]) / median(whole[facade.beside])
        later = median(first[name]) - median(first[facade.beside])
        told = (name, encoder, _spread(whole[name]), f"{ratio:.2f} ×", f"{later:.1f}")
        lines.append(f"| {' | '.join(told)} |")
    return "\n".join(lines)


def _spread(figures: Sequence[float]) -> str:
    return f"{median(figures):.0f} ({min(figures):.0f} to {max(figures):.0f})"


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.facades", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each has its turn")
    parser.add_argument("--streams", type=int, default=16, help="how many there are at a time")
    given = parser.parse_args()
    print(await measure(given.rounds, given.streams))


if __name__ == "__main__":
    uvloop.run(_main())
