//! The types that the combinators of [`Auth`](super::Auth) return.

use super::Grant;
use crate::access::Right;

/// An [`Auth`](super::Auth) with one more grant, from [`Auth::allow`](super::Auth::allow),
/// [`Auth::allow_publish`](super::Auth::allow_publish) or [`Auth::allow_presence`](super::Auth::allow_presence).
#[derive(Debug, Clone)]
pub struct Allow<A> {
    pub(super) auth: A,
    pub(super) grant: Grant,
    pub(super) right: Right,
}

/// An [`Auth`](super::Auth) that asks about each channel that no grant covers, from
/// [`Auth::allow_if`](super::Auth::allow_if).
#[derive(Debug, Clone)]
pub struct AllowIf<A, F> {
    pub(super) auth: A,
    pub(super) may: F,
}

/// An [`Auth`](super::Auth) that asks once about all channels that no grant covers, from
/// [`Auth::allow_among`](super::Auth::allow_among).
#[derive(Debug, Clone)]
pub struct AllowAmong<A, F> {
    pub(super) auth: A,
    pub(super) among: F,
}

/// Two [`Auth`](super::Auth)s, the second of which is tried where the first finds no credentials, from
/// [`Auth::or`](super::Auth::or).
#[derive(Debug, Clone)]
pub struct Or<A, B> {
    pub(super) first: A,
    pub(super) second: B,
}
