// Written from the server's Rust types by `cargo run -p apps --example types`. Do not edit.
import type {} from 'tidings'

/**
 * Events for the user's other tabs and devices.
 */
export type CalendarEvent = { "type": "event_created", "payload": Entry } | { "type": "event_updated", "payload": Entry } | { "type": "event_deleted", "payload": Entry };

/**
 * A device, as its user sees it. Each event carries one device, in its complete new state.
 */
export type Device = { id: string, name: string, online: boolean,
/**
 * When it was last named, came online, or left.
 */
seenAt: number, };

/**
 * Events about a user's devices.
 */
export type DeviceEvent = { "type": "named", "payload": Device } | { "type": "online", "payload": Device } | { "type": "offline", "payload": Device };

/**
 * The answer to `GET /devices`.
 */
export type DeviceList = { devices: Array<Device>,
/**
 * The number of open streams of the user at all hubs of the log; tabs that share a stream count once.
 */
connections: number, };

/**
 * An entry of the calendar.
 */
export type Entry = { id: number, title: string,
/**
 * Milliseconds since 1970.
 */
startsAt: number, };

export type Mode = "timer" | "pomodoro";

export type Phase = { kind: PhaseKind,
/**
 * The number of this round of focus, or of the round before this break, from 1.
 */
round: number, minutes: number, startedAt: number, };

export type PhaseKind = "focus" | "shortBreak" | "longBreak";

/**
 * A user is looking for a device.
 */
export type RingEvent = { "type": "ring" };

/**
 * Events for the other tabs of a browser.
 */
export type SessionEvent = { "type": "ended" };

/**
 * A running timer. Times are milliseconds since 1970 by the server's clock.
 */
export type Timer = { title: string, mode: Mode, startedAt: number,
/**
 * The planned duration; in a Pomodoro, that of each round of focus.
 */
plannedMinutes: number | null,
/**
 * The device that it runs on; `None` if it was started without a device.
 */
deviceId: string | null,
/**
 * Present only in a Pomodoro.
 */
phase: Phase | null, };

/**
 * Events for a user's other tabs and devices.
 */
export type TimerEvent = { "type": "started", "payload": TimerState } | { "type": "stopped", "payload": TimerState } | { "type": "moved", "payload": TimerState } | { "type": "updated", "payload": TimerState };

/**
 * The answer to every request here: the state, and the server's clock, to correct the device's clock. (An event carries the state
 * alone, because it may be read long after it was written.)
 */
export type TimerSnapshot = { serverNow: number, revision: number, timer: Timer | null, };

/**
 * The running timer, if any: the payload of every event about it. Of two states, the one with the higher revision is newer.
 */
export type TimerState = { revision: number, timer: Timer | null, };

/** The events of each channel and label. */
export interface Channels {
  'calendar': CalendarEvent
  'devices': DeviceEvent
  'ring': RingEvent
  'session': SessionEvent
  'timer': TimerEvent
}

declare module 'tidings' {
  interface Register {
    channels: Channels
  }
}
