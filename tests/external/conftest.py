"""The tests of files need the folder of the router's tests."""

from tests.router.conftest import folder

__all__ = ["folder"]
