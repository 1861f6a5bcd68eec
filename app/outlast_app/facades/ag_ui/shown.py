"""The list of messages that a client keeps, as far as it is known here: for snapshots of it.

A snapshot takes the place of the list: what it lacks is gone from the client. That is how text is
taken back, and how a client that comes again gets its list right.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from outlast.names import RunRef
from outlast_app.facades.ids import name_of, name_of_asked, read_asked, read_name

Shown = dict[str, Any]
"""A message in the protocol's words."""


class ClientMessages:
    """What the client has sent, and what it was told of one run since."""

    def __init__(
        self, ref: RunRef, sent: Callable[[], Sequence[Shown]], answered: Collection[str] = ()
    ) -> None:
        """Begin with what the client has sent.

        Args:
            ref: The run.
            sent: Returns the list; called for a snapshot only.
            answered: Ids of the calls that it has results of.
        """
        self._ref = ref
        self._sent = sent
        self._answered = answered
        self._told: dict[str, Shown] = {}
        """What belongs to the list for good, or reasoning, by its id."""
        self._turn = 0

    def name_of_answer(self, turn: int) -> str:
        """Name the message of a turn."""
        return name_of("msg", self._ref.run_id, turn)

    def name_of_reasoning(self, turn: int) -> str:
        """Name the message that has a turn's reasoning."""
        return name_of("rsn", self._ref.run_id, turn)

    def name_of_call(self, key: str) -> str:
        """Name a tool call, by its key."""
        return name_of_asked("call", self._ref.run_id, key)

    def name_of_result(self, key: str) -> str:
        """Name the message that has a call's result."""
        return name_of_asked("tool", self._ref.run_id, key)

    def has_result(self, key: str) -> bool:
        """Tell whether the client has sent the result of a call itself."""
        return self.name_of_call(key) in self._answered

    def think(self, turn: int, more: str) -> None:
        """Add to a turn's reasoning."""
        self._turn = max(self._turn, turn)
        message_id = self.name_of_reasoning(turn)
        blank = {"id": message_id, "role": "reasoning", "content": ""}
        self._told.setdefault(message_id, blank)["content"] += more

    def say(self, turn: int, text: str) -> None:
        """Add a turn's text, when it is whole."""
        self._answer(turn)["content"] = text

    def call(self, key: str, turn: int, name: str, arguments: str) -> str:
        """Add a call to a turn; return the id of the message that it is in."""
        answer = self._answer(turn)
        function = {"name": name, "arguments": arguments}
        named = {"id": self.name_of_call(key), "type": "function", "function": function}
        answer.setdefault("toolCalls", []).append(named)
        return answer["id"]

    def complete(self, key: str, content: str | list[Shown]) -> None:
        """Add the result of a call."""
        message_id = self.name_of_result(key)
        self._told[message_id] = {
            "id": message_id,
            "role": "tool",
            "toolCallId": self.name_of_call(key),
            "content": content,
        }

    def forget(self, turn: int) -> None:
        """Take back what was said in a turn that is not whole."""
        # A client keeps reasoning that a snapshot without any lacks: so it stays, and is empty.
        if reasoning := self._told.get(self.name_of_reasoning(turn)):
            reasoning["content"] = ""

    def snapshot(self) -> list[Shown]:
        """Return the list as it is to be, in the client's order."""
        told = dict(self._told)
        kept = [told.pop(each["id"], each) for each in self._sent() if self._keeps(each)]
        return [*(self._as_known(each) for each in kept), *told.values()]

    def _answer(self, turn: int) -> Shown:
        self._turn = max(self._turn, turn)
        message_id = self.name_of_answer(turn)
        return self._told.setdefault(message_id, {"id": message_id, "role": "assistant"})

    def _keeps(self, message: Mapping[str, Any]) -> bool:
        """Tell whether a message that the client has stays: of the run's, what was told stays."""
        return (
            message["id"] in self._told
            or message.get("role") == "reasoning"
            or not self._is_of_run(message["id"])
        )

    def _as_known(self, message: Shown) -> Shown:
        """Return a message; without reasoning that may be told again."""
        name = read_name(self._ref.tenant, message["id"], "rsn", count=1)
        is_ahead = name and name.ref == self._ref and name.numbers[0] > self._turn
        return {**message, "content": ""} if is_ahead else message

    def _is_of_run(self, message_id: str) -> bool:
        tenant = self._ref.tenant
        name = read_name(tenant, message_id, "msg", count=1)
        name = name or read_asked(tenant, message_id, "tool")
        return name is not None and name.ref == self._ref
