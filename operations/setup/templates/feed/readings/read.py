"""Which lines are in a file?"""

import csv
from collections.abc import Iterator

from readings.models import File, Line


def read(file: File) -> Iterator[Line]:
    with file.path.open(newline="") as lines:
        for row in csv.DictReader(lines, restval=""):
            yield Line.model_validate(row)
