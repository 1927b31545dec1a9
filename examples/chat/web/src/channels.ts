// Written from the server's Rust types by `cargo run -p apps --example types`. Do not edit.
import type {} from 'tidings'

export type ConversationEvent = { "type": "updated", "payload": ThreadId };

/**
 * The answer to `GET /friends`.
 */
export type Friends = { friends: Array<string>,
/**
 * The users who have asked this user.
 */
requests: Array<Request>, };

export type GroupEvent = { "type": "updated", "payload": ThreadId };

/**
 * A message.
 */
export type Message = { id: number, thread: number, sender: string, text: string,
/**
 * Milliseconds since 1970 by the server's clock.
 */
sentAt: number, };

export type MessageEvent = { "type": "sent", "payload": Message };

/**
 * A notification to a user.
 */
export type Notification = { id: number,
/**
 * `message`, `friendRequest` or `friendAccepted`.
 */
kind: string,
/**
 * The thread or the request.
 */
about: number, text: string, read: boolean, madeAt: number, };

export type NotificationEvent = { "type": "created", "payload": Notification } | { "type": "read" };

/**
 * Nothing is published on this channel; its subscribers are present.
 */
export type PeopleEvent = never;

export type Request = { id: number, sender: string, };

/**
 * Events for the other tabs of a browser.
 */
export type SessionEvent = { "type": "ended" };

/**
 * A conversation or group, as one of its members sees it.
 */
export type Thread = { id: number,
/**
 * The group's name, or the other user's in a conversation.
 */
name: string, isGroup: boolean, members: Array<string>, unread: number,
/**
 * The last message.
 */
last: string | null, };

/**
 * A thread that changed; fetch the list again.
 */
export type ThreadId = { thread: number, };

/** The events of each channel and label. */
export interface Channels {
  'conversation_update': ConversationEvent
  'group_update': GroupEvent
  'message': MessageEvent
  'notification': NotificationEvent
  'people': PeopleEvent
  'session': SessionEvent
}

declare module 'tidings' {
  interface Register {
    channels: Channels
  }
}
