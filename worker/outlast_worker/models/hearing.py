"""What is heard of a call to a provider while it goes on."""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from outlast_worker.stopwatch import Stopwatch

PieceKind = Literal["text", "reasoning"]


class Preview(Protocol):
    """Shows an answer as it grows to whoever watches."""

    def add(self, kind: PieceKind, piece: str) -> None:
        """Show more of the answer."""
        ...

    def end(self) -> None:
        """Show what waits; called however the model call ends."""
        ...


class HiddenPreview:
    """The preview of an answer that nobody watches."""

    def add(self, kind: PieceKind, piece: str) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Nothing waits."""


class Hearing:
    """Hears of a call: its headers, and its answer as it grows."""

    def __init__(
        self,
        preview: Callable[[], Preview] = HiddenPreview,
        *,
        watch: Stopwatch | None = None,
        on_headers: Callable[[Mapping[str, str]], None] | None = None,
    ) -> None:
        """Begin to listen.

        Args:
            preview: Begins to show a streamed answer as it comes, again for each attempt.
            watch: Counts from the beginning of the call.
            on_headers: Takes what came before the answer.
        """
        self._preview = preview
        self._watch = watch or Stopwatch()
        self._on_headers = on_headers
        self.first_token_ms: int | None = None
        """When the first piece came of the answer that is heard now."""
        self.reasoning: list[str] = []
        """What the model thought before it."""

    def headers(self, headers: Mapping[str, str]) -> None:
        """Hear what comes before an answer, or an error."""
        if self._on_headers:
            self._on_headers(headers)

    def begin(self) -> "HeardAnswer":
        """Hear an answer that begins, perhaps once more."""
        self.first_token_ms, self.reasoning = None, []
        return HeardAnswer(self, self._preview())

    def note_piece(self) -> None:
        """Note that a piece came."""
        if self.first_token_ms is None:
            passed = self._watch.read() - self._watch.started_at
            self.first_token_ms = round(passed.total_seconds() * 1000)


class HeardAnswer:
    """One answer as it grows."""

    def __init__(self, hearing: Hearing, preview: Preview) -> None:
        self._hearing = hearing
        self._preview = preview

    def add(self, kind: PieceKind, piece: str) -> None:
        """Hear more of it, and show it."""
        if piece:
            self._hearing.note_piece()
            if kind == "reasoning":
                self._hearing.reasoning.append(piece)
            self._preview.add(kind, piece)

    def add_call(self) -> None:
        """Hear more of a tool call; nobody is shown that."""
        self._hearing.note_piece()

    def end(self) -> None:
        """Hear no more, however it ended."""
        self._preview.end()
