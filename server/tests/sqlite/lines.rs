//! The lines that the engine logs in all tests of this process, to be searched by their file.

use std::{
    fmt::Write as _,
    path::Path,
    sync::{Mutex, Once},
};

use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Collect;

/// Writes the fields of an event one after the other.
struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }

    fn record_error(&mut self, field: &tracing::field::Field, value: &(dyn std::error::Error + 'static)) {
        let _ = write!(self.0, " {field}={value}");
    }
}

impl<S: tracing::Subscriber> Layer<S> for Collect {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut fields = Fields(event.metadata().level().to_string());
        event.record(&mut fields);
        LINES.lock().unwrap().push(fields.0);
    }
}

/// Begins to collect the lines.
pub(crate) fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing_subscriber::registry().with(Collect).init());
}

/// The lines about this file so far.
pub(crate) fn about(path: &Path) -> Vec<String> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let path = path.to_str().unwrap();
    LINES.lock().unwrap().iter().filter(|line| line.contains(path)).cloned().collect()
}
