//! An application's metrics recorder that panics. This is a process of its own, because a process has only one
//! recorder.

use std::sync::Arc;

use futures_util::StreamExt;
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tidings::{Event, Hub};

/// A recorder that panics in every call.
struct Faulty;

impl HistogramFn for Faulty {
    fn record(&self, _: f64) {
        panic!("the recorder fails");
    }
}

impl Recorder for Faulty {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        panic!("the recorder fails");
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("the recorder fails");
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Self))
    }
}

#[tokio::test]
async fn a_recorder_that_panics_ends_no_hub() {
    metrics::set_global_recorder(Faulty).unwrap();
    let hub = Hub::builder().build().await.unwrap();
    let mut heard = hub.listen("news").unwrap();
    for number in 0..3 {
        hub.publish(Event::new("news", "t", &number).unwrap()).await.unwrap();
        assert_eq!(heard.next().await.unwrap().unwrap().json::<i32>().unwrap(), number);
        // The figures are exported once a second.
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    }
    assert!(hub.is_healthy());
}
