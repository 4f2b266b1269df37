"""Of what are requests and answers made that are newer than aiokafka?

Since KIP-482 they are "flexible": lengths are variable-length integers, and each structure ends in
tagged fields, of which we send none.
"""

from __future__ import annotations

from farandole.broker.aiokafka_internals import types

TEXT = types.CompactString("utf-8")
TAGS = ("tags", types.TaggedFields)
NO_TAGS: dict[int, bytes] = {}
