"""What is capped, and at what, so that memory stays bounded whatever arrives or is emitted?"""

TIME_SLICE = 0.05  # seconds that inline functions keep the event loop: heartbeats must live
MAX_TRANSACTION_BYTES = 8 * 1024 * 1024  # of results, at which a transaction takes no further event
MAX_TRANSACTION_AGE = 1.0  # seconds of handling, at which it takes no further event
MAX_EVENT_BYTES = 64 * 1024 * 1024  # of results that one event may cause; beyond, a dead letter
MAX_RECORD_BYTES = 1_000_000  # of one result, just below Kafka's default; beyond, likewise
HEADER_BYTES_ESTIMATE = 400  # about what our headers take, counted with each result
MAX_EVENT_RESULTS = (
    MAX_EVENT_BYTES // HEADER_BYTES_ESTIMATE
)  # of one event: more can never fit, however small
MAX_DEAD_LETTER_BYTES = 1024 * 1024 + 192 * 1024  # of one dead letter; beyond, it is cut
MAX_BATCH = 5_000  # events that a `list` function gets at most
MAX_CACHED_LINEAGES = 4096  # that a lane remembers; beyond, it starts to remember anew
MAX_RETRY_ROW_BYTES = (
    MAX_DEAD_LETTER_BYTES  # of one row of an event that waits; beyond, it is tried in place alone
)
MAX_PARKED_BYTES = 64 * 1024 * 1024  # that wait in one lane; beyond, it takes no further input
MAX_DUE_EVENTS = 500  # events that are tried again in one go
