"""Which errors of the client mean that our producer was fenced?"""

from aiokafka.errors import (
    IllegalOperation,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)

FENCING_ERRORS: tuple[type[BaseException], ...] = (
    ProducerFenced,
    InvalidProducerEpoch,
    InvalidTxnState,
    InvalidProducerIdMapping,
    OutOfOrderSequenceNumber,
    IllegalOperation,  # the sender was fenced first, and left the transaction; no KafkaError
)


def fencing_error(error: BaseException) -> BaseException | None:
    """Return the error that says that our producer was fenced: `error` itself or its cause, because
    aiokafka wraps errors of the broker that it does not expect. None if it is neither."""
    for each in (error, error.__cause__):
        if isinstance(each, FENCING_ERRORS):
            return each
    return None
