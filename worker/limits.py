"""Which limits keep the memory of a worker bounded, whatever arrives or is emitted?"""

TIME_SLICE = 0.05
"""Seconds that inline functions may keep the event loop, so that heartbeats are sent."""
MAX_TRANSACTION_BYTES = 8 * 1024 * 1024
"""Bytes of results at which a transaction takes no further event."""
MAX_TRANSACTION_AGE = 1.0
"""Seconds of handling at which a transaction takes no further event."""
MAX_EVENT_BYTES = 64 * 1024 * 1024
"""Bytes of results that one event may cause. An event that causes more becomes a dead letter."""
MAX_RECORD_BYTES = 1_000_000
"""Bytes of one result, just below Kafka's default. A larger one makes its event a dead letter."""
HEADER_BYTES_ESTIMATE = 400
"""About how many bytes our headers take; counted with each result."""
MAX_EVENT_RESULTS = MAX_EVENT_BYTES // HEADER_BYTES_ESTIMATE
"""Results of one event: more can never fit, however small they are."""
MAX_DEAD_LETTER_BYTES = 1024 * 1024 + 192 * 1024
"""Bytes of one dead letter. A larger one is truncated."""
MAX_BATCH = 5_000
"""Events that a function of a list gets in one call."""
MAX_CACHED_LINEAGES = 4096
"""Lineages in the cache of a lane. When it is full, the cache is cleared."""
MAX_RETRY_ROW_BYTES = MAX_DEAD_LETTER_BYTES
"""Bytes of the row of a parked event. An event with a larger row is only tried in place."""
MAX_STATE_ROW_BYTES = 512 * 1024
"""Bytes of one row of a lane's state. Whoever keeps rows there caps their number."""
MAX_PARKED_BYTES = 64 * 1024 * 1024
"""Bytes of the parked events of one lane. At this size the lane takes no further input."""
MAX_PROCESS_PARKED_BYTES = 512 * 1024 * 1024
"""Bytes of the parked events of all lanes of a process. At this size none of them takes further
input, and a lane that begins waits until there is room for its own."""
PARKED_MEMORY_SHARE = 0.25
"""The share of the memory of a process at which that size is reached, if that is less."""
MAX_DUE_EVENTS = 500
"""Parked events that are tried again in one batch."""
