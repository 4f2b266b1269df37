"""How is untrusted text made safe to show in a terminal or log?"""

from __future__ import annotations

import re

from farandole.events.number_format import THIN_SPACE

# C0 but tab and newline, DEL, C1 (a terminal obeys them), the marks that turn the direction of what
# follows, invisible ones that make two words look alike, and lone surrogates.
_HARMFUL_PATTERN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)

_SPACES = re.compile(rf"[^\S{THIN_SPACE}]+")


def escape_harmful(text: str) -> str:
    """Return the text with every control character and direction mark escaped as `\\u202e`; newline
    and tab stay."""
    return _HARMFUL_PATTERN.sub(lambda found: _escape_code(ord(found[0])), text)


def escape_harmful_json(text: str) -> str:
    """Return a JSON text in which what `escape_harmful` escapes is escaped as JSON has it: its
    value stays the same."""
    return _HARMFUL_PATTERN.sub(lambda found: _json_escape(ord(found[0])), text)


def single_line(text: str) -> str:
    """Return `escape_harmful(text)` with single spaces for all white space but the thin space in
    numbers."""
    return escape_harmful(_SPACES.sub(" ", text).strip())


def short_line(text: str, most: int = 200) -> str:
    """Return `single_line(text)`, with an ellipsis if it has more than `most` characters."""
    line = single_line(text[: 2 * most])
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _escape_code(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def escape_surrogates(text: str) -> str:
    """Return the text with lone surrogates escaped, so that it can be encoded as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def _json_escape(code: int) -> str:
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
