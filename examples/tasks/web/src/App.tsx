import { useQuery, useQueryClient } from '@tanstack/react-query'
import { call } from 'examples-web'
import { useState, useSyncExternalStore } from 'react'
import type { Project } from './channels.ts'
import { AddForm } from './AddForm.tsx'
import { ProjectView } from './ProjectView.tsx'
import { waiting } from './waiting.ts'
import { write } from './write.ts'

const NONE: Project[] = []

export function App({ user }: { user: string }) {
  const queries = useQueryClient()
  const { data: projects = NONE, isPending } = useQuery({ queryKey: ['projects'], queryFn: () => call<Project[]>('/projects') })
  const [chosen, setChosen] = useState<number>()
  const project = projects.find(({ id }) => id === chosen) ?? projects[0]

  return (
    <div className="columns side-first">
      <div className="stack">
        <section className="card" aria-labelledby="projects-heading">
          <h2 id="projects-heading">Projects</h2>
          <nav className="stack" aria-label="Projects">
            {projects.map(({ id, name, tasks }) => (
              <button
                key={id}
                type="button"
                className="button project"
                aria-pressed={id === project?.id}
                data-testid="project"
                onClick={() => setChosen(id)}
              >
                <span>{name}</span>
                <span className="badge" title="open tasks">
                  {tasks.filter(({ done }) => !done).length}
                </span>
              </button>
            ))}
          </nav>
          {projects.length === 0 && <p className="quiet">{isPending ? 'Loading …' : 'None yet.'}</p>}
          <AddForm
            label="New project"
            testid="new-project"
            add={(name) => write(queries, `project “${name}”`, 'POST', '/projects', { name })}
          />
        </section>
        <WaitingList />
      </div>
      {project && <ProjectView key={project.id} project={project} user={user} />}
    </div>
  )
}

/** The mutations that wait for the network. */
function WaitingList() {
  const texts = useSyncExternalStore(waiting.subscribe, waiting.all)
  return (
    <section className="card" aria-labelledby="waiting-heading" aria-live="polite" hidden={texts.size === 0}>
      <h2 id="waiting-heading">Waiting to be sent</h2>
      <ul>
        {[...texts].map(([key, text]) => (
          <li className="row" key={key} data-testid="waiting">
            {text}
          </li>
        ))}
      </ul>
    </section>
  )
}
