// Shared projects: every write reaches all members, once, and offline writes are sent on return.
import type { Page } from '@playwright/test'
import { Api, expect, frames, isMarked, live, mark, test } from './app.ts'

async function fill(page: Page, field: string, text: string): Promise<void> {
  await page.getByTestId(field).fill(text)
  await page.getByTestId(`${field}-add`).click()
  await expect(page.getByTestId(field)).toHaveValue('')
}

const task = (page: Page, name: string) => page.getByTestId('task').filter({ hasText: name })

/** Opens a project that Ana and Ben share, for both. */
async function shared(ana: Page, ben: Page): Promise<void> {
  await fill(ana, 'new-project', 'Apollo')
  await fill(ana, 'new-member', 'ben')
  for (const page of [ana, ben]) await expect(page.getByTestId('project-name')).toHaveText('Apollo')
}

/** Records the `CustomEvent`s on `window`, as code outside React receives them. */
const onWindow = (page: Page): Promise<void> =>
  page.evaluate(() => {
    const said: string[] = []
    Object.assign(globalThis, { said })
    for (const entity of ['task', 'project', 'label', 'category', 'member']) {
      addEventListener(`sync:${entity}`, (event) => said.push(`${entity} ${(event as CustomEvent).detail.action}`))
    }
  })
const saidOn = (page: Page): Promise<string[]> => page.evaluate(() => (globalThis as unknown as { said: string[] }).said)

test('a task of one member is on all devices of all members, and the tab that made it gets no echo', async ({ open }) => {
  const [laptop, phone, ben] = [await open('tasks', 'ana'), await open('tasks', 'ana'), await open('tasks', 'ben')]
  await shared(laptop, ben)
  for (const page of [laptop, phone]) await onWindow(page)
  await fill(laptop, 'new-task', 'Write the report')
  for (const page of [phone, ben]) await expect(task(page, 'Write the report')).toBeVisible()
  await task(ben, 'Write the report').getByRole('checkbox').click()
  for (const page of [laptop, phone]) await expect(task(page, 'Write the report').getByRole('checkbox')).toBeChecked()
  // The tab does not receive its own change; it receives Ben's.
  expect(await saidOn(laptop)).toEqual(['task updated'])
  expect(await saidOn(phone)).toEqual(['task created', 'task updated'])
})

test('each entity tells each action to the other members, on `window` too', async ({ open, apps }) => {
  const ben = await open('tasks', 'ben')
  await onWindow(ben)
  const ana = await Api.login(apps.server.url, 'ana')
  const project = (await ana.post('/projects', { name: 'Apollo' })).projectId
  await ana.post(`/projects/${project}/members`, { user: 'ben' })
  await ana.send('PATCH', `/projects/${project}/members/ben`, { role: 'owner' })
  await ana.send('PATCH', `/projects/${project}`, { name: 'Gemini' })
  const ids: Record<string, string> = {}
  for (const entity of ['label', 'category', 'task']) {
    const { id } = await ana.post(`/projects/${project}/items`, { entity, name: `A ${entity}` })
    ids[entity] = id
    await ana.send('PATCH', `/items/${id}`, { name: `Another ${entity}` })
  }
  await ana.send('PATCH', `/items/${ids.task}`, { label: Number(ids.label), category: Number(ids.category) })
  await expect(task(ben, 'Another task').getByLabel('Label of Another task')).toHaveValue(ids.label!)
  await expect(task(ben, 'Another task').getByLabel('Category of Another task')).toHaveValue(ids.category!)
  for (const entity of ['label', 'category', 'task']) await ana.send('DELETE', `/items/${ids[entity]}`)
  await ana.send('DELETE', `/projects/${project}/members/ben`)
  const other = (await ana.post('/projects', { name: 'Voyager' })).projectId
  await ana.post(`/projects/${other}/members`, { user: 'ben' })
  await ana.send('DELETE', `/projects/${other}`)
  await expect(ben.getByTestId('project')).toHaveCount(0)
  await expect.poll(async () => (await saidOn(ben)).length).toBe(16)
  expect(await saidOn(ben)).toEqual([
    'member created',
    'member updated',
    'project updated',
    ...['label', 'category', 'task'].flatMap((entity) => [`${entity} created`, `${entity} updated`]),
    'task updated',
    'label deleted',
    'category deleted',
    'task deleted',
    'member deleted',
    'member created',
    'project deleted',
  ])
})

test('a user who is no member receives nothing and may change nothing', async ({ open, apps }) => {
  const eve = await open('tasks', 'eve')
  const ana = await Api.login(apps.server.url, 'ana')
  const project = (await ana.post('/projects', { name: 'Apollo' })).projectId
  const { id } = await ana.post(`/projects/${project}/items`, { entity: 'task', name: 'Secret' })
  const stranger = await Api.login(apps.server.url, 'eve')
  for (const [method, path, body] of [
    ['PATCH', `/items/${id}`, { name: 'Mine' }],
    ['DELETE', `/projects/${project}`],
    ['POST', `/projects/${project}/items`, { entity: 'task', name: 'Mine' }],
    ['POST', `/projects/${project}/members`, { user: 'eve' }],
  ] as const) {
    await expect(stranger.send(method, path, body)).rejects.toThrow('404')
  }
  await ana.post(`/projects/${project}/members`, { user: 'eve' })
  await expect(eve.getByTestId('task')).toHaveCount(1)
  expect(await frames(eve, 'message')).toBe(1)
})

