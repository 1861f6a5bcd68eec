"""One connection with an MCP server, by the official library.

That takes a second to import, so this module is loaded when the first agent needs it
(`sessions.py`), with its transports (`http.py`, `stdio.py`).
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any

from httpx2 import AsyncClient, Timeout
from mcp import Client, MCPError
from mcp.client.session import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    CONNECTION_CLOSED,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    URL_ELICITATION_REQUIRED,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    ElicitationRequiredErrorData,
    ElicitRequest,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    InputRequiredResult,
    InputResponses,
)
from mcp_types import Tool as ListedTool
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError

from outlast.errors import ToolError
from outlast.mcp import McpServer
from outlast_worker.engine.planned_calls import GivenAnswer
from outlast_worker.engine.records import ServerAsks, ServerQuestion
from outlast_worker.mcp.access import Access, CallForgotten, ConnectionLost
from outlast_worker.mcp.asking import (
    HELD_FOR_S,
    MAX_QUESTIONS,
    Ask,
    Recorded,
    ServerCall,
    TooManyQuestions,
)
from outlast_worker.mcp.http import UNCOMPRESSED, bounded_by
from outlast_worker.mcp.meter import MAX_MESSAGE_BYTES, Meter
from outlast_worker.mcp.questions import UnusableQuestion, question_of
from outlast_worker.mcp.said import Said
from outlast_worker.mcp.stdio import speak
from outlast_worker.text import repair_surrogates

_MAX_TOOLS = 500
_MAX_LISTED_BYTES = 2 * 1024 * 1024
_MAX_STATE_BYTES = 64 * 1024
_CONNECT_TIMEOUT_S = 30.0
# Between two questions whether a server has got further that needs no answers to go on.
_PAUSE_S = 0.25
_KEY = "outlast/idempotency-key"
_RESULT: TypeAdapter[CallToolResult | InputRequiredResult] = TypeAdapter(
    CallToolResult | InputRequiredResult
)


class _PagesRequired(ToolError):
    """A server takes a call only when somebody has done something in a browser."""

    def __init__(self, questions: list[ServerQuestion]) -> None:
        super().__init__("a page has to be visited")
        self.questions = questions


class Connection:
    """What a session is used for.

    Args:
        server: Whom it is with.
        make_client: Makes the library's client.
    """

    def __init__(self, server: McpServer, make_client: Callable[..., Client]) -> None:
        self._server = server
        self._ask: Ask | None = None
        asks = self._take_question if server.elicitation else None
        self.client = make_client(cache=None, elicitation_callback=asks)

    @property
    def is_shareable(self) -> bool:
        """Whether calls side by side are told apart when the server asks something in one."""
        return not self._server.elicitation or self._is_newer

    @property
    def _is_newer(self) -> bool:
        return self.client.session.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def list_tools(self) -> list[ListedTool]:
        """Return the server's tools, of all pages, up to 500: more than a model can choose from."""
        listed: list[ListedTool] = []
        cursor: str | None = None
        size = 0
        while len(listed) < _MAX_TOOLS and size < _MAX_LISTED_BYTES:
            page = await self.client.list_tools(cursor=cursor)
            listed += page.tools
            size += len(page.model_dump_json())
            cursor = page.next_cursor
            if not cursor or not page.tools:
                break
        return listed[:_MAX_TOOLS]

    async def probe(self) -> None:
        """Ask for something that changes nothing, to find out whether the server is there.

        Raises:
            ConnectionLost: It is not.
        """
        with suppress(ToolError), self._noticing_loss():
            await self.client.list_tools()

    async def call(self, call: ServerCall, ask: Ask | None) -> CallToolResult | ServerAsks:
        """Call a tool; when this is cancelled, the server is told.

        A server of a protocol before 2026-07-28 asks in the middle of the call, by `ask`; a newer
        one ends it with what it asks, and gets the answers with the next one.

        Raises:
            CallForgotten: The server does not go on with a call in which it had asked something.
            ConnectionLost: The server went away.
            ToolError: The server refused the call, or asks what nobody can answer.
        """
        self._ask = ask
        try:
            return await self._send_repeatedly(call)
        except _PagesRequired as asked:
            return ServerAsks(questions=asked.questions)
        finally:
            self._ask = None

    async def _send_repeatedly(self, call: ServerCall) -> CallToolResult | ServerAsks:
        """Send a call until it needs no answers, or some that are not known."""
        if not self._is_newer:
            call = _without_pages(call)
        asks = call.answered.asks
        recorded = Recorded(() if asks else call.answered.answers)
        try:
            result = await self._send(call, _responses(call.answered.latest), asks and asks.state)
        except ToolError as error:
            if asks is None:
                raise
            raise CallForgotten(self._server.name) from error
        while isinstance(result, InputRequiredResult):
            questions, state = _questions_in(result), _state_of(result)
            given = [answer for each in questions if (answer := recorded.take(each))]
            if len(given) < len(questions):
                return ServerAsks(questions=questions, state=state)
            if not questions:
                await asyncio.sleep(_PAUSE_S)
            result = await self._send(call, _responses(given), state)
        return result

    async def _send(
        self, call: ServerCall, responses: InputResponses, state: str | None
    ) -> CallToolResult | InputRequiredResult:
        params = CallToolRequestParams(
            name=call.tool,
            arguments=dict(call.arguments),
            input_responses=responses or None,
            request_state=state,
            _meta={_KEY: call.context.idempotency_key},
        )

        async def report(progress: float, total: float | None, message: str | None) -> None:
            call.context.report_progress(progress, total, message)

        # Not by `call_tool`, which checks the result against a schema of the server's by a library
        # that a harmful one can hold up for ever.
        with self._noticing_loss():
            request = CallToolRequest(params=params)
            try:
                return await self.client.session.send_request(
                    request, _RESULT, progress_callback=report
                )
            except MCPError as error:
                if error.code != HEADER_MISMATCH:
                    raise
            await self.list_tools()  # which headers a call needs is in the tool's schema
            return await self.client.session.send_request(
                request, _RESULT, progress_callback=report
            )

    async def _take_question(
        self,
        context: ClientRequestContext,  # noqa: ARG002  # it does not say which call asks
        params: ElicitRequestParams,
    ) -> ElicitResult | ErrorData:
        """Answer what a server asks in the middle of the one call that it carries out."""
        if self._ask is None:
            return ErrorData(code=INVALID_REQUEST, message="No call is there that could ask")
        try:
            return _result_of(await self._ask(question_of(params)))
        except UnusableQuestion as error:
            return ErrorData(code=INVALID_PARAMS, message=str(error))
        except TooManyQuestions:
            message = f"Up to {MAX_QUESTIONS} questions may be open at once"
            return ErrorData(code=INVALID_REQUEST, message=message)

    @contextmanager
    def _noticing_loss(self) -> Generator[None]:
        try:
            yield
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                raise ConnectionLost(
                    f"The MCP server {self._server.name} went away during the call."
                ) from error
            if error.code == URL_ELICITATION_REQUIRED and self._server.elicitation:
                raise _PagesRequired(_pages_in(error)) from error
            raise ToolError(repair_surrogates(error.message)) from error


