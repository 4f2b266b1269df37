"""By which fields does a person recognise the event of a dead letter?"""

from __future__ import annotations

import re
from collections.abc import Iterable

from farandole.events.json_text import parse_json
from farandole.events.personal_data_masking import PERSONAL_MASK, mask_personal
from farandole.events.safe_text import single_line
from farandole.notifier.dead_letter_view import MAX_PARSED_BYTES, DeadLetterView

_NAMING = re.compile(r"(^|_)(id|no|nr|number|code|name|key|uuid|sku)$|[a-z](Id|Number|Code)$")
_MAX_LABELS = 4
_MAX_VALUE_LENGTH = 40  # characters

Labels = tuple[tuple[str, str], ...]


def letter_labels(letter: DeadLetterView) -> Labels:
    """Return the first fields of the event's data that look like names or numbers of things, with
    their values; none of them is personal."""
    value, secrets = letter.record.value, letter.secrets
    if value is None or secrets.hides_all or len(value) > MAX_PARSED_BYTES:
        return ()
    try:
        data = parse_json(value)
    except ValueError:
        return ()
    if not isinstance(data, dict):
        return ()
    named = {k: v for k, v in data.items() if isinstance(v, str | int) and _NAMING.search(k)}
    shown = mask_personal(named, secrets.schema)
    found = (
        (single_line(name)[:_MAX_VALUE_LENGTH], single_line(str(each)[: 2 * _MAX_VALUE_LENGTH]))
        for name, each in shown.items()
        if each != PERSONAL_MASK and not isinstance(each, bool)
    )
    return tuple((name, text[:_MAX_VALUE_LENGTH]) for name, text in [*found][:_MAX_LABELS])


def telling_field(all_labels: Iterable[Labels]) -> str | None:
    """Return the field that tells most of these letters apart; None if there is none. Of several
    the first."""
    values: dict[str, set[str]] = {}
    for labels in all_labels:
        for name, text in labels:
            values.setdefault(name, set()).add(text)
    return max(values, key=lambda name: len(values[name]), default=None)
