"""Which environment variables does the `.env` file of a pipeline's folder set?"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path

from farandole.broker.broker_errors import InvalidSettingsError

ENV_FILE = ".env"


def read_env_file(folder: Path) -> dict[str, str]:
    """Return the variables of the file; none if there is no file. Raises InvalidSettingsError."""
    file = folder / ENV_FILE
    if not file.is_file():  # `.env` is also a usual name for a folder with a virtual environment
        return {}
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise InvalidSettingsError(f"{file}: {error.strerror}") from None
    except UnicodeError:
        raise InvalidSettingsError(f"{file}: it is no text; save it as UTF-8") from None
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or "\0" in binding.original.string:
            raise InvalidSettingsError(f"{file}:{binding.original.line}: write NAME=value")
    variables = dotenv_values(stream=io.StringIO(text))
    return {name: value for name, value in variables.items() if name and value is not None}


def load_env_file(folder: Path) -> Mapping[str, str]:
    """Add the variables of the file to the environment of this process and its children, and return
    those that were added: a variable that is set already keeps its value. Raises
    InvalidSettingsError."""
    added = {name: v for name, v in read_env_file(folder).items() if name not in os.environ}
    os.environ.update(added)
    return added
