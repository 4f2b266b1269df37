"""How does one content become a plain text and an HTML that say the same?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Head:
    """The first line, which a phone shows beside the subject."""

    text: str
    color: str


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Verbatim:
    """What is to be read, or copied, as it stands; with what it is for."""

    text: str
    what: str = ""


Part = Head | Heading | Words | Facts | Verbatim


def plain(parts: Iterable[Part]) -> str:
    return "\n".join(_plain(part) for part in parts)


def html(parts: Iterable[Part]) -> str:
    """Styles in line, nothing from elsewhere, no colour of text or page but the reader's own: so it
    is legible in the dark as well."""
    body = "\n".join(_html(part) for part in parts)
    return _PAGE.replace("BODY", body)


def _plain(part: Part) -> str:
    match part:
        case Head(text):
            return f"{text}\n"
        case Heading(text):
            return f"\n{text.upper()}\n"
        case Words(text, quiet):
            return f"\n{text}\n" if quiet else f"{text}\n"
        case Facts(rows):
            width = max((len(name) for name, _ in rows), default=0)
            return "".join(f"{name:<{width}}  {value}\n" for name, value in rows)
        case Verbatim(text, what):
            inside = "".join(f"    {each}\n" for each in text.split("\n"))
            return f"{what}:\n{inside}" if what else inside


_PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">
</head><body style="margin:0;padding:16px;font:15px/1.5 -apple-system,'Segoe UI',Roboto,\
'Helvetica Neue',Arial,sans-serif;overflow-wrap:anywhere;word-break:break-word">
<div style="max-width:640px;margin:0 auto">
BODY
</div></body></html>
"""

_MONO = "font:13px/1.5 ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_WRAP = "white-space:pre-wrap;overflow-wrap:anywhere;word-break:break-word"
_BOX = f"{_MONO};{_WRAP};margin:4px 0 14px;padding:9px 11px;border-radius:6px"
_TINT = "background:rgba(127,127,127,.14)"


def _html(part: Part) -> str:
    match part:
        case Head(text, color):
            style = f"border-left:5px solid {color};padding:2px 0 2px 12px;margin:0 0 14px"
            return _in("div", text, f"{style};font-size:18px;line-height:1.35;font-weight:600")
        case Heading(text):
            line = "border-top:1px solid rgba(127,127,127,.3)"
            return _in("h2", text, f"{line};margin:20px 0 8px;padding-top:14px;font-size:16px")
        case Words(text, quiet):
            return _in("p", text, "margin:0 0 12px" + (";opacity:.65;font-size:13px" * quiet))
        case Facts(rows):
            return _table(rows)
        case Verbatim(text, what):
            label = _in("div", what, "font-size:13px;opacity:.75") if what else ""
            return label + _in("pre", text, f"{_BOX};{_TINT}")


def _table(rows: Sequence[tuple[str, str]]) -> str:
    name = "padding:1px 14px 1px 0;opacity:.65;white-space:nowrap;vertical-align:top"
    value = "padding:1px 0;vertical-align:top;overflow-wrap:anywhere;word-break:break-word"
    inside = "".join(f"<tr>{_in('td', n, name)}{_in('td', v, value)}</tr>\n" for n, v in rows)
    style = "border-collapse:collapse;font-size:14px;margin:0 0 12px"
    return f'<table role="presentation" style="{style}">\n{inside}</table>'


def _in(tag: str, text: str, style: str) -> str:
    return f'<{tag} style="{style}">{escape(text, quote=False)}</{tag}>'
