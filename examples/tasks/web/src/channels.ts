// Written from the server's Rust types by `cargo run -p apps --example types`. Do not edit.
import type {} from 'tidings'

/**
 * A row that changed. A page that shows its project fetches it again.
 */
export type Change = { entity: Entity,
/**
 * The row's number; for a member, the user.
 */
id: string, projectId: number, };

/**
 * The kind of row that changed.
 */
export type Entity = "task" | "project" | "label" | "category" | "member";

/**
 * A task, label or category.
 */
export type Item = { id: number, name: string, done: boolean, label: number | null, category: number | null, };

/**
 * A member. Roles are names only: each member may do everything.
 */
export type Member = { user: string, role: Role, };

/**
 * A project, as its members see it.
 */
export type Project = { id: number, name: string, members: Array<Member>, tasks: Array<Item>, labels: Array<Item>, categories: Array<Item>, };

export type Role = "owner" | "editor";

/**
 * Events for the other tabs of a browser.
 */
export type SessionEvent = { "type": "ended" };

/**
 * Events for all members of a project.
 */
export type SyncEvent = { "type": "created", "payload": Change } | { "type": "updated", "payload": Change } | { "type": "deleted", "payload": Change };

/** The events of each channel and label. */
export interface Channels {
  'session': SessionEvent
  'sync': SyncEvent
}

declare module 'tidings' {
  interface Register {
    channels: Channels
  }
}
