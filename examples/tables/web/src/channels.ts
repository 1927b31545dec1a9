// Written from the server's Rust types by `cargo run -p apps --example types`. Do not edit.
import type {} from 'tidings'

/**
 * A row of the table.
 */
export type Booking = { id: number, course: string, guest: string, };

/**
 * A row of the table.
 */
export type Course = { id: number, title: string, seats: number, booked: number, };

/**
 * Events for the other tabs of a browser.
 */
export type SessionEvent = { "type": "ended" };

/**
 * A table changed; fetch it again.
 */
export type TableEvent = { "type": "updated" };

/** The events of each channel and label. */
export interface Channels {
  'session': SessionEvent
  [channel: `table:${string}`]: TableEvent
}

declare module 'tidings' {
  interface Register {
    channels: Channels
  }
}
