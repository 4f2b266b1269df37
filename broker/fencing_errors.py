"""Which errors of the client say that another producer, or the coordinator, has fenced ours?"""

from aiokafka.errors import (
    IllegalOperation,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)

FENCING_ERRORS = (
    ProducerFenced,
    InvalidProducerEpoch,
    InvalidTxnState,
    InvalidProducerIdMapping,
    OutOfOrderSequenceNumber,
    IllegalOperation,  # its sender was fenced before we asked, and left the transaction
)
