"""Calls models: what is the same whichever library speaks to the provider.

    ModelClient       what a run asks
    FailoverClient    the worker's own: keys, one deadline for all of them, faults, the log
    ProviderApi       how providers are spoken to: one attempt, with one key

A further way to speak to providers is one more `ProviderApi`; nothing here changes for it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from outlast.logging import get_logger
from outlast.providers import provider_of
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import ModelFault, ModelOutcome, ModelRecord
from outlast_worker.models.answers import Answer, record_of
from outlast_worker.models.faults import CallFailed, Diagnosis, Symptoms, diagnose
from outlast_worker.models.fitting import fit
from outlast_worker.models.gates import Gate
from outlast_worker.models.hearing import Hearing, HiddenPreview, Preview
from outlast_worker.models.keys import Access, accesses, missing_key
from outlast_worker.models.masking import mask
from outlast_worker.models.output_format import final_answer
from outlast_worker.models.prices import Prices
from outlast_worker.models.rate_limits import RateLimits
from outlast_worker.settings import Provider
from outlast_worker.stopwatch import Stopwatch
from outlast_worker.text import repair_surrogates

_CODE_CHARS = 100
_logger = get_logger()


class ModelClient(Protocol):
    """Calls models. A cancelled task aborts the provider's request."""

    async def load(self) -> None:
        """Get ready what takes long; called in the background once the worker serves."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...

    async def knows_price(self, model: str) -> bool:
        """Tell whether it will be known what calls of a model cost."""
        ...

    def dearest_price(self, model: str) -> tuple[float, float] | None:
        """Return what a million tokens cost at most, in and out, if that is known beforehand."""
        ...

    async def complete(self, call: ModelCall, preview: Callable[[], Preview]) -> ModelOutcome:
        """Call the model once and return its whole answer, or why there is none.

        Args:
            call: What to ask.
            preview: Begins to show a streamed answer as it comes, again for each attempt.
        """
        ...


class ProviderApi(Protocol):
    """One way to speak to providers."""

    def serves(self, model: str, options: Iterable[str]) -> bool:
        """Tell whether a model is called this way, with settings of these names."""
        ...

    def knows(self, provider: str) -> bool:
        """Tell whether there is a provider of this name; asked before the worker serves.

        Raises:
            NotInstalled: With what to run.
        """
        ...

    async def tells_cost(self, model: str) -> bool:
        """Tell whether answers of a model say what they cost."""
        ...

    async def load(self) -> None:
        """Get ready what takes long."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...

    async def ask(self, call: ModelCall, access: Access, hearing: Hearing) -> Answer:
        """Ask the provider once, without any retry.

        Wherever the provider can stream it is asked to, even if nobody watches: that way its
        silence is noticed.

        Raises:
            CallFailed: With what was seen.
        """
        ...


