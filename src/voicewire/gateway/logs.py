"""The gateway's log as lines for people or as JSON, with the fields that the code gave and nothing that was said."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Final, Literal, TextIO, get_args

LogFormat = Literal["text", "json"]
FORMATS: Final[tuple[str, ...]] = get_args(LogFormat)
_OWN: Final = frozenset(
    {*vars(logging.LogRecord("", 0, "", 0, "", None, None)), "message", "asctime", "taskName"}
)
_ROOM: Final = "voicewire"


class FieldFormatter(logging.Formatter):
    """One line a record: time, level, logger, message, then the record's own fields.

    A value is written as JSON in both formats, so that a line break in it cannot begin a line of its own.

    Args:
        style: ``json`` for an object a line, ``text`` for ``name=value``.
    """

    def __init__(self, style: LogFormat) -> None:
        super().__init__()
        self._is_json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        """The record's line."""
        at = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        if self._is_json:
            head = {
                "time": at,
                "level": record.levelname,
                "logger": record.name,
                "message": record.getMessage(),
            }
            return json.dumps({**head, **fields}, default=str, ensure_ascii=True)
        shown = "".join(f" {name}={json.dumps(value, default=str)}" for name, value in fields.items())
        return f"{at} {record.levelname} {record.name}: {json.dumps(record.getMessage())[1:-1]}{shown}"


@contextmanager
def log_to(stream: TextIO, style: LogFormat) -> Generator[None, None, None]:
    """Writes the log of everything in Voicewire, from level INFO on, for as long as the context lasts."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(FieldFormatter(style))
    logger = logging.getLogger(_ROOM)
    before = (logger.propagate, logger.level)
    logger.addHandler(handler)
    logger.propagate = False
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate, level = before
        logger.setLevel(level)
