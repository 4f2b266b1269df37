"""How is a data contract read from a file, and written into one?"""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from farandole.operations.errors import RefusedError

_MAX_BYTES = 4 * 1024 * 1024


def read_contract(file: Path) -> dict[str, Any]:
    """Return the contract in a file, YAML or JSON, of version 3 of the Open Data Contract Standard.
    Raises RefusedError (`file_unusable`)."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise _unusable(file, f"it cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise _unusable(file, "it is not UTF-8; save it so") from None
    if len(raw) > _MAX_BYTES:
        raise _unusable(file, f"it has more than {_MAX_BYTES // 2**20} MiB")
    try:
        contract = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise _unusable(file, f"it is not YAML: {error.problem or error.context}", place) from None
    except (YAMLError, ValueError, RecursionError) as error:
        why = str(error).splitlines()[0] if str(error) else "it is nested too deeply"
        raise _unusable(file, f"it is not YAML: {why}") from None
    if not isinstance(contract, dict) or contract.get("kind") != "DataContract":
        raise _unusable(
            file, "it is no contract of the Open Data Contract Standard: `kind: DataContract` is"
            " missing"
        )  # fmt: skip
    version = str(contract.get("apiVersion") or "")
    if not version.startswith("v3."):
        raise _unusable(file, f"`apiVersion: {version}`: contracts of version 3 are understood")
    return contract


def contract_text(contract: dict[str, Any]) -> str:
    """Return the YAML text of a contract; it ends with a line break."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # typed as None
    yaml.representer.ignore_aliases = lambda _: True
    text = StringIO()
    yaml.dump(contract, text)
    return text.getvalue()


def _unusable(file: Path, why: str, place: str = "") -> RefusedError:
    return RefusedError("file_unusable", f"{file}{place}: {why}", file=str(file))
