// Counts the lines that each app needs for real-time and, given the folder of the five documents that the apps replace,
// the lines of code that those show: `node examples/count.mjs [FOLDER]`. Empty lines and comments do not count.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The code that exists only because of Tidings: whole files, or the parts between two lines (the first that begin with
 * these texts).
 */
const parts = {
  timers: [
    ['timers/src/timers.rs', '#[derive(Serialize, TS)]', '/// The answer to every'],
    ['timers/src/timers.rs', '        if changed {', '        Ok(snapshot(state))'],
    ['timers/src/online.rs'],
    ['timers/src/devices.rs', '/// Events about', '/// The answer to'],
    ['timers/src/devices.rs', '/// `POST /devices/{id}/ring`', '/// `POST /api/devices`'],
    ['timers/src/devices.rs', '/// Publishes to a user', '/// Fails unless'],
    ['timers/web/src/lib/tidings.ts'],
    ['timers/web/src/lib/live.ts'],
    ['timers/web/src/components/Live.svelte'],
  ],
  notes: [
    ['notes/src/notes.rs', '/// A change of a private', '#[derive(Deserialize)]'],
    ['notes/src/notes.rs', '        let event = news(', '        Ok(Json(note))'],
    ['notes/src/announcements.rs', '#[serde(tag', '#[derive(Deserialize)]'],
    ['notes/src/announcements.rs', '        let event = Event', '        Ok(Json(made))'],
    ['notes/web/src/tidings.ts'],
    ['notes/web/src/Notes.tsx', '  useEffect(', '  const [text'],
    ['notes/web/src/Announcements.tsx', '  useChannel', '  const [text'],
  ],
  chat: [
    ['chat/src/threads.rs', '/// A thread that changed', '#[derive(Deserialize)]'],
    ['chat/src/threads.rs', '/// Publishes an update', 'impl From<i64>'],
    ['chat/src/messages.rs', '#[derive(Serialize, TS)]', '#[derive(Deserialize)]'],
    ['chat/src/messages.rs', '        let sent = Event', '        Ok(Json(message))'],
    ['chat/src/notifications.rs', '#[derive(Serialize, TS)]', '/// `GET'],
    ['chat/src/notifications.rs', '/// Publishes a notification', 'fn notification('],
    ['chat/web/src/tidings.ts'],
    ['chat/web/src/App.tsx', '  // Every user', '  return ('],
  ],
  tables: [
    ['tables/src/notify.rs'],
    ['tables/web/src/tidings.ts'],
    ['tables/web/src/useTable.ts'],
    ['tables/web/src/Changes.vue', 'const changes', '</script>'],
  ],
  tasks: [
    ['tasks/src/write.rs', '/// The kind of row', '/// The result of a write'],
    ['tasks/src/write.rs', '        let change = written', '        Ok((StatusCode'],
    ['tasks/web/src/tidings.ts'],
    ['tasks/web/src/write.ts'],
    ['tasks/web/src/waiting.ts'],
  ],
}

const isCode = (line) => /\S/.test(line) && !/^\s*(\/\/|\/\*|\*|#!|<!--)/.test(line)

function count([file, from, to]) {
  const lines = readFileSync(join(import.meta.dirname, file), 'utf8').split('\n')
  const start = from ? lines.findIndex((line) => line.startsWith(from)) : 0
  const end = to ? lines.findIndex((line, index) => index > start && line.startsWith(to)) : lines.length
  if (start < 0 || end < 0) throw new Error(`${file} has no part from "${from}" to "${to}"`)
  return lines.slice(start, end).filter(isCode).length
}

for (const [app, regions] of Object.entries(parts)) {
  const by = (test) => regions.filter(([file]) => test(file.includes('/web/'))).reduce((sum, region) => sum + count(region), 0)
  const [server, page] = [by((web) => !web), by((web) => web)]
  console.log(`${app.padEnd(8)} server ${String(server).padStart(4)}   page ${String(page).padStart(4)}   together ${String(server + page).padStart(4)}`)
}

const [, , folder] = process.argv
for (const name of folder ? readdirSync(folder).sort() : []) {
  const text = readFileSync(join(folder, name), 'utf8')
  const blocks = [...text.matchAll(/^```(?:ts|tsx|typescript|svelte|vue|js)\n(.*?)^```/gms)].map(([, code]) => code)
  const lines = blocks.join('').split('\n').filter(isCode).length
  console.log(`${/^# (.*)/m.exec(text)?.[1]}: ${lines} lines of code in ${blocks.length} blocks`)
}
