"""How is a mail's content laid out as plain text and as HTML with the same words?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Head:
    """The first line; a phone shows it beside the subject."""

    text: str
    color: str


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str
    small: bool = False


@dataclass(frozen=True, slots=True)
class FactTable:
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Preformatted:
    """Text that is shown unchanged, to be read or copied, under a label."""

    text: str
    label: str = ""


MailPart = Head | Heading | Paragraph | FactTable | Preformatted


def render_text(parts: Iterable[MailPart]) -> str:
    """Return the plain text of a mail."""
    return "\n".join(_text_of_part(part) for part in parts)


def render_html(parts: Iterable[MailPart]) -> str:
    """Return an HTML page with inline styles and no external resources. It sets no colour of text
    or background, so that it is legible in a dark mail program as well."""
    body = "\n".join(_html_of_part(part) for part in parts)
    return _PAGE.replace("BODY", body)


def _text_of_part(part: MailPart) -> str:
    match part:
        case Head(text):
            return f"{text}\n"
        case Heading(text):
            return f"\n{text.upper()}\n"
        case Paragraph(text, small):
            return f"\n{text}\n" if small else f"{text}\n"
        case FactTable(rows):
            width = max((len(name) for name, _ in rows), default=0)
            return "".join(f"{name:<{width}}  {value}\n" for name, value in rows)
        case Preformatted(text, label):
            inside = "".join(f"    {each}\n" for each in text.split("\n"))
            return f"{label}:\n{inside}" if label else inside


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


def _html_of_part(part: MailPart) -> str:
    match part:
        case Head(text, color):
            style = f"border-left:5px solid {color};padding:2px 0 2px 12px;margin:0 0 14px"
            return _html_element(
                "div", text, f"{style};font-size:18px;line-height:1.35;font-weight:600"
            )
        case Heading(text):
            line = "border-top:1px solid rgba(127,127,127,.3)"
            return _html_element(
                "h2", text, f"{line};margin:20px 0 8px;padding-top:14px;font-size:16px"
            )
        case Paragraph(text, small):
            return _html_element(
                "p", text, "margin:0 0 12px" + (";opacity:.65;font-size:13px" * small)
            )
        case FactTable(rows):
            return _html_table(rows)
        case Preformatted(text, label):
            label_style = "font-size:13px;opacity:.75"
            above = _html_element("div", label, label_style) if label else ""
            return above + _html_element("pre", text, f"{_BOX};{_TINT}")


def _html_table(rows: Sequence[tuple[str, str]]) -> str:
    name = "padding:1px 14px 1px 0;opacity:.65;white-space:nowrap;vertical-align:top"
    value = "padding:1px 0;vertical-align:top;overflow-wrap:anywhere;word-break:break-word"
    inside = "".join(
        f"<tr>{_html_element('td', n, name)}{_html_element('td', v, value)}</tr>\n" for n, v in rows
    )
    style = "border-collapse:collapse;font-size:14px;margin:0 0 12px"
    return f'<table role="presentation" style="{style}">\n{inside}</table>'


def _html_element(tag: str, text: str, style: str) -> str:
    return f'<{tag} style="{style}">{escape(text, quote=False)}</{tag}>'
