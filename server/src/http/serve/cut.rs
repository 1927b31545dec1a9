//! Streams of HTTP/2 that their peer lets nothing be written to. hyper waits for ever for a window that stays shut, and does not ask the
//! body meanwhile; so what hyper makes of each request runs in a future that can be dropped, which resets that stream alone.

use std::sync::Arc;

use futures_util::future::{AbortHandle, Abortable};
use hyper::rt::Executor;
use tokio::task_local;

use crate::core::Link;

task_local! {
    /// Drops the future that runs now.
    static CUT: AbortHandle;
}

/// Runs what hyper makes of a connection, so that it can be dropped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cutting;

impl<F> Executor<F> for Cutting
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        let (handle, registration) = AbortHandle::new_pair();
        tokio::spawn(CUT.scope(handle, Abortable::new(future, registration)));
    }
}

/// Gives a stream the means to be dropped.
pub(super) fn lend(link: &Arc<Link>) {
    let _ = CUT.try_with(|cut| link.set_cut(cut.clone()));
}
