//! HTTP/2 streams whose client keeps the window shut. hyper waits for such a window for ever and does not poll the body
//! meanwhile, so the future that hyper makes of each request is wrapped in one that can be dropped, which resets that
//! stream alone.

use std::sync::Arc;

use futures_util::future::{AbortHandle, Abortable};
use hyper::rt::Executor;
use tokio::task_local;

use crate::core::Link;

task_local! {
    /// Drops the future that is running.
    static CUT: AbortHandle;
}

/// Runs the futures that hyper makes of a connection, so that they can be dropped.
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

/// Gives a stream the handle by which it is dropped.
pub(super) fn lend(link: &Arc<Link>) {
    let _ = CUT.try_with(|cut| link.set_cut(cut.clone()));
}