@asynccontextmanager
async def connect(server: McpServer, access: Access) -> AsyncGenerator[Connection]:
    """Connect with a server for as long as this is entered, in one task.

    A command is started with `access` and a few harmless variables of the worker's, and ended.
    """
    meter = Meter()
    if server.command:
        started = speak(server.command, access, meter, Said(server.name, access).hear)
        connection = Connection(server, partial(Client, started))
        async with connection.client:
            yield connection
        return
    # A call may be silent for as long as it may take, and while people think.
    silent_s = server.timeout.total_seconds() + (HELD_FOR_S if server.elicitation else 0)
    timeout = Timeout(_CONNECT_TIMEOUT_S, read=silent_s + _CONNECT_TIMEOUT_S)
    hooks: dict[str, list[Any]] = {"response": [bounded_by(meter)]}
    headers = {**UNCOMPRESSED, **access}
    async with AsyncClient(headers=headers, timeout=timeout, event_hooks=hooks) as http:
        transport = streamable_http_client(
            str(server.url), http_client=http, max_sse_event_size=MAX_MESSAGE_BYTES
        )
        connection = Connection(server, partial(Client, transport))
        async with connection.client:
            yield connection


def _without_pages(call: ServerCall) -> ServerCall:
    """Return a call that was refused until somebody has visited pages, to be sent anew.

    Raises:
        ToolError: They did not.
    """
    if any(given.action != "accept" for given in call.answered.latest):
        raise ToolError("The server needs something done in a browser, which nobody did.")
    return call.anew()


def _pages_in(error: MCPError) -> list[ServerQuestion]:
    try:
        pages = ElicitationRequiredErrorData.model_validate(error.error.data).elicitations
    except ValidationError:
        pages = []
    if not 0 < len(pages) <= MAX_QUESTIONS:
        raise ToolError(repair_surrogates(error.message)) from error
    return [question_of(page, str(number)) for number, page in enumerate(pages)]


def _questions_in(result: InputRequiredResult) -> list[ServerQuestion]:
    asked = result.input_requests or {}
    if len(asked) > MAX_QUESTIONS:
        raise ToolError(f"The server asks {len(asked)} things at once, which nobody is asked.")
    questions: list[ServerQuestion] = []
    for key, request in asked.items():
        if not isinstance(request, ElicitRequest):
            raise ToolError(f"The server wants {request.method}, which it can't have here.")
        questions.append(question_of(request.params, key))
    return questions


def _state_of(result: InputRequiredResult) -> str | None:
    if result.request_state and len(result.request_state.encode()) > _MAX_STATE_BYTES:
        raise ToolError("The server wants more kept while people are asked than can be kept.")
    return result.request_state


def _responses(answers: Sequence[GivenAnswer]) -> InputResponses:
    return {given.question.key: _result_of(given) for given in answers}


def _result_of(given: GivenAnswer) -> ElicitResult:
    content: Any = None
    if given.action == "accept" and given.question.url is None:
        content = dict(given.content or {})
    try:
        return ElicitResult(action=given.action, content=content)
    except ValidationError as error:
        raise ToolError("The answer has values that the protocol does not know.") from error
