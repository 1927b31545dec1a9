// The same in a worker thread.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

if (isMainThread) {
  const [, , hub, since] = process.argv
  new Worker(new URL(import.meta.url), { workerData: { hub, since }, argv: [] }).on('message', (text) => console.log(text))
} else {
  const { listen } = await import('./listen.mjs')
  await listen(workerData.hub, workerData.since, (text) => parentPort.postMessage(text))
}
