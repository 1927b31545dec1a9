// Written from the server's Rust types by `cargo run -p apps --example types`. Do not edit.
import type {} from 'tidings'

/**
 * What the user's other tabs and devices receive.
 */
export type CalendarEvent = { "type": "event_created", "payload": Entry } | { "type": "event_updated", "payload": Entry } | { "type": "event_deleted", "payload": Entry };

/**
 * A device as its user sees it. Events carry one device each; whoever hears one replaces what it knew of that device.
 */
export type Device = { id: string, name: string, online: boolean,
/**
 * When it was named, came online or left, whichever was last.
 */
seenAt: number, };

/**
 * What a user's devices are told of each other.
 */
export type DeviceEvent = { "type": "named", "payload": Device } | { "type": "online", "payload": Device } | { "type": "offline", "payload": Device };

/**
 * The answer to `GET /devices`.
 */
export type DeviceList = { devices: Array<Device>,
/**
 * How many streams of the user are open, tabs that share one counted once.
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
 * Which round of focus this is, or follows; counts from 1.
 */
round: number, minutes: number, startedAt: number, };

export type PhaseKind = "focus" | "shortBreak" | "longBreak";

/**
 * A user looks for a device.
 */
export type RingEvent = { "type": "ring" };

/**
 * What the other tabs of a browser receive.
 */
export type SessionEvent = { "type": "ended" };

/**
 * A running timer. Moments are milliseconds since 1970 by the server's clock.
 */
export type Timer = { title: string, mode: Mode, startedAt: number,
/**
 * How long it is meant to take; of a Pomodoro, each round of focus.
 */
plannedMinutes: number | null,
/**
 * Where it runs; `None` when whoever started it named no device.
 */
deviceId: string | null,
/**
 * Present in a Pomodoro, and only there.
 */
phase: Phase | null, };

/**
 * What a user's other tabs and devices are told.
 */
export type TimerEvent = { "type": "started", "payload": TimerState } | { "type": "stopped", "payload": TimerState } | { "type": "moved", "payload": TimerState } | { "type": "updated", "payload": TimerState };

/**
 * The answer to every request here: the state, and the server's clock to correct one's own by. (An event carries the state
 * alone: it may be read long after it was written.)
 */
export type TimerSnapshot = { serverNow: number, revision: number, timer: Timer | null, };

/**
 * Whether a timer runs, and which; the payload of every event about it. Of two, the one with the higher revision is newer.
 */
export type TimerState = { revision: number, timer: Timer | null, };

/** What each channel and label brings. */
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
