"""Who may use how much of what a limited run has left: its book, which nobody else writes in.

Pure. All that is done to it may be done again: it counts once.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, Field

from outlast.contract import Allowance
from outlast.protocol import IncompleteReason
from outlast_worker.engine.records import Record


class Reservation(Record):
    """What one model call of a run may use at most; `cost_usd` is null where nobody can tell.

    `above` are all runs above it, and `allowances` what those among them allow that are limited.
    """

    run_id: str
    above: list[str]
    turn: int
    attempt: int
    allowances: list[Allowance]
    tokens: int
    cost_usd: float | None = None

    @property
    def key(self) -> str:
        """Names the call: asked again, it is the same one."""
        return f"{self.run_id}:{self.turn}.{self.attempt}"


class Settlement(Record):
    """What that call did use; `cost_usd` is null where nobody can tell: then the bound counts."""

    run_id: str
    turn: int
    attempt: int
    tokens: int = 0
    cost_usd: float | None = None

    @property
    def key(self) -> str:
        """Names the call."""
        return f"{self.run_id}:{self.turn}.{self.attempt}"


class BudgetAnswer(Record):
    """`granted`: the call may be made. `waits`: all that is left is reserved; word comes later.

    `refused`: nothing is left, and `reason` says of what.
    """

    outcome: Literal["granted", "waits", "refused"]
    reason: IncompleteReason | None = None


class BudgetNews(Record):
    """The word that comes later."""

    run_id: str
    turn: int
    attempt: int
    answer: BudgetAnswer


GRANTED = BudgetAnswer(outcome="granted")
_WAITS = BudgetAnswer(outcome="waits")


class Account(BaseModel):
    """What one run allows those below it in one turn, and what they have used of it."""

    tokens: int | None = None
    cost_usd: float | None = None
    used_tokens: int = 0
    used_cost_usd: float = 0.0

    @classmethod
    def of(cls, allowance: Allowance) -> "Account":
        """Open it."""
        return cls(tokens=allowance.tokens, cost_usd=allowance.cost_usd)

    @property
    def lacks(self) -> IncompleteReason | None:
        """What is used up."""
        if self.tokens is not None and self.used_tokens >= self.tokens:
            return "max_tokens"
        if self.cost_usd is not None and self.used_cost_usd >= self.cost_usd:
            return "max_cost_usd"
        return None

    def use(self, tokens: int, cost_usd: float) -> "Account":
        """Return it with that used, or reserved."""
        used = {
            "used_tokens": self.used_tokens + tokens,
            "used_cost_usd": self.used_cost_usd + cost_usd,
        }
        return self.model_copy(update=used)


class Hold(BaseModel):
    """A reservation, or one that waits to be."""

    reservation: Reservation
    granted: bool


class Book(BaseModel):
    """All accounts of a tree of runs, and what is reserved of them."""

    accounts: dict[str, Account] = Field(default_factory=dict[str, Account])
    holds: dict[str, Hold] = Field(default_factory=dict[str, Hold])
    settled: dict[str, tuple[int, int]] = Field(default_factory=dict[str, tuple[int, int]])
    """Of each run the last turn and attempt that was, of answers and of summaries."""
    closed: list[str] = Field(default_factory=list[str])
    """Runs that have ended without a word on what they had reserved."""

    @property
    def is_over(self) -> bool:
        """Whether nobody allows anything any more."""
        return not self.accounts

    def reserve(self, asked: Reservation) -> BudgetAnswer:
        """Reserve what a call may use at most, or have it wait for others."""
        if hold := self.holds.get(asked.key):
            return GRANTED if hold.granted else _WAITS
        name, number = _numbered(asked)
        if number <= self.settled.get(name, (0, 0)):
            return GRANTED
        if not {asked.run_id, *asked.above}.isdisjoint(self.closed):
            return BudgetAnswer(outcome="refused", reason="max_tokens")  # nobody is left to hear it
        for allowance in asked.allowances:
            self.accounts.setdefault(allowance.account, Account.of(allowance))
        answer = self._judge(asked)
        if answer.outcome != "refused":
            self.holds[asked.key] = Hold(reservation=asked, granted=answer == GRANTED)
        return answer

    def settle(self, settled: Settlement) -> list[BudgetNews]:
        """Note what a call did use; return what others are to be told."""
        name, number = _numbered(settled)
        self.settled[name] = max(self.settled.get(name, (0, 0)), number)
        if hold := self.holds.pop(settled.key, None):
            self._use(hold.reservation, settled.tokens, settled.cost_usd)
        return self._admit()

    def close_run(self, run_id: str) -> list[BudgetNews]:
        """Count as used what a run, or one below it, has reserved: it can't say any more."""
        if run_id not in self.closed:
            self.closed.append(run_id)
        for key, hold in list(self.holds.items()):
            asked = hold.reservation
            if run_id in (asked.run_id, *asked.above):
                del self.holds[key]
                if hold.granted:
                    self._use(asked, asked.tokens, asked.cost_usd)
        return self._admit()

    def close_account(self, name: str) -> None:
        """Forget what a run allowed in a turn that is over."""
        self.accounts.pop(name, None)

    def _judge(self, asked: Reservation) -> BudgetAnswer:
        accounts = [(each.account, self.accounts.get(each.account)) for each in asked.allowances]
        for _, account in accounts:
            if account and account.lacks:
                return BudgetAnswer(outcome="refused", reason=account.lacks)
        has_room = all(self._has_room(name, account) for name, account in accounts if account)
        return GRANTED if has_room else _WAITS

    def _has_room(self, name: str, account: Account) -> bool:
        for held in self._held(name):
            if account.cost_usd is not None and held.cost_usd is None:
                return False  # it may cost all that is left
            account = account.use(held.tokens, held.cost_usd or 0)
        return account.lacks is None

    def _held(self, name: str) -> Iterator[Reservation]:
        for hold in self.holds.values():
            named = any(each.account == name for each in hold.reservation.allowances)
            if hold.granted and named:
                yield hold.reservation

    def _use(self, asked: Reservation, tokens: int, cost_usd: float | None) -> None:
        cost = cost_usd if cost_usd is not None else asked.cost_usd or 0
        for allowance in asked.allowances:
            if account := self.accounts.get(allowance.account):
                self.accounts[allowance.account] = account.use(tokens, cost)

    def _admit(self) -> list[BudgetNews]:
        """Let in those that waited, the first one first, as far as there is room now."""
        news: list[BudgetNews] = []
        for key, hold in list(self.holds.items()):
            if hold.granted or (answer := self._judge(hold.reservation)) == _WAITS:
                continue
            if answer == GRANTED:
                hold.granted = True
            else:
                del self.holds[key]
            asked = hold.reservation
            news.append(
                BudgetNews(
                    run_id=asked.run_id, turn=asked.turn, attempt=asked.attempt, answer=answer
                )
            )
        return news


def _numbered(call: Reservation | Settlement) -> tuple[str, tuple[int, int]]:
    """Return among which of its run's calls one is, and its number there, which rises.

    Summaries count down from -1, beside the answers of the same turn.
    """
    name = call.run_id if call.attempt > 0 else f"{call.run_id}:summaries"
    return name, (call.turn, abs(call.attempt))
