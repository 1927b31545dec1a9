// Written from the server's Rust types by `cargo run -p apps --example types`. Do not edit.
import type {} from 'tidings'

export type Announced = { "type": "announced", "payload": Announcement };

export type Announcement = { id: number, user: string, text: string, madeAt: number, };

/**
 * A note. One of a room belongs to everybody; `owner` is who wrote it.
 */
export type Note = { id: number, owner: string, room: string | null, text: string,
/**
 * Milliseconds since 1970 by the server's clock.
 */
changedAt: number, };

/**
 * What happened to a note of one's own.
 */
export type NoteEvent = { "type": "saved", "payload": Note } | { "type": "deleted", "payload": Note };

/**
 * What happened to a note of a room.
 */
export type RoomEvent = NoteEvent;

/**
 * What the other tabs of a browser receive.
 */
export type SessionEvent = { "type": "ended" };

/** What each channel and label brings. */
export interface Channels {
  'note': NoteEvent
  [channel: `notes:room:${string}`]: RoomEvent
  [channel: `notification:${string}`]: Announced
  'session': SessionEvent
}

declare module 'tidings' {
  interface Register {
    channels: Channels
  }
}
