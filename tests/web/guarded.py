"""A console that asks nobody who it is."""

from __future__ import annotations

from starlette.types import ASGIApp

from farandole.broker.settings import Settings
from farandole.operations.setup.web_settings import WebSettings
from farandole.web.access import Principal, Role
from farandole.web.access_token import AccessToken
from farandole.web.application import create_application
from farandole.web.authentication import Recognised
from farandole.web.console import Console
from farandole.web.request_guard import Gate, RequestGuard
from tests.read_model.stand import installation_of


def console_without_kafka() -> Console:
    """A console whose Kafka is not there."""
    installation = installation_of(Settings(bootstrap="localhost:9"))
    return Console(installation, WebSettings(), AccessToken("unused"))


def asked_by_viewer(console: Console) -> ASGIApp:
    """The console as everybody who asks it is a viewer."""
    somebody = Recognised(Principal("somebody", Role.VIEWER))
    gate = Gate(lambda _: somebody, console.web.allowed_hosts)
    return RequestGuard(create_application(console), gate)
