"""A message as the AI SDK builds it of chunks, as far as tests look at it."""

from collections.abc import Iterable, Mapping
from typing import Any


class UiMessage:
    """Takes chunks, and is strict where the SDK is: an unknown part or call is an error."""

    def __init__(self) -> None:
        self.parts: list[dict[str, Any]] = []
        self.message_id: str | None = None
        self.finished: str | None = None
        self._open: dict[str, dict[str, Any]] = {}

    def take(self, chunks: Iterable[Any]) -> "UiMessage":
        for chunk in chunks:
            if chunk != "[DONE]":
                self._take(chunk)
        return self

    def texts(self) -> list[str]:
        """Return its texts, but for those that were taken back."""
        return [p["text"] for p in self.parts if p["type"] == "text" and not p.get("void")]

    def tool(self, call_id: str) -> dict[str, Any]:
        return next(p for p in self.parts if p.get("toolCallId") == call_id)

    def is_sent_by_itself(self) -> bool:
        """Tell what the SDK's `lastAssistantMessageIsCompleteWithApprovalResponses` says of it."""
        starts = [n for n, part in enumerate(self.parts) if part["type"] == "step-start"]
        step = self.parts[starts[-1] + 1 if starts else 0 :]
        states = [
            "preliminary" if part.get("preliminary") else part["state"]
            for part in step
            if part.get("toolCallId")
        ]
        done = {"output-available", "output-error", "output-denied", "approval-responded"}
        return "approval-responded" in states and done.issuperset(states)

    def _take(self, chunk: Mapping[str, Any]) -> None:
        match chunk["type"].split("-"):
            case ["start"]:
                self.message_id = chunk["messageId"]
            case ["start", "step"]:
                self.parts.append({"type": "step-start"})
            case ["text" | "reasoning" as kind, "start"]:
                self._open[chunk["id"]] = {"type": kind, "text": "", "id": chunk["id"]}
                self.parts.append(self._open[chunk["id"]])
            case ["text" | "reasoning", "delta"]:
                self._open[chunk["id"]]["text"] += chunk["delta"]
            case ["text" | "reasoning", "end"]:
                part = self._open.pop(chunk["id"])
                if "providerMetadata" in chunk:
                    part["void"] = True
            case ["tool", *rest]:
                self._take_tool(rest, chunk)
            case ["finish"]:
                self.finished = chunk["finishReason"]
            case ["abort" | "error" as end]:
                self.finished = end
            case _:
                pass

    def _take_tool(self, kind: list[str], chunk: Mapping[str, Any]) -> None:
        match kind:
            case ["input", "available"]:
                known = [p for p in self.parts if p.get("toolCallId") == chunk["toolCallId"]]
                fields = {k: v for k, v in chunk.items() if k != "type"}
                if known:
                    known[0].update(fields, state="input-available")
                else:
                    self.parts.append({"type": "tool", "state": "input-available", **fields})
            case ["approval", "request"]:
                part = self.tool(chunk["toolCallId"])
                part |= {"state": "approval-requested", "approval": chunk["approvalId"]}
            case ["output", how]:
                part = self.tool(chunk["toolCallId"])
                part["state"] = f"output-{how}"
                part["output"] = chunk.get("output", chunk.get("errorText"))
                part["preliminary"] = chunk.get("preliminary", False)
            case _:
                raise ValueError(f"no such chunk: {chunk}")
