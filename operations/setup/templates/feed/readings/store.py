"""How does a reading get into the table, once and not twice?"""

import os
import sqlite3
from contextlib import closing

from farandole import Context

from readings.models import Reading

TABLE = """
create table if not exists readings (
    event_id text primary key,
    sensor text not null,
    at text not null,
    celsius real not null
)
"""
INSERT = "insert into readings values (?, ?, ?, ?) on conflict do nothing"


def store(reading: Reading, context: Context) -> None:
    """Insert a row.

    Kafka's transactions do not reach a database: after a crash an event may come again,
    with the same id. Then its row is there already.
    """
    event_id = context.events[0].id
    row = (event_id, reading.sensor, reading.at.isoformat(), reading.celsius)
    database = os.environ.get("READINGS_DB", "readings.db")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(TABLE)
        connection.execute(INSERT, row)
