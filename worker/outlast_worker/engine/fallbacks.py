"""Which of an agent's models is asked next, after one has failed.

Pure, and by what calls and waits took: a clock may be set meanwhile.
"""

from collections import Counter
from datetime import timedelta

from outlast.protocol import RunError
from outlast_worker.engine.records import ModelFault, Pin

_NO_TIME = timedelta(0)
_SHOWN_CHARS = 200


class Candidates:
    """The models that may answer a turn.

    One that may soon answer is asked again for a while, then it is the turn of the one that is
    free first; they go round for as long as one model alone would be tried. One that refuses is
    not asked again.

    Attributes:
        current: The model that is asked now.
        attempt: Which of its calls this is, since it was chosen.
        malformed: How many of those gave an answer that can't be read.
    """

    def __init__(self, pin: Pin, first: str | None) -> None:
        """Begin a turn.

        Args:
            pin: Whose models.
            first: The one that answered the turn before: it is asked first.
        """
        self._named = pin.models
        begin = self._named.index(first) if first in self._named else 0
        order = [*self._named[begin:], *self._named[:begin]]
        self._patience = timedelta(seconds=pin.fallback_after_s)
        self._most = timedelta(seconds=pin.model_retry_for_s)
        self._tried_for = _NO_TIME
        """Of the turn, without the first call of each model: that may have taken all its time."""
        self._current_for = _NO_TIME
        """Of the current model, since it was chosen."""
        self._free_at = dict.fromkeys(order, _NO_TIME)
        """When each may be asked, by the turn's time."""
        self._chosen = Counter(order[:1])
        self._errors: dict[str, RunError] = {}
        self.current = order[0]
        self.attempt = 1
        self.malformed = 0

    @property
    def has_others(self) -> bool:
        """Whether another model may be asked."""
        return len(self._free_at) > 1

    @property
    def found_too_long(self) -> bool:
        """Whether one of them could not take the prompt because it is too long."""
        return any(error.type == "context-too-long" for error in self._errors.values())

    def next_after(self, fault: ModelFault) -> timedelta | None:
        """Choose the model that is asked next, and return how long to wait before it is.

        Returns:
            None if no model can help, or no longer.
        """
        self._take(fault)
        if not self._free_at:
            return None
        model = self.current if self._has_patience(fault) else min(self._free_at, key=self._rank)
        wait = self._wait(model)
        if self._chosen[model] and self._tried_for + wait > self._most:
            return None
        self._choose(model, wait)
        self.malformed += self.attempt > 1 and fault.error.type == "model-malformed"
        return wait

    def error(self) -> RunError:
        """Return why the turn has no answer: the first model's error, and what the others had."""
        first, *others = [model for model in self._named if model in self._errors]
        error = self._errors[first]
        if not others:
            return error
        told = [f"{model}: {self._errors[model].message[:_SHOWN_CHARS]}" for model in others]
        return error.model_copy(
            update={
                "message": f"{first}: {error.message} And {'; '.join(told)}",
                "retryable": any(each.retryable for each in self._errors.values()),
            }
        )

    def _take(self, fault: ModelFault) -> None:
        took = fault.ended_at - fault.started_at
        self._current_for += took
        if self.attempt > 1 or self._chosen[self.current] > 1:
            self._tried_for += took
        self._errors[self.current] = fault.error
        if fault.retry_after_s is None:
            del self._free_at[self.current]
        else:
            delay = timedelta(seconds=fault.retry_after_s)
            self._free_at[self.current] = self._tried_for + delay

    def _has_patience(self, fault: ModelFault) -> bool:
        if fault.retry_after_s is None:
            return False
        delay = timedelta(seconds=fault.retry_after_s)
        return not self.has_others or self._current_for + delay <= self._patience

    def _rank(self, model: str) -> tuple[timedelta, int]:
        return self._wait(model), self._chosen[model]

    def _wait(self, model: str) -> timedelta:
        return max(self._free_at[model] - self._tried_for, _NO_TIME)

    def _choose(self, model: str, wait: timedelta) -> None:
        self._tried_for += wait
        if model == self.current:
            self._current_for += wait
            self.attempt += 1
        else:
            self._current_for, self.attempt, self.malformed = _NO_TIME, 1, 0
            self.current = model
            self._chosen[model] += 1
