"""What does the API promise? Run as a program, this writes `web/openapi.json`."""

from __future__ import annotations

import json
from pathlib import Path

from farandole.broker.settings import Settings
from farandole.operations.installation import Installation
from farandole.operations.setup.web_settings import WebSettings
from farandole.operations.topology_source import TopologySource
from farandole.web.access_token import AccessToken
from farandole.web.application import create_application
from farandole.web.console import Console

OPENAPI_FILE = Path(__file__).with_name("openapi.json")


def openapi_text() -> str:
    """Return the OpenAPI 3.1 document of the API, as the file has it."""
    installation = Installation(Settings(), Path(), TopologySource(Path("topology.yaml"), None))
    application = create_application(
        Console(installation, WebSettings.model_construct(), AccessToken("unused"))
    )
    return json.dumps(application.openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OPENAPI_FILE.write_text(openapi_text())
