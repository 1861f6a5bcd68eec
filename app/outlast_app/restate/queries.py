"""The queries on Restate's tables. Values in them are written by `sql_text` and nothing else.

Restate has no index, so a query reads a whole table: that of invocations, or that of states, which
is the larger one. Only rows of states whose partition keys are known are found at once.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from pydantic_core import to_json

from outlast.contract import (
    ANSWER_PREFIX,
    APPROVAL_PREFIX,
    CALL_PREFIX,
    HEAD_KEY,
    LINE_PREFIX,
    METADATA_KEY,
    OLDER_APPROVALS_KEY,
    OPEN_CALL_PREFIX,
    PENDING_PREFIX,
    RESOLUTION_PREFIX,
    RUN_KEY,
)
from outlast.names import RunRef, key_of, service_of, thread_service
from outlast.protocol import ENDED
from outlast_app.cursors import Cursor
from outlast_app.run_filter import RunFilter


def sql_text(value: str) -> str:
    """Write a value into a query: a text in DataFusion's SQL has no escapes but the quote's."""
    return "'" + value.replace("'", "''") + "'"


# A small table, of which each partition is asked: one that has no storage fails the query.
PARTITIONS_QUERY = "SELECT count(*) FROM sys_inbox"


def invocation_query(prefix: str, ref: RunRef) -> str:
    """Select a run's invocation."""
    return f"""
        SELECT id, pinned_deployment_id AS deployment_id, status, retry_count, last_failure,
            next_retry_at, created_at
        FROM sys_invocation
        WHERE target_handler_name = 'run'
            AND target_service_name = {sql_text(ref.service(prefix))}
            AND target_service_key = {sql_text(ref.key)}
    """  # noqa: S608  # values are written by sql_text


def submissions_query(prefix: str, refs: Iterable[RunRef]) -> str:
    """Select the calls by which runs were submitted to threads; `Ingress.submit` names them."""
    run_ids = ", ".join(sql_text(ref.run_id) for ref in refs)
    return f"""
        SELECT id, target_service_key, idempotency_key, created_at
        FROM sys_invocation_status
        WHERE target_service_name = {sql_text(thread_service(prefix))}
            AND target_handler_name = 'submit'
            AND split_part(idempotency_key, ':', 1) IN ({run_ids})
        ORDER BY created_at
    """  # noqa: S608  # values are written by sql_text


def state_query(prefix: str, ref: RunRef) -> str:
    """Select what a run says of itself."""
    return f"""
        SELECT service_key, key, value_utf8
        FROM state
        WHERE service_name = {sql_text(ref.service(prefix))}
            AND service_key = {sql_text(ref.key)} AND {_OF_RUN}
    """  # noqa: S608  # values are written by sql_text


def runs_query(
    prefix: str, tenant: str, wanted: RunFilter, limit: int, after: Cursor | None
) -> str:
    """Select the engine's rows of a tenant's runs, newest first."""
    conditions = [_is_run(prefix, tenant)]
    if wanted.agent:
        conditions.append(f"i.target_service_name = {sql_text(service_of(wanted.agent, prefix))}")
    if wanted.thread_id:
        ending = sql_text(f',"thread_id":"{wanted.thread_id}"')
        names = f"split_part(s.value_utf8, {sql_text(_BEFORE_STATUS)}, 1)"
        conditions.append(f"ends_with({names}, {ending})")
    if wanted.parent:
        caller = sql_text(_caller(prefix, tenant, wanted.parent))
        conditions.append(f"i.invoked_by_target = {caller}")
    if wanted.statuses:
        conditions.append(f"{_STATUS} IN ({_texts(sorted(wanted.statuses))})")
    conditions += [_has("m.value_utf8", *pair) for pair in wanted.metadata.items()]
    joined = _WITH_STATE if wanted.thread_id or wanted.statuses else ""
    joined += _WITH_METADATA if wanted.metadata else ""
    found = f"""
            SELECT {_ENGINE_COLUMNS}, i.target_service_key AS service_key,
                   CAST(NULL AS VARCHAR) AS thread_key
            FROM sys_invocation_status i
            LEFT JOIN sys_invocation_state e ON e.id = i.id
            {joined}
            WHERE {" AND ".join(conditions)}
    """  # noqa: S608  # values are written by sql_text
    may_be_submitted = not wanted.statuses or "queued" in wanted.statuses
    if may_be_submitted and not wanted.metadata and not wanted.parent:
        found += f"UNION ALL {_submissions_query(prefix, tenant, wanted)}"
    limits = ["true"]
    if after:
        limits.append(_comes_after("created_at", "service_key", tenant, after))
    if wanted.id_prefix:
        begin = sql_text(key_of(tenant, wanted.id_prefix))
        limits.append(f"starts_with(service_key, {begin})")
    if wanted.created_after:
        limits.append(f"created_at >= {_millisecond(wanted.created_after)}")
    if wanted.created_before:
        limits.append(f"created_at < {_millisecond(wanted.created_before)}")
    return f"""
        SELECT * FROM ({found})
        WHERE {" AND ".join(limits)}
        ORDER BY created_at DESC, service_key DESC
        LIMIT {limit}
    """  # noqa: S608  # values are written by sql_text


