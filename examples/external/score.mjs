// The stage `score` of topology.yaml, by the contract of docs/wire.md. Node 22.2 or newer:
// npm ci && node score.mjs localhost:9092 [NAMESPACE]
import { crc32 } from 'node:zlib'
import { xxh3 } from '@node-rs/xxhash'
import { Kafka, Partitioners, logLevel } from 'kafkajs'

const [brokers, namespace] = process.argv.slice(2), prefix = namespace ? `${namespace}.` : ''
const pipeline = 'orders', stage = 'score', input = 'order.accepted', output = 'order.scored'
const score = line => ({ ...line, score: line.cents >= 1000 ? 'high' : 'low' }) // the work itself

const group = `${prefix}${pipeline}.${stage}`, ledger = `${prefix}farandole.ledger`
const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR })
const sum = ids => JSON.rawJSON(String(ids.reduce((all, id) => (all + xxh3.xxh64(id)) % 2n ** 64n, 0n)))
const versions = new Map(), lanes = new Map() // by name; by partition: its transactional producer
const admin = kafka.admin(), table = kafka.consumer({ groupId: `${group}.versions.${process.pid}` })
const consumer = kafka.consumer({ groupId: group, sessionTimeout: 6000, heartbeatInterval: 500 })
for (const each of [table, consumer]) each.on(each.events.CRASH, () => process.exit(1)) // start it again
consumer.on(consumer.events.GROUP_JOIN, () => lanes.clear()) // each assignment begins with a fence

async function open(topic, partition) { // fence the predecessor, and only then read its last offset
  const producer = kafka.producer({ transactionalId: `${group}:${partition}`, idempotent: true,
    maxInFlightRequests: 1, transactionTimeout: 10000, createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  await (await producer.transaction()).abort()
  const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
  lanes.set(partition, producer)
  return partitions.find(each => each.partition === partition).offset
}

async function work({ batch, resolveOffset, isStale }) {
  const { topic, partition } = batch, at = Date.now(), parts = {}, writes = { [ledger]: [] }
  if (!lanes.has(partition)) consumer.seek({ topic, partition, offset: await open(topic, partition) })
  if (isStale()) return // it was fetched before the fence
  const life = Math.max(...[...versions.values()].map(({ events: { [input]: e } }) => (e?.topic === topic && e.life) || 1))
  for (const { headers: raw, key, value, offset, timestamp } of batch.messages) {
    const headers = Object.fromEntries(Object.entries(raw).map(([name, bytes]) => [name, String(bytes)]))
    const version = versions.get(headers.ce_topologyversion), event = version.events[output] // unknown: start again
    const ce_id = `${input}${life > 1 ? `~${life}` : ''}/${partition}/${offset}/0`, ce_time = new Date().toISOString()
    const own = { ce_id, ce_time, ce_type: output, ce_source: `farandole://${version.installation}/${pipeline}/${stage}` }
    const result = score(JSON.parse(value)), message = { value: JSON.stringify(result), headers: { ...headers, ...own } }
    const place = event.key ? { key: String(result[event.key]) } : key ? { key } : { partition }
    ;(writes[event.topic] ??= []).push({ ...message, ...place })
    const part = parts[headers.ce_runid] ??= { version, oldest: Number(timestamp), read: [], emitted: [] }
    part.read.push(headers.ce_id), part.emitted.push(ce_id)
  }
  for (const [run, { version, oldest, read, emitted }] of Object.entries(parts)) {
    const to = Object.keys(version.stages).filter(each => version.stages[each].subscribes.includes(output))
    const counts = { in: { [input]: { n: read.length, hash: sum(read), oldest } }, out: { [output]: { n: emitted.length, hash: sum(emitted), to } } }
    const entry = { pipeline, stage, lane: partition, at, seconds: (Date.now() - at) / 1000, runs: [{ run, version: version.version, ...counts }] }
    const place = /^[a-p]/.test(run) ? { partition: crc32(run) % version.ledger } : { key: run } // a-p: before format 3
    writes[ledger].push({ value: JSON.stringify(entry), ...place })
  }
  const topicMessages = Object.entries(writes).map(([topic, messages]) => ({ topic, messages }))
  const partitions = [{ partition, offset: String(BigInt(batch.lastOffset()) + 1n) }]
  const transaction = await lanes.get(partition).transaction() // outputs, entries, offset: all or nothing
  await transaction.sendBatch({ topicMessages })
  await transaction.sendOffsets({ consumerGroupId: group, topics: [{ topic, partitions }] })
  await transaction.commit()
  resolveOffset(batch.lastOffset())
}

await Promise.all([admin.connect(), table.connect(), consumer.connect()])
await table.subscribe({ topic: `${prefix}farandole.topology`, fromBeginning: true })
const learn = (name, version) => version.format > 3 ? process.exit(1) : versions.set(name, version) // not for us
await table.run({ autoCommit: false, eachMessage: async ({ message: { key, value } }) => value && /@\d+$/.test(key) && learn(String(key), JSON.parse(value)) })
await consumer.subscribe({ topic: `${prefix}${pipeline}.${input}` })
await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, partitionsConsumedConcurrently: 8, eachBatch: work })
