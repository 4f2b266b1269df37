"""Which errors of the client say that another producer, or the coordinator, has fenced ours?"""

from aiokafka.errors import (
    IllegalOperation,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)

_FENCING_ERRORS: tuple[type[BaseException], ...] = (
    ProducerFenced,
    InvalidProducerEpoch,
    InvalidTxnState,
    InvalidProducerIdMapping,
    OutOfOrderSequenceNumber,
    IllegalOperation,  # its sender was fenced before we asked, and left the transaction
)


def fencing_error(error: BaseException) -> BaseException | None:
    """Return the error that says that our producer was fenced: `error` itself or its cause, because
    aiokafka wraps errors of the broker that it does not expect. None if it is neither."""
    for each in (error, error.__cause__):
        if isinstance(each, _FENCING_ERRORS):
            return each
    return None
