"""Are filters, parameters and stages that pass events on checked, and published as written?"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import StageSpec
from farandole.router.topology_derivation import DerivedTopology, derive_topology
from farandole.router.topology_file_check import check_topology_file
from tests.router.conftest import Folder

# `{load}` stands in column 9 of line 8.
FILE = """\
pipeline: order-lines
package: work
events:
  feed.requested: {partitions: 1}
  line.ingested: {key: household}
stages:
  ingest: {subscribes: feed.requested, emits: line.ingested}
  load: %s
"""

PARAMS = """
class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    deep: int

class LoadParams(BaseModel):
    table: str
    rows: int = 10
    inner: Inner | None = None

def load(line: Line, params: LoadParams) -> None: ...
"""
TAKES_PARAMS = {"load": PARAMS}
SAMPLED = """\
pipeline: p
package: work
events:
  feed.requested: {partitions: 1}
  line.kept: {key: %s}
stages:
  ingest: {subscribes: feed.requested, emits: line.ingested}
  sample: {subscribes: line.ingested, emits: line.kept, run: "stages.generic.sample:sample",
           with: {share: 0.5}}
  load: {subscribes: line.kept}
"""


def wired(folder: Folder, topology: str, **functions: str) -> DerivedTopology:
    checked = check_topology_file(folder(topology, functions), KafkaNames())
    assert checked.findings == []
    assert checked.topology is not None
    return derive_topology(checked.topology, checked.signatures, KafkaNames())


def load(folder: Folder, written: str, **functions: str) -> StageSpec:
    return wired(folder, FILE % written, **functions).stages["load"]


# -- as published


@pytest.mark.parametrize(
    "written",
    [
        '{line.ingested: {when: "data.quantity > 0"}}',
        '[{line.ingested: {when: "data.quantity > 0"}}]',
        "{line.ingested: {when: data.quantity > 0}}",
    ],
)
def test_a_filter_is_published_beside_its_event_type(folder: Folder, written: str) -> None:
    stage = load(folder, f"{{subscribes: {written}}}")
    assert stage.subscribes == ("line.ingested",)
    assert stage.when == {"line.ingested": "data.quantity > 0"}


def test_a_subscription_without_a_condition_has_no_filter(folder: Folder) -> None:
    assert load(folder, "{subscribes: {line.ingested: }}").when == {}


def test_parameters_are_published_as_they_are_written(folder: Folder) -> None:
    written = "{subscribes: line.ingested, with: {table: lines, inner: {deep: 1}}}"
    stage = load(folder, written, load=PARAMS)
    assert stage.parameters == {"table": "lines", "inner": {"deep": 1}}


def test_a_model_of_defaults_needs_no_parameters(folder: Folder) -> None:
    function = PARAMS.replace("table: str", 'table: str = "lines"')
    assert load(folder, "{subscribes: line.ingested}", load=function).parameters == {}


@pytest.mark.parametrize(
    "model",
    [
        "class P(TypedDict):\n    table: str",
        "@dataclass\nclass P:\n    table: str",
    ],
    ids=["TypedDict", "dataclass"],
)
def test_parameters_may_have_any_kind_of_model(folder: Folder, model: str) -> None:
    head = "from dataclasses import dataclass\nfrom typing_extensions import TypedDict\n"
    function = f"{head}{model}\ndef load(line: Line, *, params: P) -> None: ..."
    stage = load(folder, "{subscribes: line.ingested, with: {table: lines}}", load=function)
    assert stage.parameters == {"table": "lines"}


def test_what_a_function_reads_is_published(folder: Folder) -> None:
    stages = wired(folder, SAMPLED % "household").stages
    accepts = stages["load"].accepts
    assert accepts is not None
    assert accepts["required"] == ["household", "quantity"]
    assert stages["sample"].accepts is None


def test_what_passes_a_stage_keeps_its_schema(folder: Folder) -> None:
    events = wired(folder, SAMPLED % "household").events
    schema = events["line.kept"].data_schema
    assert schema is not None
    assert schema["title"] == "Line"
    assert schema == events["line.ingested"].data_schema


def test_a_root_before_a_passing_stage_has_the_schema_of_who_reads_it(folder: Folder) -> None:
    topology = (SAMPLED % "household").replace(
        "ingest: {subscribes: feed.requested", "ingest: {subscribes: feed.seen"
    ) + "  log: {subscribes: feed.requested, emits: feed.seen, run: 'stages.generic.log:log'}\n"
    events = wired(folder, topology).events
    for event_type in ("feed.requested", "feed.seen"):
        schema = events[event_type].data_schema
        assert schema is not None
        assert schema["title"] == "Feed"


def test_a_passing_stage_may_be_the_last_of_its_path(folder: Folder) -> None:
    stage = load(folder, "{subscribes: line.ingested, run: 'stages.generic.log:log'}")
    assert stage.emits == ()


def test_one_function_serves_two_stages(folder: Folder) -> None:
    topology = FILE % "{subscribes: line.ingested, with: {table: a}}"
    topology += (
        "  other: {subscribes: line.ingested, run: 'work.load:load', with: {table: b}}\n"
        "  third: {subscribes: line.ingested, run: 'work.load:load', with: {table: c}}\n"
    )
    stages = wired(folder, topology, load=PARAMS).stages
    assert stages["other"].run == stages["load"].run
    assert [stages[n].parameters["table"] for n in ("load", "other", "third")] == ["a", "b", "c"]


def test_a_stage_of_several_inputs_may_take_a_union(folder: Folder) -> None:
    topology = FILE % "{subscribes: [line.ingested, line.priced]}"
    topology += "  price: {subscribes: line.ingested, emits: line.priced}\n"
    both = "class Cheap(BaseModel):\n    cents: int\ndef load(event: Cheap | Line) -> None: ..."
    accepts = wired(folder, topology, load=both).stages["load"].accepts
    assert accepts is not None
    assert len(accepts["anyOf"]) == 2


# -- refused


@dataclass(frozen=True)
class Bad:
    name: str
    load: str
    place: str
    message: str
    remedy: str
    functions: dict[str, str] = field(default_factory=dict)
    file: str = FILE


CASES = [
    Bad(
        "an expression that breaks off",
        '{subscribes: {line.ingested: {when: "data.quantity >"}}}',
        "8:45",
        "it ends too early at its character 16",
        "for example `data.quantity > 0",
    ),
    Bad(
        "an expression in a list",
        '{subscribes: [feed.requested, {line.ingested: {when: "1 +* 2"}}]}',
        "8:62",
        "extraneous input '*' at its character 4",
        "for example",
    ),
    Bad(
        "an assignment",
        '{subscribes: {line.ingested: {when: "data.quantity = 1"}}}',
        "8:45",
        "cannot be a condition",
        "write `==`",
    ),
    Bad(
        "a misspelled variable",
        '{subscribes: {line.ingested: {when: "dta.quantity > 1"}}}',
        "8:45",
        "it names 'dta', which is neither data nor attributes",
        "did you mean 'data'?",
    ),
    Bad(
        "a field without `data.`",
        '{subscribes: {line.ingested: {when: "quantity > 1"}}}',
        "8:45",
        "it names 'quantity'",
        "write `data.quantity`",
    ),
    Bad(
        "Python",
        """{subscribes: {line.ingested: {when: "__import__('os').getcwd() == ''"}}}""",
        "8:45",
        "there is no function '__import__'",
        "for example",
    ),
    Bad(
        "text where true or false should be",
        """{subscribes: {line.ingested: {when: "'yes'"}}}""",
        "8:45",
        "it gives string, neither true nor false",
        "for example",
    ),
    Bad(
        "a field that is never there",
        '{subscribes: {line.ingested: {when: "data.quantiti > 1"}}}',
        "8:45",
        "'line.ingested' never has the field 'quantiti'",
        "did you mean 'quantity'?",
    ),
    Bad(
        "an empty condition",
        "{subscribes: {line.ingested: {when: }}}",
        "8:44",
        "`when:` holds no expression",
        'write for example `when: "',
    ),
    Bad(
        "a misspelled `when`",
        "{subscribes: {line.ingested: {whn: data.quantity > 1}}}",
        "8:39",
        "unknown key 'whn'",
        "did you mean 'when'?",
    ),
    Bad(
        "a condition of the whole stage",
        "{subscribes: line.ingested, when: data.quantity > 1}",
        "8:37",
        "unknown key 'when'",
        "beside an event type",
    ),
    Bad(
        "a condition without its `when`",
        "{subscribes: {line.ingested: data.quantity > 1}}",
        "8:38",
        "'line.ingested': should be a mapping",
        "`name: value` pairs",
    ),
    Bad(
        "two event types in one item",
        "{subscribes: [{line.ingested: , feed.requested: }]}",
        "8:23",
        "a mapping of 2 keys",
        "an item for each",
    ),
    Bad(
        "an event type in a mapping that nobody emits",
        "{subscribes: {line.ingestd: }}",
        "8:23",
        "'line.ingestd', which nobody emits",
        "did you mean 'line.ingested'?",
    ),
    Bad(
        "an event type that nobody emits under a misspelled key",
        "{subscribe: [line.ingestd]}",
        "8:9",
        "'line.ingestd', which nobody emits",
        "did you mean 'line.ingested'?",
    ),
    Bad(
        "parameters that nobody takes",
        "{subscribes: line.ingested, with: {table: lines}}",
        "8:37",
        "its function takes no `params`",
        "delete `with:`",
    ),
    Bad(
        "no parameters where some are needed",
        "{subscribes: line.ingested}",
        "8:3",
        "stage 'load' needs the parameter 'table' (LoadParams)",
        "add `with: {table: ...}`",
        TAKES_PARAMS,
    ),
    Bad(
        "one parameter of two",
        "{subscribes: line.ingested, with: {rows: 3}}",
        "8:37",
        "needs the parameter 'table'",
        "add `table:`",
        TAKES_PARAMS,
    ),
    Bad(
        "a misspelled parameter",
        "{subscribes: line.ingested, with: {tabel: lines}}",
        "8:44",
        "'tabel' is no field of LoadParams",
        "did you mean 'table'?",
        TAKES_PARAMS,
    ),
    Bad(
        "a wrong parameter",
        "{subscribes: line.ingested, with: {table: lines, rows: many}}",
        "8:64",
        "'rows': input should be a valid integer",
        "what LoadParams takes",
        TAKES_PARAMS,
    ),
    Bad(
        "an unknown parameter inside another",
        "{subscribes: line.ingested, with: {table: x, inner: {deep: 1, deeper: 2}}}",
        "8:71",
        "'inner.deeper': extra inputs are not permitted",
        "what LoadParams takes",
        TAKES_PARAMS,
    ),
    Bad(
        "a missing parameter inside another",
        "{subscribes: line.ingested, with: {table: x, inner: {}}}",
        "8:54",
        "needs the parameter 'inner.deep'",
        "add `deep:`",
        TAKES_PARAMS,
    ),
    Bad(
        "a generic stage's own expression",
        "{subscribes: line.ingested, run: 'stages.generic.filter:filter', with: {when: 'dta.x'}}",
        "8:87",
        "'when': it names 'dta', which is neither data nor attributes",
        "what FilterParams takes",
    ),
    Bad(
        "a field that no event of a generic filter has",
        "{subscribes: line.ingested, run: 'stages.generic.filter:filter',"
        " with: {when: 'data.quantty > 0'}}",
        "8:87",
        "'line.ingested' never has the field 'quantty' that `data.quantty > 0` asks for",
        "did you mean 'quantity'?",
    ),
    Bad(
        "a hash without a secret",
        "{subscribes: line.ingested, run: 'stages.generic.mask:mask', with: {fields: {a: hash}}}",
        "8:76",
        "needs `secret: NAME_OF_AN_ENVIRONMENT_VARIABLE`",
        "what MaskParams takes",
    ),
    Bad(
        "one of several kinds of value",
        "{subscribes: line.ingested, run: 'stages.generic.mask:mask', with: {fields: {a: hsh}}}",
        "8:89",
        "'fields.a': input should be 'redact' or 'hash'",
        "what MaskParams takes",
    ),
    Bad(
        "a sample of more than all",
        "{subscribes: line.ingested, run: 'stages.generic.sample:sample', with: {share: 50}}",
        "8:88",
        "'share': input should be less than or equal to 1",
        "what SampleParams takes",
    ),
    Bad(
        "a consumer that does not fit what was passed on to it",
        "household",
        "10:22",
        "'line.kept' does not fit: 'ingest' writes Line, 'load' takes Priced",
        "change one of the two schemas",
        {"load": "def load(line: Priced) -> None: ..."},
        SAMPLED,
    ),
    Bad(
        "a key that what is passed on does not have",
        "houshold",
        "5:20",
        "the key 'houshold' is no field of Line",
        "did you mean 'household'?",
        {},
        SAMPLED,
    ),
    Bad(
        "a field that what is passed on does not have",
        "household",
        "10:41",
        "'line.kept' never has the field 'cents'",
        "its fields are household, quantity",
        {},
        SAMPLED.replace("subscribes: line.kept", "subscribes: {line.kept: {when: data.cents > 1}}"),
    ),
]


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
def test_a_bad_option_is_told_where_and_what_helps(bad: Bad, folder: Folder) -> None:
    checked = check_topology_file(folder(bad.file % bad.load, bad.functions), KafkaNames())
    said = "\n".join(map(str, checked.findings))
    found = [
        f
        for f in checked.findings
        if f"{f.line}:{f.column}" == bad.place and bad.message in f.message
    ]
    assert found, said or "no finding at all"
    assert bad.remedy in found[0].remedy
    assert not checked.is_fit


@pytest.mark.parametrize(
    ("condition", "function"),
    [
        ("data.anything == 1", "def ingest(feed: Feed) -> Iterator[dict[str, Any]]: ..."),
        (
            "has(data.cents) && data.cents > 1",
            "def ingest(feed: Feed) -> Iterator[To[Line | Priced]]: ...",
        ),
        ("data.map(x, x) == [] || attributes.source == 'data.nope'", ""),
    ],
)
def test_a_field_that_may_be_there_may_be_asked_for(
    folder: Folder, condition: str, function: str
) -> None:
    functions = {"load": "def load(line: Any) -> None: ..."}
    if function:
        functions["ingest"] = function
    file = folder(FILE % f'{{subscribes: {{line.ingested: {{when: "{condition}"}}}}}}', functions)
    assert check_topology_file(file, KafkaNames()).findings == []


@pytest.mark.parametrize("field", ["whatever", "week"])
def test_a_field_that_no_stage_reads_of_what_people_write_is_a_warning(
    folder: Folder, field: str
) -> None:
    file = (FILE % "{subscribes: line.ingested}").replace(
        "subscribes: feed.requested",
        f'subscribes: {{feed.requested: {{when: "data.{field} == 1"}}}}',
    )
    (finding,) = check_topology_file(folder(file), KafkaNames()).findings
    assert finding.severity == "warning"
    assert finding.message == (
        f"no stage reads a field {field!r} of 'feed.requested': `data.{field} == 1` asks for it"
    )
    assert finding.remedy == ("did you mean 'weeks'?" if field == "week" else
                              "its fields are weeks")  # fmt: skip


def test_what_people_write_may_have_any_field_if_a_reader_takes_any(folder: Folder) -> None:
    file = (FILE % "{subscribes: line.ingested}").replace(
        "subscribes: feed.requested", 'subscribes: {feed.requested: {when: "data.whatever == 1"}}'
    )
    functions = {"ingest": "def ingest(feed: dict[str, Any]) -> Iterator[Line]: ..."}
    assert check_topology_file(folder(file, functions), KafkaNames()).findings == []


TYPED = """
class Inner(BaseModel):
    email: str