def called_runs_query(prefix: str, refs: Iterable[RunRef]) -> str:
    """Select what these runs have called, with the threads that the called ones are on."""
    callers = (_caller(prefix, ref.tenant, ref.run_id) for ref in refs)
    names = f"split_part(s.value_utf8, {sql_text(_BEFORE_STATUS)}, 1)"
    return f"""
        SELECT i.target_service_key AS service_key, {_text_in(names, "thread_id")} AS thread_id
        FROM sys_invocation_status i
        {_WITH_STATE}
        WHERE i.target_handler_name = 'run' AND i.invoked_by_target IN ({_texts(callers)})
    """  # noqa: S608  # values are written by sql_text


def _caller(prefix: str, tenant: str, run_id: str) -> str:
    """Return how Restate names a run that has called others."""
    ref = RunRef(tenant, run_id)
    return f"{ref.service(prefix)}/{ref.key}/run"


def _submissions_query(prefix: str, tenant: str, wanted: RunFilter) -> str:
    """Select the runs that their threads have not seen yet; `Ingress.submit` names them so."""
    thread = sql_text(key_of(tenant, wanted.thread_id or ""))
    agent = sql_text(f"{wanted.agent}." if wanted.agent else "")
    name = f"concat({sql_text(key_of(tenant, ''))}, split_part(i.idempotency_key, ':', 1))"
    key = "i.target_service_key"
    return f"""
            SELECT {_ENGINE_COLUMNS}, {name} AS service_key, {key} AS thread_key
            FROM sys_invocation_status i
            LEFT JOIN sys_invocation_state e ON e.id = i.id
            WHERE i.target_service_name = {sql_text(thread_service(prefix))}
                AND i.target_handler_name = 'submit' AND i.status <> 'completed'
                AND {f"{key} = {thread}" if wanted.thread_id else f"starts_with({key}, {thread})"}
                AND starts_with(i.idempotency_key, {agent})
                AND {name} NOT IN (
                    SELECT {key} FROM sys_invocation_status i WHERE {_is_run(prefix, tenant)}
                )
    """  # noqa: S608  # values are written by sql_text


def states_query(
    prefix: str, partition_keys: Mapping[str, int], approval_ids: Iterable[str] | None
) -> str:
    """Select what some runs say of themselves, by their keys; of their approvals all, or these.

    A thread may be called as a run is, and has metadata, too.

    Of a large run what stands around its output: a list of runs with long outputs would else be
    read whole, to be left out.
    """
    asked = _OF_RUN
    if approval_ids is not None:
        names = (f"{prefix}{each}" for each in approval_ids for prefix in _OF_WAITS)
        asked = f"key IN ({', '.join(map(sql_text, (RUN_KEY, *names)))})"
    return f"""
        SELECT service_key, key,
            CASE WHEN NOT {_IS_LARGE} THEN value_utf8 END AS whole,
            CASE WHEN {_IS_LARGE} THEN substr(value_utf8, 1, {_BEGINNING_CHARS}) END AS beginning,
            CASE WHEN {_IS_LARGE}
                THEN substr(value_utf8, strpos(value_utf8, '{AFTER_OUTPUT}')) END AS ending
        FROM state
        WHERE {_of_keys(partition_keys)} AND {asked}
            AND service_name <> {sql_text(thread_service(prefix))}
    """  # noqa: S608  # values are written by sql_text


