"""Which lines are readings?"""

from farandole import Reject
from pydantic import ValidationError

from readings.models import Line, Reading


def check(line: Line) -> Reading:
    try:
        return Reading.model_validate(line.model_dump())
    except ValidationError as error:
        problem = error.errors()[0]
        # No retry would help: it becomes a dead letter at once.
        raise Reject(f"{problem['loc'][0]}: {problem['msg']}") from None
