//! One suite for every engine: each promise of [`Engine`] as an async function that panics where it is broken.
//! Behind the feature `conformance`.
//!
//! Say how to make logs of your engine, and let [`conformance_tests!`](crate::conformance_tests) write the tests:
//!
//! ```
//! use tidings::engine::{Memory, conformance::Subject};
//!
//! struct InMemory;
//!
//! impl Subject for InMemory {
//!     type Engine = Memory;
//!     async fn fresh(&self) -> Memory {
//!         Memory::default()
//!     }
//!     async fn keeping(&self, records: u64) -> Memory {
//!         Memory::builder().records(records as usize).build()
//!     }
//! }
//!
//! mod memory {
//!     tidings::conformance_tests!(super::InMemory);
//! }
//! ```
//!
//! | module | holds the engine to |
//! |---|---|
//! | [`appends`] | numbers, receipts, order, idempotency keys, dropped callers |
//! | [`reads`] | pages and bounds |
//! | [`tails`] | every record, in order, once, and no silence |
//! | [`trims`] | removal from the front only |
//! | [`beside`] | the metadata |
//! | [`durable`] | what a log that survives its process keeps |

pub mod appends;
pub mod beside;
pub mod durable;
mod entries;
pub mod reads;
pub mod tails;
pub mod trims;

use std::future::Future;

pub use entries::{entry, entry_with_key};

use super::Engine;

/// An engine under test: how to make logs of it.
pub trait Subject: Send + Sync {
    /// The engine.
    type Engine: Engine;

    /// A new, empty log, apart from all others, that keeps at least 10,000 small records.
    fn fresh(&self) -> impl Future<Output = Self::Engine> + Send;

    /// A new, empty log that keeps about this many records. It may keep more, as long as it trims when ten times as many
    /// were appended.
    fn keeping(&self, records: u64) -> impl Future<Output = Self::Engine> + Send;
}

/// An engine whose log survives its process.
pub trait Durable: Subject {
    /// The same log, opened again after the engine was closed.
    fn reopened(&self, engine: Self::Engine) -> impl Future<Output = Self::Engine> + Send;
}

/// Writes one `#[tokio::test]` per promise for the [`Subject`](crate::engine::conformance::Subject) that the expression makes;
/// with `durable` before it, those of a [`Durable`](crate::engine::conformance::Durable) as well. Your crate needs tokio with
/// `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! conformance_tests {
    (durable $subject:expr) => {
        $crate::conformance_tests!($subject);
        $crate::conformance_tests!(@tests $subject, durable: [
            the_same_log_opens_again,
            keys_are_known_after_a_restart,
            metadata_is_there_after_a_restart,
            what_was_trimmed_stays_trimmed
        ]);
    };
    ($subject:expr) => {
        $crate::conformance_tests!(@tests $subject, appends: [
            numbers_run_from_one_without_holes,
            every_record_has_a_tag_of_its_own,
            nothing_appended_is_nothing_acknowledged,
            concurrent_appends_make_one_order,
            a_known_key_is_not_stored_again,
            a_key_given_twice_at_once_is_stored_once,
            a_racing_retry_is_stored_once,
            a_dropped_append_is_whole_or_absent
        ]);
        $crate::conformance_tests!(@tests $subject, reads: [
            an_empty_log_starts_at_one,
            two_logs_have_two_epochs,
            entries_come_back_as_they_were,
            a_read_starts_after_its_number,
            a_read_stops_at_its_limits
        ]);
        $crate::conformance_tests!(@tests $subject, tails: [
            a_tail_yields_everything_from_its_start,
            a_tail_waits_for_what_comes_next,
            a_tail_under_load_misses_and_repeats_nothing,
            a_tail_never_shows_a_duplicate,
            a_tail_is_never_ahead_of_the_log,
            tails_are_independent,
            a_tail_ends_with_its_engine
        ]);
        $crate::conformance_tests!(@tests $subject, trims: [
            trimming_takes_from_the_front_only,
            a_tail_never_skips_what_was_trimmed,
            a_key_is_known_as_long_as_its_record
        ]);
        $crate::conformance_tests!(@tests $subject, beside: [
            metadata_keeps_values_by_key,
            metadata_is_untouched_by_trimming
        ]);
    };
    (@tests $subject:expr, $module:ident: [$($promise:ident),*]) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::engine::conformance::$module::$promise(&$subject).await;
            }
        )*
    };
}
