"""Parts of `FakeSteps`: the thread, the budget and what is kept, each written down as it comes."""

from collections.abc import Callable, Sequence
from typing import Any

from outlast.contract import ConversationMark
from outlast.protocol import Approval, CallAnswer, ClientCall, Resolution, Run, Time
from outlast_worker.engine.budget_book import BudgetAnswer, Reservation, Settlement
from outlast_worker.engine.records import Pin, StandIn, StoredMessage
from outlast_worker.engine.steps import Left, Pending

NOTHING_SAID = ConversationMark(digest="", messages=0, bytes=0)
Enter = Callable[[str], None]
"""Writes down that something was done, and raises what the script says."""


class FakePending(Pending[Any]):
    def __init__(self, name: str) -> None:
        self.name = name


class FakeThread:
    def __init__(
        self,
        enter: Enter,
        history: Sequence[StoredMessage],
        mark: ConversationMark | None,
        speaker: str | None,
    ) -> None:
        self._enter = enter
        self._history = history
        self._mark = mark
        self._speaker = speaker
        self.left: list[Left] = []
        self.released: list[tuple[list[StoredMessage], Time]] = []

    async def acquire(self) -> ConversationMark | None:
        self._enter("acquire_thread")
        return self._mark if self._mark or self._history else NOTHING_SAID

    async def read(self) -> list[StoredMessage]:
        self._enter("read_conversation")
        return list(self._history)

    async def find_speaker(self) -> str | None:
        self._enter("find_speaker")
        return self._speaker

    async def release(self, left: Left, at: Time) -> None:
        self.released.append((list(left.items), at))
        self.left.append(left)
        self._enter("release_thread")

    def hold_up(self, *, waits: bool) -> None:
        self._enter(f"hold_up_thread {waits}")


class FakeBudget:
    def __init__(self, enter: Enter) -> None:
        self._enter = enter
        self.reservations: list[Reservation] = []
        self.settlements: list[Settlement] = []

    def reserve(self, reservation: Reservation) -> Pending[BudgetAnswer]:
        self.reservations.append(reservation)
        return FakePending(f"reserve {reservation.turn}.{reservation.attempt}")

    def expect_grant(self, turn: int, attempt: int) -> Pending[BudgetAnswer]:
        return FakePending(f"grant {turn}.{attempt}")

    def settle(self, settlement: Settlement) -> None:
        self.settlements.append(settlement)
        self._enter(f"settle_budget {settlement.turn}.{settlement.attempt}")

    def close_run(self, run_id: str) -> None:
        self._enter(f"close_run {run_id}")

    def close_account(self, account: str) -> None:
        self._enter(f"close_account {account}")


class FakeKeeping:
    def __init__(self, enter: Enter) -> None:
        self._enter = enter
        self.runs: list[Run] = []

    def run(self, run: Run) -> None:
        self.runs.append(run)
        self._enter(f"save {run.status}")

    def former_definition(self, pin: Pin, last_turn: int) -> None:
        self._enter(f"keep_former_definition {pin.digest} {last_turn}")

    def stand_in(self, turn: int, stand_in: StandIn) -> None:
        self._enter(f"keep_stand_in {turn} {stand_in.covers}")

    def told(self, call_id: str, text: str) -> None:
        self._enter(f"keep_told {call_id} {text}")

    def approval(self, approval: Approval) -> None:
        self._enter(f"keep_approval {approval.id}")

    def resolution(self, resolution: Resolution) -> None:
        self._enter(f"keep_resolution {resolution.id}")

    def client_call(self, call: ClientCall) -> None:
        self._enter(f"keep_client_call {call.call_id}")

    def answer(self, answer: CallAnswer) -> None:
        self._enter(f"keep_answer {answer.call_id}")