class Order(BaseModel):
    name: str
    number: int
    note: str | None = None
    customer: Inner
    lines: list[Inner] = []

def ingest(feed: Feed) -> Iterator[Order]: ...
"""
TAKES_ORDER = "from work.ingest import Order\ndef load(order: Order) -> None: ..."
TYPED_FILE = """\
pipeline: order-lines
package: work
events: {feed.requested: {partitions: 1}}
stages:
  ingest: {subscribes: feed.requested, emits: placed}
  load: %s
"""


CONDITION = '{{subscribes: {{placed: {{when: "{}"}}}}}}'


def found_in(folder: Folder, stage: str) -> list[str]:
    functions = {"ingest": TYPED, "load": TAKES_ORDER}
    checked = check_topology_file(folder(TYPED_FILE % stage, functions), KafkaNames())
    return [str(finding).partition("topology.yaml:")[2] for finding in checked.findings]


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("data.name > 3", "`>` does not work with text and an integer at its character 11; compare"
                          " text with text ('3') and numbers with numbers (3)"),
        ("data.note > 3", "`>` does not work with text and an integer"),
        ("data.customer.email > 3", "`>` does not work with text and an integer"),
        ("data.name", "`data.name` cannot be a condition: it gives text, neither true nor false"),
        ("data.number", "it gives an integer, neither true nor false"),
        ("data.customer.mail == 'x'",
         "'placed' never has the field 'mail' that `data.customer.mail == 'x'` asks for;"
         " did you mean 'email'?"),
        ("data.name.first == 'x'", "'placed' never has the field 'first'"),
        ("data.lines.email == 'x'", "'placed' never has the field 'email'"),
    ],
)  # fmt: skip
def test_a_condition_that_does_not_fit_the_events_is_an_error(
    folder: Folder, when: str, said: str
) -> None:
    (found,) = found_in(folder, CONDITION.format(when))
    assert found.startswith("6:38: ")
    assert said in found


@pytest.mark.parametrize(
    "when",
    ["data.name == 'x'", "data.number > 2.5", "has(data.note) && data.note != ''",
     "data.lines.exists(l, l.email == 'x')", "data.customer.email.endsWith('.org')"],
)  # fmt: skip
def test_a_condition_that_fits_the_events_is_fine(folder: Folder, when: str) -> None:
    assert found_in(folder, CONDITION.format(when)) == []


GENERIC = "{subscribes: placed, run: 'stages.generic.%s:%s', with: %s}"


@pytest.mark.parametrize(
    ("generic", "given", "place", "said"),
    [
        ("mask", "{fields: {nmae: redact}}", "6:79",
         "'placed' never has the field 'nmae' that stage 'load' asks for; did you mean 'name'?"),
        ("mask", "{fields: {customer.phone: redact}}", "6:79", "never has the field 'phone'"),
        ("mask", "{fields: {lines.mail: redact}}", "6:79", "did you mean 'email'?"),
        ("sample", "{share: 0.5, key: nmae}", "6:91", "did you mean 'name'?"),
        ("log", "{fields: [name, nubmer]}", "6:83", "did you mean 'number'?"),
        ("filter", "{when: 'data.name > 3'}", "6:80", "`>` does not work with text"),
    ],
)  # fmt: skip
def test_a_parameter_that_names_no_field_of_the_events_is_an_error(
    folder: Folder, generic: str, given: str, place: str, said: str
) -> None:
    (found,) = found_in(folder, GENERIC % (generic, generic, given))
    assert found.startswith(f"{place}: ")
    assert said in found


def test_a_masked_field_may_be_in_the_elements_of_a_list(folder: Folder) -> None:
    given = "{fields: {lines.email: redact, customer.email: redact}}"
    assert found_in(folder, GENERIC % ("mask", "mask", given)) == []


def test_a_secret_that_is_not_set_is_a_warning(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = GENERIC % ("mask", "mask", "{fields: {name: hash}, secret: A_SECRET_OF_OURS}")
    monkeypatch.delenv("A_SECRET_OF_OURS", raising=False)
    (found,) = found_in(folder, stage)
    assert "warning: stage 'load' needs the environment variable A_SECRET_OF_OURS" in found
    assert found.endswith("set A_SECRET_OF_OURS where the workers run")
    monkeypatch.setenv("A_SECRET_OF_OURS", "x" * 32)
    assert found_in(folder, stage) == []
