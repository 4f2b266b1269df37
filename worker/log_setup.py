"""How is logging configured, and in which format are log lines written?"""

from __future__ import annotations

import logging
import os
import sys

import structlog

from farandole.worker.log_origin import add_origin


def configure_logging(*, level: str = "info", pretty: bool | None = None) -> None:
    """Write log lines (dotted event names with fields) to standard error, so that standard output
    contains data only. `pretty`: colours for a person instead of JSON; None: only on a terminal."""
    if pretty is None:
        pretty = sys.stderr.isatty()
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"))
        if pretty
        else structlog.processors.JSONRenderer()
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            add_origin,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        # One write a line: the lines of several processes must not run into each other.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,  # a later call must take effect, for example in tests
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s", force=True)
    # aiokafka logs some 70 lines a second while a broker is away; we log what matters ourselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def logging_in_force() -> tuple[str, bool]:
    """Return the level and `pretty` with which logging is configured in this process, for a process
    that it starts."""
    pretty = isinstance(structlog.get_config()["processors"][-1], structlog.dev.ConsoleRenderer)
    return logging.getLevelName(logging.getLogger().level).lower(), pretty