class FailoverClient:
    """The `ModelClient` that tries a provider's keys, over the first API that serves it."""

    def __init__(
        self,
        apis: Sequence[ProviderApi],
        providers: Mapping[str, Provider],
        timeout_s: float,
        needed: Sequence[ProviderApi] | None = None,
        prices: Prices | None = None,
        limits: RateLimits | None = None,
    ) -> None:
        """Make a client.

        Args:
            apis: In the order in which they are asked whether they serve a model.
            providers: How to reach them, by name.
            timeout_s: Of one call, with all keys.
            needed: The APIs to get ready beforehand; all of them by default.
            prices: What models cost; by default what is known of them.
            limits: What keys may do; without them each call is tried.
        """
        self._apis = apis
        self._needed = apis if needed is None else needed
        self._providers = providers
        self._timeout_s = timeout_s
        self._prices = prices or Prices()
        self._limits = limits

    async def load(self) -> None:
        """Get the APIs ready that are needed."""
        for api in self._needed:
            await api.load()

    async def close(self) -> None:
        """Close all connections."""
        for api in self._apis:
            await api.close()

    async def knows_price(self, model: str) -> bool:
        """Tell whether it will be known what calls of a model cost."""
        api = next(api for api in self._apis if api.serves(model, ()))
        return self._prices.know(model) or await api.tells_cost(model)

    def dearest_price(self, model: str) -> tuple[float, float] | None:
        """Return what a million tokens cost at most, in and out, if that is known beforehand."""
        return self._prices.dearest(model)

    async def complete(self, call: ModelCall, preview: Callable[[], Preview]) -> ModelOutcome:
        """Call the model once, with each of the provider's keys if need be."""
        watch = Stopwatch()
        call = fit(call)
        name = provider_of(call.model)
        api = next(api for api in self._apis if api.serves(call.model, call.settings.names))
        gates = self._gates(call, accesses(name, self._providers.get(name, Provider())))
        diagnoses = [] if gates else [diagnose(missing_key(call.model), call)]
        # One time for all keys: no step may take longer than Restate waits for it.
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        for gate in gates:
            shown = preview if call.stream else HiddenPreview
            hearing = Hearing(shown, watch=watch, on_headers=gate.note_headers)
            try:
                async with asyncio.timeout_at(deadline):
                    await gate.pass_through()
                    answer = await api.ask(call, gate.access, hearing)
                return self._record(call, answer, watch, hearing)
            except TimeoutError:
                symptoms = Symptoms("", "timeout")
            except CallFailed as error:
                symptoms = error.symptoms
                gate.note(symptoms)
            diagnoses.append(diagnose(symptoms, call))
            self._log(call, gate.access, symptoms, diagnoses[-1])
            if not diagnoses[-1].key_bound:
                break
        return self._fault(diagnoses, watch)

    def _gates(self, call: ModelCall, ways: Sequence[Access]) -> list[Gate]:
        """Return the ways to the provider, those first that are free sooner."""
        gates = [Gate(self._limits, call, access) for access in ways]
        return sorted(gates, key=lambda gate: gate.wait_s)

    def _record(
        self, call: ModelCall, answer: Answer, watch: Stopwatch, hearing: Hearing
    ) -> ModelRecord:
        record = record_of(call, final_answer(call, answer), watch)
        thought = "".join(hearing.reasoning) or answer.fields.get("reasoning_content")
        return record.model_copy(
            update={
                "usage": self._prices.price(
                    call.model, record.usage, answer.written_tokens, answer.services_usd
                ),
                "first_token_ms": hearing.first_token_ms,
                "reasoning": repair_surrogates(thought)
                if call.pin.keep_reasoning and isinstance(thought, str)
                else None,
            }
        )

    def _fault(self, diagnoses: Sequence[Diagnosis], watch: Stopwatch) -> ModelFault:
        # With one key at its limit and another one refused, waiting still helps; of several that
        # are at their limits the one counts that is free first.
        waits = [each for each in diagnoses if each.retry_after_s is not None]
        diagnosis = min(waits, key=lambda each: each.retry_after_s or 0, default=diagnoses[-1])
        error = diagnosis.error
        return ModelFault(
            error=error.model_copy(update={"message": mask(error.message, self._providers)}),
            retry_after_s=diagnosis.retry_after_s,
            started_at=watch.started_at,
            ended_at=watch.read(),
        )

    def _log(
        self, call: ModelCall, access: Access, symptoms: Symptoms, diagnosis: Diagnosis
    ) -> None:
        # Not the provider's sentence, which may quote what somebody said.
        _logger.warning(
            "model_call_failed",
            model=call.model,
            turn=call.turn,
            attempt=call.attempt,
            key=access.key_name,
            error=diagnosis.error.type,
            sign=symptoms.sign,
            status=symptoms.status,
            code=mask(symptoms.code, self._providers)[:_CODE_CHARS],
            retry_after_s=diagnosis.retry_after_s,
        )