def threads_query(
    prefix: str, tenant: str, metadata: Mapping[str, str], limit: int, after: Cursor | None
) -> str:
    """Select a tenant's threads that have this metadata, those that changed last first."""
    service, tenants = sql_text(thread_service(prefix)), sql_text(key_of(tenant, ""))
    joined = f"""JOIN state m ON m.service_name = s.service_name
        AND m.service_key = s.service_key AND m.key = '{METADATA_KEY}'"""
    wanted = [_has("m.value_utf8", *pair) for pair in metadata.items()]
    later = _comes_after("changed_at", "service_key", tenant, after) if after else "true"
    return f"""
        SELECT partition_key, service_key, value_utf8
        FROM (
            SELECT s.partition_key, s.service_key, s.value_utf8,
                   TRY_CAST({_text_in("s.value_utf8", "updated_at")} AS TIMESTAMP) AS changed_at
            FROM state s {joined if wanted else ""}
            WHERE {" AND ".join(wanted or ["true"])}
                  AND s.service_name = {service} AND s.key = '{HEAD_KEY}'
                  AND starts_with(s.service_key, {tenants})
        )
        WHERE {later}
        ORDER BY changed_at DESC, service_key DESC
        LIMIT {limit}
    """  # noqa: S608  # values are written by sql_text


def threads_metadata_query(prefix: str, partition_keys: Mapping[str, int]) -> str:
    """Select what was said of some threads, by the threads' keys."""
    return f"""
        SELECT service_key, value_utf8 FROM state
        WHERE {_of_keys(partition_keys)} AND key = '{METADATA_KEY}'
            AND service_name = {sql_text(thread_service(prefix))}
    """  # noqa: S608  # values are written by sql_text


def lines_query(prefix: str, partition_keys: Mapping[str, int]) -> str:
    """Select the places in some threads' lines, by the threads' keys."""
    return f"""
        SELECT service_key, key, value_utf8 FROM state
        WHERE {_of_keys(partition_keys)} AND starts_with(key, '{LINE_PREFIX}')
            AND service_name = {sql_text(thread_service(prefix))}
    """  # noqa: S608  # values are written by sql_text


def _of_keys(partition_keys: Mapping[str, int]) -> str:
    partitions = ", ".join(str(partition_key) for partition_key in partition_keys.values())
    keys = ", ".join(sql_text(key) for key in partition_keys)
    return f"partition_key IN ({partitions}) AND service_key IN ({keys})"


def approvals_query(prefix: str, tenant: str) -> str:
    """Select a tenant's pending approvals; a killed run leaves its own behind."""
    pending = f"(starts_with(s.key, '{PENDING_PREFIX}') OR s.key = '{OLDER_APPROVALS_KEY}')"
    return f"""
        SELECT i.partition_key, s.service_key, s.key, s.value_utf8
        FROM sys_invocation_status i
        JOIN state s ON {_SAME_KEY} AND {pending}
        WHERE {_is_run(prefix, tenant)} AND i.status <> 'completed'
    """  # noqa: S608  # values are written by sql_text


def calls_query(prefix: str, tenant: str) -> str:
    """Select a tenant's calls that wait for a client; a killed run leaves its own behind."""
    return f"""
        SELECT i.partition_key, s.service_key, s.key, s.value_utf8
        FROM sys_invocation_status i
        JOIN state s ON {_SAME_KEY} AND starts_with(s.key, '{OPEN_CALL_PREFIX}')
        WHERE {_is_run(prefix, tenant)} AND i.status <> 'completed'
    """  # noqa: S608  # values are written by sql_text


