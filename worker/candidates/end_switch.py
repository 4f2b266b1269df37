"""How does everybody learn that the switch of a candidate that is lost is over?"""

from __future__ import annotations

import asyncio

import structlog

from farandole.broker.backoff import Backoff
from farandole.broker.broker_errors import BrokerError
from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.broker.transactions import translated_errors
from farandole.events.control_documents import serialize_control
from farandole.events.switch_document import EndSwitchDocument

log = structlog.get_logger()


async def end_switch_of(
    settings: Settings, pipeline: str, stage: str, generation: int, why: str
) -> None:
    """Write that the switch of a stage is over, and why. Tries until Kafka has taken it: the
    document is a state, so that several workers may write it."""
    document = EndSwitchDocument(pipeline=pipeline, stage=stage, generation=generation, why=why)
    topic = settings.names.control_topic
    waits = Backoff(0.5, 30.0)
    failures = 0
    while True:
        try:
            async with open_client(make_producer(settings), settings) as writer:
                sent = writer.send_and_wait(
                    topic, serialize_control(document), key=document.key, partition=0
                )
                with translated_errors(f"writing to {topic}: no answer"):
                    await with_deadline(sent, settings.deadline, f"writing to {topic}")
        except BrokerError as error:
            failures += 1
            log.warning("switch.not_ended", stage=stage, why=str(error))
            await asyncio.sleep(waits.delay(failures))
        else:
            log.warning("switch.ended", stage=stage, generation=generation, why=why)
            return
