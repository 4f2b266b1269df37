"""How are fields of an event made unreadable for later stages?"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from farandole.stages.contract import Reject
from farandole.stages.parameter_formats import PATH_FORMAT, VARIABLE_FORMAT

if not __name__.startswith("farandole."):
    raise ImportError(
        "stages.generic.mask is a part of farandole: import farandole.stages.generic.mask"
    )

T = TypeVar("T")

REDACTED = "***"
_MIN_SECRET_BYTES = 16  # bytes of a secret: fewer can be guessed


class KeepLast(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_last: Annotated[int, Field(ge=1)]
    """The number of last characters that stay readable, if the value is at least twice as long."""


MaskMethod = Literal["redact", "hash"] | KeepLast


class MaskParams(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    fields: Annotated[
        Mapping[Annotated[str, Field(json_schema_extra={"format": PATH_FORMAT})], MaskMethod],
        Field(min_length=1),
    ]
    """By field (`customer.email` for a field inside another): `redact`, `hash` or
    `{keep_last: N}`."""
    secret: (
        Annotated[
            str,
            Field(
                pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", json_schema_extra={"format": VARIABLE_FORMAT}
            ),
        ]
        | None
    ) = None
    """The name of the environment variable with the secret of `hash`; never the secret itself."""
    absent: Literal["reject", "pass"] = "reject"
    """What happens to an event without one of the fields. By default it is rejected, because a
    misspelled field name must not let secrets pass."""

    @model_validator(mode="after")
    def _hashes_with_a_secret(self) -> MaskParams:
        if "hash" in self.fields.values() and self.secret is None:
            raise ValueError("`hash` needs `secret: NAME_OF_AN_ENVIRONMENT_VARIABLE`")
        return self

    @cached_property
    def key(self) -> bytes:
        """The secret. It is read only when the stage runs: `farandole lint` works without it.
        Raises Reject if the variable contains no secret."""
        secret = os.environ.get(self.secret or "", "").encode()
        if len(secret) < _MIN_SECRET_BYTES:
            raise Reject(
                f"the environment variable {self.secret} holds no secret of at least "
                f"{_MIN_SECRET_BYTES} "
                "bytes; set it for the workers, for example to the output of `openssl rand -hex 32`"
            )
        return secret


def mask(event: T, params: MaskParams) -> T:
    """Return the event with unreadable text in those fields. Null stays null, and each element of a
    list is masked. With one secret, equal values have equal hashes, so they can still be joined and
    counted. Raises Reject if a field is absent."""
    masked: Any = event
    for path, how in params.fields.items():
        masked = _mask_path(masked, path.split("."), how, params)
    return masked  # type: ignore[no-any-return]


def _mask_path(value: Any, path: list[str], how: MaskMethod, params: MaskParams) -> Any:
    if isinstance(value, list):
        return [_mask_path(each, path, how, params) for each in value]
    if not path:
        return None if value is None else _mask_value(value, how, params)
    name, *inner = path
    if isinstance(value, dict) and name in value:
        return {**value, name: _mask_path(value[name], inner, how, params)}
    if params.absent == "reject":
        raise Reject(f"it has no field {name!r} to mask (`absent: pass` lets such an event pass)")
    return value


def _mask_value(value: Any, how: MaskMethod, params: MaskParams) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    if isinstance(how, KeepLast):
        shown = text[-how.keep_last :] if len(text) >= 2 * how.keep_last else ""
        return REDACTED + shown
    if how == "redact":
        return REDACTED
    return hmac.new(params.key, text.encode(), hashlib.sha256).hexdigest()
