"""Does the API promise what its file says?"""

from __future__ import annotations

from farandole.web.openapi_file import OPENAPI_FILE, openapi_text


def test_the_file_has_what_the_application_promises() -> None:
    assert OPENAPI_FILE.read_text() == openapi_text(), "run: python -m farandole.web.openapi_file"
