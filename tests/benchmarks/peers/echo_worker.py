"""The bare worker of the echo: whatever comes on a topic goes back by batch. No database.

python -m tests.benchmarks.peers.echo_worker BOOTSTRAP PARTITIONS
"""

import sys

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.benchmarks.peers.echo_edge import ASKED, ECHOED


async def main(bootstrap: str, partitions: int) -> None:
    """Echo until killed."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await producer.start()
    await consumer.start()
    consumer.assign([TopicPartition(ASKED, number) for number in range(partitions)])
    await consumer.seek_to_end()
    while True:
        fetched = await consumer.getmany(timeout_ms=1000)
        batch = producer.create_batch()
        for records in fetched.values():
            for record in records:
                batch.append(timestamp=None, key=record.key, value=record.value)
        if batch.record_count():
            await producer.send_batch(batch, ECHOED, partition=0)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