test('changes made offline wait, are sent in order on return, and others see them', async ({ open, front }) => {
  const [ana, ben] = [await open('tasks', 'ana'), await open('tasks', 'ben')]
  await shared(ana, ben)
  await ana.context().setOffline(true)
  front.cut()
  await fill(ana, 'new-task', 'First, offline')
  await fill(ana, 'new-task', 'Second, offline')
  await expect(ana.getByTestId('waiting')).toHaveText(['task “First, offline”', 'task “Second, offline”'])
  await expect(task(ana, 'offline')).toHaveCount(0)
  await ana.context().setOffline(false)
  for (const page of [ana, ben]) {
    await expect(page.getByTestId('task-name')).toHaveText(['First, offline', 'Second, offline'])
  }
  await expect(ana.getByTestId('waiting')).toHaveCount(0)
})

test('a mutation whose answer got lost, and whose server died, is sent again and runs once', async ({ open, front, apps }) => {
  const [ana, ben] = [await open('tasks', 'ana'), await open('tasks', 'ben')]
  await shared(ana, ben)
  const project = (await (await Api.login(apps.server.url, 'ana')).get('/projects'))[0].id
  // The server carries the change out, and the browser never receives the answer.
  let lost = 0
  await ana.route(`**/projects/${project}/items`, async (route) => {
    if (lost++ > 0) return route.continue()
    await route.fetch()
    // The server's memory of the change must survive the process.
    await apps.server.kill()
    await apps.server.restart()
    await route.abort('connectionreset')
  })
  const before = await frames(ben, 'message')
  await ana.getByTestId('new-task').fill('Once')
  await ana.getByTestId('new-task-add').click()
  await expect(task(ben, 'Once')).toHaveCount(1)
  await expect.poll(() => front.seen(`/a/api/projects/${project}/items`).length, { timeout: 15_000 }).toBe(2)
  await expect(ana.getByTestId('waiting')).toHaveCount(0)
  await expect(task(ana, 'Once')).toHaveCount(1)
  const keys = front.seen(`/a/api/projects/${project}/items`).map(({ headers }) => headers['idempotency-key'])
  expect(new Set(keys).size).toBe(1)
  await fill(ana, 'new-task', 'Afterwards')
  await expect(task(ben, 'Afterwards')).toHaveCount(1)
  await expect(task(ben, 'Once')).toHaveCount(1)
  expect(await frames(ben, 'message')).toBe(before + 2)
})

test('a change that the server refuses later leaves the list, and the user is told', async ({ open, front, apps }) => {
  const ana = await open('tasks', 'ana')
  await fill(ana, 'new-project', 'Apollo')
  await ana.context().setOffline(true)
  front.cut()
  await fill(ana, 'new-task', 'Too late')
  const phone = await Api.login(apps.server.url, 'ana')
  await phone.send('DELETE', `/projects/${(await phone.get('/projects'))[0].id}`)
  await ana.context().setOffline(false)
  await expect(ana.getByTestId('rejected')).toContainText('Not saved: task “Too late”')
  await expect(ana.getByTestId('waiting')).toHaveCount(0)
  await expect(ana.getByTestId('project')).toHaveCount(0)
})

test('a server that is killed while people write: everything is there when it is back, once', async ({ open, apps }) => {
  const [ana, ben] = [await open('tasks', 'ana'), await open('tasks', 'ben')]
  await shared(ana, ben)
  for (const page of [ana, ben]) await mark(page)
  await apps.server.kill()
  await fill(ana, 'new-task', 'From ana')
  await fill(ben, 'new-task', 'From ben')
  await expect(ana.getByTestId('waiting')).toHaveText(['task “From ana”'])
  await apps.server.restart()
  for (const page of [ana, ben]) {
    await expect(task(page, 'From ana')).toHaveCount(1, { timeout: 20_000 })
    await expect(task(page, 'From ben')).toHaveCount(1, { timeout: 20_000 })
    await live(page)
    await expect(page.getByTestId('waiting')).toHaveCount(0)
    expect(await isMarked(page)).toBe(true)
    await expect(page.getByTestId('gap-notice')).toHaveCount(0)
  }
})

test('a change between the first fetch and the stream is not missed', async ({ open, front, apps }) => {
  const ana = await Api.login(apps.server.url, 'ana')
  const project = (await ana.post('/projects', { name: 'Apollo' })).projectId
  const page = await open('tasks', 'ana')
  const release = front.hold('/a/api/events')
  const fetched = page.waitForResponse((response) => response.url().endsWith('/a/api/projects'))
  await page.reload()
  await fetched
  await ana.post(`/projects/${project}/items`, { entity: 'task', name: 'In between' })
  release()
  await expect(task(page, 'In between')).toBeVisible()
})
