import { useQueryClient } from '@tanstack/react-query'
import type { Entity, Item, Project } from './channels.ts'
import { AddForm } from './AddForm.tsx'
import { Name } from './Name.tsx'
import { write } from './write.ts'

interface Props {
  project: Project
  user: string
}

export function ProjectView({ project, user }: Props) {
  const queries = useQueryClient()
  const change = (what: string, method: string, path: string, body?: object) => write(queries, what, method, path, body)
  const { id, name, members, tasks, labels, categories } = project

  const add = (entity: Entity) => (text: string) =>
    change(`${entity} “${text}”`, 'POST', `/projects/${id}/items`, { entity, name: text })
  const edit = (item: Item, what: string, body: object) => change(what, 'PATCH', `/items/${item.id}`, body)
  const remove = (item: Item) => change(`deletion of “${item.name}”`, 'DELETE', `/items/${item.id}`)

  return (
    <div className="stack">
      <section className="card" aria-labelledby="project-heading">
        <div className="line">
          <h2 id="project-heading" className="grow" data-testid="project-name">
            <Name of={name} rename={(text) => change(`project “${text}”`, 'PATCH', `/projects/${id}`, { name: text })} />
          </h2>
          <button
            type="button"
            className="button small"
            data-testid="delete-project"
            onClick={() => void change(`deletion of “${name}”`, 'DELETE', `/projects/${id}`)}
          >
            Delete project
          </button>
        </div>
        <ul>
          {tasks.map((task) => (
            <li className="row task" key={task.id} data-testid="task">
              <input
                type="checkbox"
                aria-label={`Done: ${task.name}`}
                checked={task.done}
                onChange={() => void edit(task, `“${task.name}” ${task.done ? 'open' : 'done'}`, { done: !task.done })}
              />
              <span className={task.done ? 'grow done' : 'grow'} data-testid="task-name">
                <Name of={task.name} rename={(text) => edit(task, `task “${text}”`, { name: text })} />
              </span>
              <Choice label={`Label of ${task.name}`} none="No label" all={labels} chosen={task.label} choose={(label) => void edit(task, `label of “${task.name}”`, { label })} />
              <Choice label={`Category of ${task.name}`} none="No category" all={categories} chosen={task.category} choose={(category) => void edit(task, `category of “${task.name}”`, { category })} />
              <button type="button" className="button small" aria-label={`Delete ${task.name}`} onClick={() => void remove(task)}>
                ×
              </button>
            </li>
          ))}
        </ul>
        <AddForm label="New task" testid="new-task" add={add('task')} />
      </section>
      <div className="parts">
        <Part title="Labels" entity="label" items={labels} add={add('label')} edit={edit} remove={remove} />
        <Part title="Categories" entity="category" items={categories} add={add('category')} edit={edit} remove={remove} />
        <section className="card" aria-labelledby="members-heading">
          <h2 id="members-heading">Members</h2>
          <ul>
            {members.map(({ user: member, role }) => {
              const path = `/projects/${id}/members/${encodeURIComponent(member)}`
              return (
                <li className="row" key={member} data-testid="member">
                  <span className="grow">{member}</span>
                  <select
                    aria-label={`Role of ${member}`}
                    value={role}
                    onChange={(event) => void change(`role of ${member}`, 'PATCH', path, { role: event.target.value })}
                  >
                    <option value="owner">owner</option>
                    <option value="editor">editor</option>
                  </select>
                  <button type="button" className="button small" aria-label={member === user ? 'Leave' : `Remove ${member}`} onClick={() => void change(`removal of ${member}`, 'DELETE', path)}>
                    {member === user ? 'Leave' : '×'}
                  </button>
                </li>
              )
            })}
          </ul>
          <AddForm label="New member" testid="new-member" add={(member) => change(`member ${member}`, 'POST', `/projects/${id}/members`, { user: member })} />
        </section>
      </div>
    </div>
  )
}

interface PartProps {
  title: string
  entity: Entity
  items: Item[]
  add: (name: string) => Promise<boolean>
  edit: (item: Item, what: string, body: object) => Promise<boolean>
  remove: (item: Item) => Promise<boolean>
}

function Part({ title, entity, items, add, edit, remove }: PartProps) {
  return (
    <section className="card" aria-labelledby={`${entity}-heading`}>
      <h2 id={`${entity}-heading`}>{title}</h2>
      <ul>
        {items.map((item) => (
          <li className="row" key={item.id} data-testid={entity}>
            <span className="grow">
              <Name of={item.name} rename={(name) => edit(item, `${entity} “${name}”`, { name })} />
            </span>
            <button type="button" className="button small" aria-label={`Delete ${item.name}`} onClick={() => void remove(item)}>
              ×
            </button>
          </li>
        ))}
      </ul>
      <AddForm label={`New ${entity}`} testid={`new-${entity}`} add={add} />
    </section>
  )
}

interface ChoiceProps {
  label: string
  none: string
  all: Item[]
  chosen: number | null
  choose: (id: number) => void
}

function Choice({ label, none, all, chosen, choose }: ChoiceProps) {
  if (all.length === 0) return null
  return (
    <select aria-label={label} value={chosen ?? 0} onChange={(event) => choose(Number(event.target.value))}>
      <option value={0}>{none}</option>
      {all.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  )
}
