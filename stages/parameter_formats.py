"""What may a parameter of a stage name, so that lint can check it against the file?

A model of `params` says it by the JSON Schema `format` of a field:
`Field(json_schema_extra={"format": FIELD_FORMAT})`."""

from __future__ import annotations

if not __name__.startswith("farandole."):
    raise ImportError("stages.parameter_formats is a part of farandole: import farandole.stages")

EXPRESSION_FORMAT = "cel"
"""An expression over the stage's events, as in `when:`."""
FIELD_FORMAT = "event-field"
"""A field of the stage's events."""
PATH_FORMAT = "event-path"
"""A field of the stage's events, perhaps inside another: `customer.email`. Lists on the way stand
for each of their elements."""
VARIABLE_FORMAT = "environment-variable"
"""An environment variable that the workers need."""
