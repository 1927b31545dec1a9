//! Publishing that a table changed.

use serde::Serialize;
use shared::{Error, to_the_end};
use tidings::{Event, Hub, Typed};
use ts_rs::TS;

/// The kinds of rows, each of which has a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Resource {
    Course,
    Booking,
}

/// A table changed; fetch it again.
#[derive(Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum TableEvent {
    Updated,
}

impl Typed for TableEvent {
    const CHANNEL: &'static str = "table:{resource}";
}

/// Runs a mutation to its end, and publishes that the resource changed only if it succeeded.
pub(crate) async fn with_notification<T: Send + 'static>(
    hub: &Hub,
    resource: Resource,
    mutation: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let name = match resource {
        Resource::Course => "course",
        Resource::Booking => "booking",
    };
    let (hub, event) = (hub.clone(), Event::typed(&TableEvent::Updated, &[name])?);
    to_the_end(async move {
        let published = hub.on_success(event, mutation).await?;
        published.receipt?;
        Ok(published.value)
    })
    .await
}
