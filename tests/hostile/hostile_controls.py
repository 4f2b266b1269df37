"""Records that people and programs write to the control topic by mistake or on purpose.

None of them changes what is in force for the stage `make` of the pipeline `rewired`, under whatever
key it stands."""

from __future__ import annotations

import gzip
import json
from typing import Any

PIPELINE, STAGE = "rewired", "make"
RUN = "stages.other:make"


def _switch(**fields: Any) -> bytes:
    return _document(do="switch", pipeline=PIPELINE, stage=STAGE, **fields)


def _document(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def _flag(**fields: Any) -> bytes:
    return _document(do="flag", pipeline=PIPELINE, flag="vip", **fields)


def _schedule(**fields: Any) -> bytes:
    return _document(do="schedule", pipeline=PIPELINE, schedule="nightly", **fields)


def _backfill(**fields: Any) -> bytes:
    known = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-08T00:00:00Z", "id": "7f3b"}
    named = {"do": "backfill", "pipeline": PIPELINE, "schedule": "nightly"}
    return _document(**{**named, **known, **fields})


def _throttle(**fields: Any) -> bytes:
    return _document(do="throttle", pipeline=PIPELINE, stage=STAGE, **fields)


_ON = _switch(mode="on")
_CANARY = {"mode": "canary", "run": RUN}

NO_DOCUMENTS: dict[str, bytes] = {
    # bytes
    "nothing": b"",
    "blanks": b" \n\t ",
    "zero bytes": b"\0" * 64,
    "not UTF-8": b"\xff\xfe{",
    "UTF-16": _ON.decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + _ON,
    "compressed": gzip.compress(_ON),
    "a document cut short": _ON[:-1],
    "two documents": _ON + _ON,
    "single quotes": _ON.replace(b'"', b"'"),
    "a comment": b"// on\n" + _ON,
    "YAML": b"do: switch\npipeline: rewired\nstage: make\nmode: on\n",
    "deep brackets": b"[" * 100_000,
    "a deep document": b'{"do": ' * 5_000 + b"1" + b"}" * 5_000,
    # JSON that is no document
    "null": b"null",
    "a number": b"1e999",
    "a text": b'"switch"',
    "a list": b"[" + _ON + b"]",
    "an empty document": b"{}",
    "no kind": _document(pipeline=PIPELINE, stage=STAGE, mode="on"),
    "an unknown kind": _document(do="dance", pipeline=PIPELINE),
    "a kind in capitals": _document(do="SWITCH", pipeline=PIPELINE, stage=STAGE, mode="on"),
    "a kind that is a number": _document(do=1, pipeline=PIPELINE),
    "a huge kind": _document(do="x" * 500_000, pipeline=PIPELINE),
    # switches
    "no pipeline": _document(do="switch", stage=STAGE, mode="on"),
    "an empty pipeline": _document(do="switch", pipeline="", stage=STAGE, mode="on"),
    "a pipeline that is a list": _document(do="switch", pipeline=[PIPELINE], mode="on"),
    "a lone surrogate": b'{"do": "switch", "pipeline": "\\ud800", "mode": "on"}',
    "no mode": _switch(),
    "a mode that is true": _switch(mode=True),
    "a mode in capitals": _switch(mode="ON"),
    "a mode that is none": _switch(mode="off"),
    "two modes": _ON[:-1] + b', "mode": "of"}',
    "a mistyped field": _switch(mode="on", untl="2999-01-01T00:00:00Z"),
    "a field of a program": _switch(mode="on", metadata={"uid": 7}),
    "until without a zone": _switch(mode="on", until="2999-01-01T00:00:00"),
    "until in words": _switch(mode="on", until="tomorrow"),
    "until in another calendar": _switch(mode="on", until="2999-13-45T00:00:00Z"),
    "on with a share": _switch(mode="on", share=0.5),
    "hold with a candidate": _switch(mode="hold", run=RUN),
    "bypass of a pipeline": _document(do="switch", pipeline=PIPELINE, mode="bypass"),
    "canary of a pipeline": _document(do="switch", pipeline=PIPELINE, **_CANARY, share=1),
    "a canary without a share": _switch(**_CANARY),
    "a canary of nobody": _switch(**_CANARY, share=0),
    "a canary of all and more": _switch(**_CANARY, share=10),
    "a share without its sign": _switch(**_CANARY, share="10"),
    "a share that is true": _switch(**_CANARY, share=True),
    "a share that is no number": _switch(**_CANARY, share="NaN%"),
    "a share beyond all": _switch(**_CANARY)[:-1] + b', "share": 1e999}',
    "a shadow of nothing": _switch(mode="shadow"),
    "a candidate that is a command": _switch(mode="shadow", run="os:system('rm -rf /')"),
    "a candidate that is a path": _switch(mode="shadow", run="../../etc/passwd:f"),
    "a candidate without a function": _switch(mode="shadow", run="stages.other"),
    "effects in words": _switch(mode="shadow", run=RUN, allow_effects="yes"),
    "a newer format": _switch(mode="on", format=2),
    "a format in words": _switch(mode="on", format="two"),
    # ends of switches
    "an end of nothing": _document(do="end-switch", pipeline=PIPELINE, stage=STAGE),
    "an end of a text": _document(do="end-switch", pipeline=PIPELINE, stage=STAGE, generation="0"),
    "an end before all": _document(do="end-switch", pipeline=PIPELINE, stage=STAGE, generation=-1),
    "an end of a part": _document(do="end-switch", pipeline=PIPELINE, stage=STAGE, generation=0.5),
    # what older releases know
    "a pause of no pipeline": _document(do="pause", stage=STAGE),
    "a pause until some time": _document(do="pause", pipeline=PIPELINE, until="2999-01-01"),
    "a resume of a number": _document(do="resume", pipeline=PIPELINE, stage=7),
    "a cancellation of nothing": _document(do="cancel"),
    "a cancellation of all": _document(do="cancel", run=["*"]),
    "a mute for ever": _document(do="mute", pipeline=PIPELINE),
    "an acknowledgement of nothing": _document(do="acknowledge"),
    "a restart without an id": _document(do="restart", pipeline=PIPELINE),
    # flags
    "a flag without a value": _flag(),
    "a flag without a name": _document(do="flag", pipeline=PIPELINE, value=True),
    "a flag with a mistyped field": _flag(value=True, shar=0.1),
    "a flag for nobody": _flag(value=True, share=0),
    "a flag with rules and a stage": _flag(rules=[{"value": True}], stage=STAGE),
    "a flag with a rule that is none": _flag(rules=[{"valeu": True}]),
    "a flag with too many rules": _flag(rules=[{"value": True}] * 1_000),
    "a flag with a long condition": _flag(value=True, when="true || " * 1_000 + "true"),
    "a flag that is cleared and set": _flag(value=True, clear=True),
    # throttles
    "a throttle without a rate": _throttle(),
    "a throttle in words": _throttle(rate="fast"),
    "a throttle without a unit": _throttle(rate=100),
    "a throttle below nothing": _throttle(rate="-5/s"),
    "a throttle beyond all": _throttle(rate="1e999/s"),
    "a throttle of keys that parks all": _throttle(per_key="0/s"),
    "a throttle of keys of a pipeline": _document(do="throttle", pipeline=PIPELINE, per_key="1/s"),
    "a window without a zone": _throttle(rate="5/s between 22:00 and 06:00"),
    "a window of a zone that is none": _throttle(rate="5/s between 22:00 and 06:00 Mars/Base"),
    "a throttle of a stage and a limit": _throttle(limit="crm", rate="1/s"),
    "a throttle with a mistyped field": _throttle(rate="1/s", stages=[STAGE]),
    # schedules
    "a pause in words": _schedule(paused="yes"),
    "a schedule that is neither paused nor not": _schedule(),
    "a schedule of no pipeline": _document(do="schedule", schedule="nightly", paused=True),
    "a schedule that is mistyped": _schedule(paused=True, untl="2999-01-01T00:00:00Z"),
    "a schedule with another expression": _schedule(paused=False, cron="* * * * *"),
    "an order without an id": _document(
        do="fire", pipeline=PIPELINE, schedule="nightly", planned="2026-11-24T02:30:00Z"
    ),
    "an order for now": _document(
        do="fire", pipeline=PIPELINE, schedule="nightly", id="1", planned="now"
    ),
    "an order of every schedule": _document(
        do="fire", pipeline=PIPELINE, schedule="", id="1", planned="2026-11-24T02:30:00Z"
    ),
    "an order whose id is a path": _backfill(id="../../1"),
    "an order whose id is huge": _backfill(id="x" * 500_000),
    "a backfill backwards": _backfill(to="2026-10-01T00:00:00Z"),
    "a backfill of nothing": _backfill(to="2026-11-01T00:00:00Z"),
    "a backfill in local time": _backfill(to="2026-11-08T00:00:00"),
    "a backfill all at once": _backfill(max_parallel=10**9),
    "a backfill of none at a time": _backfill(max_parallel=0),
    "a backfill of what is missing, in words": _backfill(missing="yes"),
    # drains
    "a drain of everything": _document(do="drain"),
    "a drain of an empty name": _document(do="drain", pipeline=""),
    "a drain of a stage": _document(do="drain", pipeline=PIPELINE, stage=STAGE),
    "a drain until some time": _document(do="drain", pipeline=PIPELINE, until="later"),
}  # fmt: skip
"""Records that are no documents."""

OF_OTHERS: dict[str, bytes] = {
    "another stage": _document(do="switch", pipeline=PIPELINE, stage="give", mode="hold"),
    "a stage that is not there": _document(do="switch", pipeline=PIPELINE, stage="no", mode="hold"),
    "a stage of that name in other letters": _document(
        do="switch", pipeline=PIPELINE, stage="Make", mode="hold"
    ),
    "another pipeline": _document(do="switch", pipeline="other", stage=STAGE, mode="hold"),
    "a pipeline with a blank": _document(do="switch", pipeline=f"{PIPELINE} ", mode="hold"),
    "a huge pipeline": _document(do="switch", pipeline="x" * 500_000, mode="hold"),
    "a pipeline of control characters": _document(
        do="switch", pipeline="\x1b[2J\x00\u202e", mode="hold"
    ),
    "an end of a switch to come": _document(
        do="end-switch", pipeline=PIPELINE, stage=STAGE, generation=10**9
    ),
    "an end of a switch of another stage": _document(
        do="end-switch", pipeline=PIPELINE, stage="give", generation=0
    ),
    "a hold that is over": _document(
        do="switch", pipeline=PIPELINE, mode="hold", until="2020-01-01T00:00:00Z"
    ),
    "a cancellation that is over": _document(
        do="cancel", run="r", until="2020-01-01T00:00:00Z"
    ),
    "a run that is not there": _document(do="cancel", run="\x00" * 1_000),
    "another flag": _document(do="flag", pipeline=PIPELINE, flag="other", value=True),
    "a flag of another pipeline": _document(do="flag", pipeline="other", flag="vip", value=True),
    "a throttle of another pipeline": _document(do="throttle", pipeline="other", rate="0/s"),
    "a throttle of another stage": _document(
        do="throttle", pipeline=PIPELINE, stage="give", rate="0/s"
    ),
    "a drain of another pipeline": _document(do="drain", pipeline="other"),
}  # fmt: skip
"""Documents that are not about the stage; each would say something under a key of its own."""
