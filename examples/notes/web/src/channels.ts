// Written from the server's Rust types by `cargo run -p apps --example types`. Do not edit.
import type {} from 'tidings'

export type Announced = { "type": "announced", "payload": Announcement };

export type Announcement = { id: number, user: string, text: string, madeAt: number, };

/**
 * A note. A room's note belongs to everyone; `owner` wrote it.
 */
export type Note = { id: number, owner: string, room: string | null, text: string,
/**
 * Milliseconds since 1970 by the server's clock.
 */
changedAt: number, };

/**
 * A change of a private note.
 */
export type NoteEvent = { "type": "saved", "payload": Note } | { "type": "deleted", "payload": Note };

/**
 * A change of a room's note.
 */
export type RoomEvent = NoteEvent;

/**
 * Events for the other tabs of a browser.
 */
export type SessionEvent = { "type": "ended" };

/** The events of each channel and label. */
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
