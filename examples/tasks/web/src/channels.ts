// Written from the server's Rust types by `cargo run -p apps --example types`. Do not edit.
import type {} from 'tidings'

/**
 * Which row changed. Whoever shows its project fetches it again.
 */
export type Change = { entity: Entity,
/**
 * The row's number; a member's user.
 */
id: string, projectId: number, };

/**
 * What a change is of.
 */
export type Entity = "task" | "project" | "label" | "category" | "member";

/**
 * A task, label or category.
 */
export type Item = { id: number, name: string, done: boolean, label: number | null, category: number | null, };

/**
 * A member. Roles are what people call each other: each member may do everything.
 */
export type Member = { user: string, role: Role, };

/**
 * A project, as its members see it.
 */
export type Project = { id: number, name: string, members: Array<Member>, tasks: Array<Item>, labels: Array<Item>, categories: Array<Item>, };

export type Role = "owner" | "editor";

/**
 * What the other tabs of a browser receive.
 */
export type SessionEvent = { "type": "ended" };

/**
 * What all members of a project receive.
 */
export type SyncEvent = { "type": "created", "payload": Change } | { "type": "updated", "payload": Change } | { "type": "deleted", "payload": Change };

/** What each channel and label brings. */
export interface Channels {
  'session': SessionEvent
  'sync': SyncEvent
}

declare module 'tidings' {
  interface Register {
    channels: Channels
  }
}
