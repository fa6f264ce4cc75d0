"""Dead letters that are larger than a record may be, kept whole all the same.

Somebody compressed what he sent, so that the broker took it; as it is it would be refused, and
only its beginning could be kept.
"""

from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from actalog_bus.ports import Outgoing
from actalog_bus.publisher import NotAcknowledged, TooLarge
from actalog_bus.security import security
from actalog_bus.settings import KafkaSettings

ROOM_BYTES = 1_048_576  # in a request, for key and headers


async def publish_compressed(records: Sequence[Outgoing], settings: KafkaSettings) -> None:
    """Over a producer of their own: they are rare, and everything else is sent as it is.

    Raises:
        TooLarge: compressed, too.
        NotAcknowledged: the broker does not take it now.
    """
    longest = max(len(record.value or b"") for record in records)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.servers, acks="all", compression_type="gzip",
        max_request_size=longest + ROOM_BYTES, **security(settings),
    )  # fmt: skip
    try:
        await producer.start()
        for one in records:
            await producer.send_and_wait(
                one.topic, one.value, key=one.key, headers=list(one.headers)
            )
    except MessageSizeTooLargeError as error:
        raise TooLarge(records[0].topic) from error
    except (KafkaError, OSError) as error:
        raise NotAcknowledged(f"{records[0].topic}: {type(error).__name__}") from error
    finally:
        await producer.stop()