def _is_run(prefix: str, tenant: str) -> str:
    """Tell the tenant's runs from all other invocations, those of other prefixes among them."""
    agent = f"substr(i.target_service_name, {len(prefix) + 1})"
    beginning = f"concat({sql_text(key_of(tenant, ''))}, {agent}, '.')"
    return (
        f"i.target_handler_name = 'run' AND starts_with(i.target_service_name, {sql_text(prefix)})"
        f" AND starts_with(i.target_service_key, {beginning})"
    )


def _has(metadata: str, name: str, value: str) -> str:
    """Tell whether a column with an object of texts has this one, in JSON as we write it.

    What precedes a name there, an opening brace or a comma, precedes no quote inside of a text.
    """
    member = to_json({name: value}).decode()[1:-1]
    first, later = sql_text("{" + member), sql_text("," + member)
    return f"(starts_with({metadata}, {first}) OR strpos({metadata}, {later}) > 0)"


def _texts(values: Iterable[str]) -> str:
    return ", ".join(map(sql_text, values))


def _timestamp(at: datetime) -> str:
    return f"TIMESTAMP {sql_text(at.isoformat())}"


def _millisecond(at: datetime) -> str:
    """Return a moment as Restate tells when it has accepted a run: without what is finer.

    So a run's own `created_at`, which is a little earlier, is never taken for a later moment.
    """
    return _timestamp(at.replace(microsecond=at.microsecond // 1000 * 1000))


def _comes_after(time: str, key: str, tenant: str, after: Cursor) -> str:
    at = _timestamp(after.at)
    name = sql_text(key_of(tenant, after.name))
    return f"({time} < {at} OR ({time} = {at} AND {key} < {name}))"


def _text_in(json: str, field: str) -> str:
    """Return the first text of this name in a JSON column."""
    return f"split_part(split_part({json}, '\"{field}\":\"', 2), '\"', 1)"


_BEFORE_STATUS = ',"status":'
"""What follows the names in a run's state; free text comes later."""
_OF_WAITS = (APPROVAL_PREFIX, RESOLUTION_PREFIX, CALL_PREFIX, ANSWER_PREFIX)
OUTPUT = ',"output":'
"""Before the output in a run's state: in front of it there are names and never free text."""
AFTER_OUTPUT = ',"usage":{'
"""What follows it; an output may have that itself."""
_LARGE_BYTES = 16 * 1024
_IS_LARGE = f"(key = '{RUN_KEY}' AND octet_length(value_utf8) > {_LARGE_BYTES})"
_BEGINNING_CHARS = 4 * 1024
# As in Restate's view `sys_invocation`, which is slower: what backs off is `invoked` here.
_ENGINE_STATUS = """CASE WHEN i.status = 'invoked' AND e.in_flight IS NOT TRUE
                        AND e.retry_count > 0 THEN 'backing-off' ELSE i.status END"""
_ENGINE_COLUMNS = f"""i.partition_key, {_ENGINE_STATUS} AS status, i.created_at,
                   i.completion_failure, e.retry_count, e.last_failure, e.next_retry_at"""
_OF_RUN = (
    f"(key IN ('{RUN_KEY}', '{METADATA_KEY}') OR starts_with(key, '{APPROVAL_PREFIX}')"
    f" OR starts_with(key, '{RESOLUTION_PREFIX}')"
    f" OR starts_with(key, '{CALL_PREFIX}') OR starts_with(key, '{ANSWER_PREFIX}'))"
)
# The first fields of a state are names and never free text, so the first `status` is the run's.
_SAID = _text_in("s.value_utf8", "status")
_SAME_KEY = "s.service_name = i.target_service_name AND s.service_key = i.target_service_key"
_WITH_STATE = f" LEFT JOIN state s ON {_SAME_KEY} AND s.key = '{RUN_KEY}'"
_WITH_METADATA = f""" LEFT JOIN state m ON m.service_name = i.target_service_name
    AND m.service_key = i.target_service_key AND m.key = '{METADATA_KEY}'"""
_STATUS = f"""(CASE
    WHEN i.completion_failure IS NOT NULL THEN 'failed'
    WHEN {_SAID} IN ({", ".join(sql_text(status) for status in sorted(ENDED))}) THEN {_SAID}
    WHEN i.status = 'paused' THEN 'paused'
    ELSE coalesce({_SAID}, 'queued')
END)"""
