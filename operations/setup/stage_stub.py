"""What does the function of a new stage look like?"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

from pydantic import BaseModel

Model = type[BaseModel]

_OTHERS = ("farandole", "pydantic")


def stub_code(
    stage: str, function: str, taken: Model | None, emits: str | None, given: Model | None
) -> str:
    """Return a module with a function that can run as it is: it hands on what it gets or, if the
    stage emits nothing, logs it.

    `taken` is the model of what it takes, and `given` that of the event type `emits`; None where
    there is none. Data without a model are a dict; an output without one gets a new one.
    """
    takes = taken.__name__ if taken else "dict[str, Any]"
    parameter = _parameter_name(takes, function)
    imports = {_import_of(taken)}
    definitions = []
    if emits is None:
        imports.add(("farandole", "Context"))
        signature = f"def {function}({parameter}: {takes}, context: Context) -> None:"
        body = f'context.log.info("{function}.received", id=context.events[0].id)'
    else:
        gives = given.__name__ if given else _model_name(emits, takes)
        if given is not None:
            imports.add(_import_of(given))
        else:
            if taken is None:
                imports.add(("pydantic", "RootModel"))
            base = taken.__name__ if taken else f"RootModel[{takes}]"
            definitions.append(f'class {gives}({base}):\n    """Add its own fields here."""')
        data = f"{parameter}.model_dump()" if taken else parameter
        signature = f"def {function}({parameter}: {takes}) -> {gives}:"
        body = (
            f"return {parameter if given and given is taken else f'{gives}.model_validate({data})'}"
        )
    definitions.append(f"{signature}\n    {body}")
    head = f'"""What does the stage {stage} do?"""\n\n{_import_lines(imports)}'
    return "\n\n\n".join([head, *definitions]) + "\n"


def _import_of(model: Model | None) -> tuple[str, str]:
    """Return the module and the name of a model, or of what annotates data without one."""
    return (model.__module__, model.__name__) if model else ("typing", "Any")


def _import_lines(imports: Iterable[tuple[str, str]]) -> str:
    """Return the lines in groups: the standard library, other packages, the pipeline's own."""
    names: dict[str, list[str]] = {}
    for module, name in sorted(imports):
        names.setdefault(module, []).append(name)
    groups: list[list[str]] = [[], [], []]
    for module, found in names.items():
        group = 0 if module == "typing" else 1 if module in _OTHERS else 2
        groups[group].append(f"from {module} import {', '.join(found)}")
    return "\n\n".join("\n".join(group) for group in groups if group)


def _model_name(event_type: str, taken: str) -> str:
    """Return `OrderShipped` for `order.shipped`."""
    name = "".join(word.capitalize() for word in re.split(r"[.-]", event_type))
    name = name if name.isidentifier() else f"Event{name}"
    return f"{name}Output" if name == taken else name


def _parameter_name(model: str, function: str) -> str:
    """Return `priced_order` for `PricedOrder`; `data` where that would be no name, or another's."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model).lower()
    taken = keyword.iskeyword(name) or name in (function, "context")
    return name if name.isidentifier() and not taken else "data"
