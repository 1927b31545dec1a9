//! One suite for every engine: each promise of [`Engine`] as an async function that panics where it is broken.
//! Behind the feature `conformance`.
//!
//! Implement [`Subject`], which makes logs of your engine, and let [`conformance_tests!`](crate::conformance_tests)
//! write the tests:
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
//! Powers that not every engine has are traits of their own. Name those of your engine before the subject, as
//! `conformance_tests!(durable, shared; subject)`:
//!
//! | module | tests | needs |
//! |---|---|---|
//! | [`appends`] | numbers, receipts, order, idempotency keys, deadlines, dropped callers | [`Subject`] |
//! | [`reads`] | pages, bounds, the location of cursors | |
//! | [`tails`] | every record, in order, once, and no silence; closing | |
//! | [`trims`] | removal from the front only, and what is kept of trimmed records | |
//! | [`beside`] | the metadata | |
//! | [`durable`] | the persistence of a log that survives its process | [`Durable`] |
//! | [`shared`] | all promises across two handles on one log | [`Shared`] |
//! | [`hangs`] | deadlines while the log cannot be written to | [`Hangs`] |
//! | [`replaced`] | a log that loses its end, or is replaced by another one, under a live tail | [`Replaced`] |
//! | [`unknown`] | entries of newer versions | [`Unknown`] |

pub mod appends;
pub mod beside;
pub mod durable;
mod entries;
pub mod hangs;
pub mod reads;
pub mod replaced;
pub mod shared;
pub mod tails;
pub mod trims;
pub mod unknown;

use std::future::Future;

pub use entries::{entry, entry_on, entry_with_key};
use tidings_protocol::Cursor;

use super::Engine;

/// An engine under test, with the means to make logs of it.
pub trait Subject: Send + Sync {
    /// The engine.
    type Engine: Engine;

    /// A new, empty log, independent of all others, that keeps at least 10,000 small records.
    fn fresh(&self) -> impl Future<Output = Self::Engine> + Send;

    /// A new, empty log that keeps about this many records. It may keep more, as long as it trims after ten times as
    /// many were appended.
    fn keeping(&self, records: u64) -> impl Future<Output = Self::Engine> + Send;
}

/// An engine whose log survives its process.
pub trait Durable: Subject {
    /// The same log, opened again after the engine was closed.
    fn reopened(&self, engine: Self::Engine) -> impl Future<Output = Self::Engine> + Send;
}

/// An engine whose log may be used by several handles at the same time.
pub trait Shared: Subject {
    /// Another handle on the same log.
    fn another(&self, engine: &Self::Engine) -> impl Future<Output = Self::Engine> + Send;
}

/// An engine whose log can be blocked for writing for a while.
pub trait Hangs: Subject {
    /// Ends the block when it is dropped.
    type Hanging: Send;

    /// Makes appends hang from here on. An append that can be written afterwards must not be lost.
    fn hang(&self, engine: &Self::Engine) -> impl Future<Output = Self::Hanging> + Send;
}

/// An engine whose log can lose its end, or be replaced, while handles and tails use it.
pub trait Replaced: Subject {
    /// Makes the log lose all records after this one, as if an older copy had been put in its place.
    fn roll_back(&self, engine: &Self::Engine, to: Cursor) -> impl Future<Output = ()> + Send;

    /// Puts another log, with another epoch, in its place.
    fn replace(&self, engine: &Self::Engine) -> impl Future<Output = ()> + Send;
}

/// An engine that stores entries as bytes, which another version may have written.
pub trait Unknown: Subject {
    /// Appends the entry that a newer version would append: one with this key, stored as these bytes.
    fn append_bytes(&self, engine: &Self::Engine, key: &str, bytes: &[u8]) -> impl Future<Output = ()> + Send;
}

/// Writes one `#[tokio::test]` per promise for the [`Subject`](crate::engine::conformance::Subject) that the expression
/// makes. With `durable`, `shared`, `hangs`, `replaced` or `unknown` before a semicolon, it also writes the tests of
/// that trait. Your crate needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! conformance_tests {
    ($($power:ident),+; $subject:expr) => {
        $crate::conformance_tests!($subject);
        $($crate::conformance_tests!(@power $power $subject);)+
    };
    (@power durable $subject:expr) => {
        $crate::conformance_tests!(@tests $subject, durable: [
            the_same_log_opens_again,
            keys_are_known_after_a_restart,
            metadata_is_there_after_a_restart,
            trimmed_records_stay_trimmed,
            a_closed_log_opens_again
        ]);
    };
    (@power shared $subject:expr) => {
        $crate::conformance_tests!(@tests $subject, shared: [
            two_handles_write_one_log,
            a_handle_reads_what_another_handle_wrote,
            a_key_raced_on_two_handles_is_stored_once,
            two_handles_trim_one_log,
            a_tail_that_lags_behind_the_other_handle_is_told,
            metadata_is_one_for_both_handles
        ]);
    };
    (@power hangs $subject:expr) => {
        $crate::conformance_tests!(@tests $subject, hangs: [
            an_append_that_hangs_is_answered_at_its_deadline,
            nothing_is_stored_after_its_deadline
        ]);
    };
    (@power replaced $subject:expr) => {
        $crate::conformance_tests!(@tests $subject, replaced: [
            a_tail_does_not_go_on_in_a_log_that_lost_its_end,
            a_tail_does_not_go_on_in_another_log
        ]);
    };
    (@power unknown $subject:expr) => {
        $crate::conformance_tests!(@tests $subject, unknown: [an_entry_of_a_newer_version_is_void]);
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
            a_dropped_append_is_whole_or_absent,
            an_append_keeps_its_deadline
        ]);
        $crate::conformance_tests!(@tests $subject, reads: [
            an_empty_log_starts_at_one,
            two_logs_have_two_epochs,
            entries_come_back_as_they_were,
            a_read_starts_after_its_cursor,
            a_read_stops_at_its_limits,
            every_cursor_is_located,
            a_read_checks_its_cursor,
            a_number_has_its_cursor,
            a_handle_reads_its_own_writes
        ]);
        $crate::conformance_tests!(@tests $subject, tails: [
            a_tail_yields_everything_after_its_cursor,
            a_tail_begins_with_its_cursor,
            a_tail_checks_its_cursor,
            a_tail_that_has_nothing_to_yield_says_so,
            a_tail_under_load_misses_and_repeats_nothing,
            a_tail_never_shows_a_duplicate,
            a_tail_is_never_ahead_of_the_log,
            tails_are_independent,
            a_dropped_tail_ends_no_other,
            a_tail_ends_with_its_engine,
            a_closed_engine_refuses_every_call
        ]);
        $crate::conformance_tests!(@tests $subject, trims: [
            trimming_takes_from_the_front_only,
            trimming_leaves_what_is_kept,
            a_step_of_trimming_says_what_it_did,
            a_cursor_before_the_beginning_is_told,
            trimmed_records_are_kept_in_the_summary,
            a_tail_never_skips_what_was_trimmed,
            a_key_is_known_as_long_as_its_record
        ]);
        $crate::conformance_tests!(@tests $subject, beside: [
            metadata_keeps_values_by_key,
            a_swap_compares_first,
            a_race_of_swaps_has_one_winner,
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
