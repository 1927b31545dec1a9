// The server that one writes with better-sse: sessions in a channel. `node server.mjs HEARTBEAT_MS`.
import { createServer } from 'node:http'
import { createChannel, createSession } from 'better-sse'

const keepAlive = Number(process.argv[2])
const channel = createChannel()

const server = createServer(async (request, response) => {
  if (request.method === 'GET') {
    channel.register(await createSession(request, response, { keepAlive }))
    return
  }
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  channel.broadcast(JSON.parse(Buffer.concat(chunks).toString()))
  response.end()
})
// Node must not time out streams or the kept connections of publishers.
server.requestTimeout = 0
server.keepAliveTimeout = 0
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))
