"""One log format for both processes."""

import json
import logging

import pytest
import structlog

from outlast.logging import configure_logging, get_logger

pytestmark = pytest.mark.usefixtures("logging_as_before")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody looks on, each record is a JSON line: event, level, time and keys."""
    configure_logging("INFO")
    structlog.get_logger().info("run_started", run_id="r", more={"a": 1})
    [line] = lines(capsys)
    assert (line["event"], line["level"], line["run_id"], line["more"]) == (
        "run_started",
        "info",
        "r",
        {"a": 1},
    )
    assert str(line["timestamp"]).endswith("Z")


def test_the_standard_library(capsys: pytest.CaptureFixture[str]) -> None:
    """Records of libraries have the same form, with the name of their logger."""
    configure_logging("INFO", as_json=True)
    logging.getLogger("some.library").warning("%s went wrong", "it")
    [line] = lines(capsys)
    assert (line["event"], line["logger"], line["level"]) == (
        "it went wrong",
        "some.library",
        "warning",
    )


def test_exceptions(capsys: pytest.CaptureFixture[str]) -> None:
    """A trace is part of its line."""
    configure_logging("INFO", as_json=True)
    get_logger().error("tool_failed", exc_info=ValueError("no"))
    [line] = lines(capsys)
    assert "ValueError: no" in str(line["exception"])


@pytest.mark.parametrize("level", ["INFO", "debug"])
def test_levels(capsys: pytest.CaptureFixture[str], level: str) -> None:
    """A level is taken in any case, and noisy libraries stay quiet: they log messages' texts."""
    configure_logging(level, as_json=True)
    structlog.get_logger().debug("mine")
    for name in ("LiteLLM", "httpx", "httpcore", "openai"):
        logging.getLogger(name).debug("secret")
    assert [line["event"] for line in lines(capsys)] == (["mine"] if level == "debug" else [])


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal the lines are for people."""
    configure_logging("INFO", as_json=False)
    structlog.get_logger().info("run_started", run_id="r")
    line = capsys.readouterr().err
    assert "run_started" in line
    assert not line.startswith("{")


def test_text_of_exceptions(capsys: pytest.CaptureFixture[str]) -> None:
    """A trace for people shows no values of variables, which may be keys."""

    def fail(key: str) -> None:
        raise ValueError("no")

    configure_logging("INFO", as_json=False)
    try:
        fail("SECRET-1".lower())
    except ValueError:
        get_logger().exception("tool_failed")
    assert "ValueError: no" in (shown := capsys.readouterr().err)
    assert "secret-1" not in shown
