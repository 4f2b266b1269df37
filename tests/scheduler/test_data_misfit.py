"""Do data that do not fit an event read as JSON has them?"""

from __future__ import annotations

from farandole.scheduler.data_misfit import misfit_finder


def test_values_are_written_as_json_has_them() -> None:
    misfit = misfit_finder({"properties": {"size": {"type": ["integer", "string"]}}})
    assert misfit({"size": None}) == "size: null is not of type integer or string"
    assert misfit({"size": True}) == "size: true is not of type integer or string"
    assert misfit({"size": 3}) == ""
