"""The files that the tests of publishing publish."""

from __future__ import annotations

from farandole.events.names import Names
from farandole.router import document, form
from farandole.router.derive import Derived, derive

FILE = """\
pipeline: p
package: work
defaults: {partitions: 2}
events: {asked: {partitions: 1}}
stages:
  read: {subscribes: asked, emits: line.read}
  load: {subscribes: line.read}
"""
MORE = FILE + "  count: {subscribes: line.read}\n  mask: {subscribes: asked, emits: asked.masked}\n"


def derived(names: Names, topology: str = FILE) -> Derived:
    found, _ = document.read(topology.encode(), "topology.yaml")
    assert found is not None
    written, findings = form.read(found)
    assert written is not None
    assert findings == []
    return derive(written, {}, names)
