// The stage `score`, if the file says `external: at-least-once`: no transactions, no ids, no ledger.
// npm ci && node score-simple.mjs localhost:9092 [NAMESPACE]
import { Kafka, logLevel } from 'kafkajs'

const [brokers, namespace] = process.argv.slice(2), prefix = namespace ? `${namespace}.` : ''
const stage = `${prefix}orders.score`
const score = line => ({ ...line, score: line.cents >= 1000 ? 'high' : 'low' }) // the work itself

const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR })
const producer = kafka.producer({ allowAutoTopicCreation: false })
const consumer = kafka.consumer({ groupId: `${stage}.outside`, sessionTimeout: 6000, heartbeatInterval: 500 })
consumer.on(consumer.events.CRASH, () => process.exit(1)) // start it again

async function work({ batch, resolveOffset }) {
  const { topic, partition } = batch, next = String(BigInt(batch.lastOffset()) + 1n)
  const messages = batch.messages.map(({ offset, value }) => ({
    partition, // that of the event
    headers: { 'farandole-cause': `${topic}/${partition}/${offset}/0` },
    value: JSON.stringify(score(JSON.parse(value))),
  }))
  await producer.send({ topic: `${stage}.raw`, acks: -1, messages }) // first all outputs,
  await consumer.commitOffsets([{ topic, partition, offset: next }]) // and only then the offset
  resolveOffset(batch.lastOffset())
}

await Promise.all([producer.connect(), consumer.connect()])
await consumer.subscribe({ topic: `${prefix}orders.order.accepted` })
await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: work })
