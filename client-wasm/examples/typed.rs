//! A front end in Rust: the user's timers as they start and stop on any of the user's devices.
//!
//! It needs no framework; in Leptos, Yew or Dioxus the handlers set a signal instead, and the component keeps the
//! `Subscription`. Build it with
//! `cargo build -p tidings-client --example typed --no-default-features --features typed --target wasm32-unknown-unknown`.

#[cfg(target_arch = "wasm32")]
fn main() {
    use serde::Deserialize;
    use tidings_client::{Client, Event};

    #[derive(Deserialize)]
    struct Timer {
        title: String,
        device: String,
    }

    fn show(text: &str) {
        web_sys::console::log_1(&text.into());
    }

    let client = Client::builder("/api/events")
        .on_state(|status| show(status.state.as_str()))
        .on_gap(|_| show("something may be missing: refetch"))
        .on_error(|failure| show(&failure.code))
        .build();

    // Addressed to the user by the server, so no subscription is needed.
    let timers = client.on_as("timer", |event: Event<Timer>| {
        let Timer { title, device } = &event.payload;
        show(&format!("{title} {} on {device}", event.event_type));
    });
    // Published to a channel.
    let news = client.subscribe_as("news:*", |event: Event<String>| show(&event.payload));

    for subscription in [timers, news] {
        subscription.expect("both are channels").forget();
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("This is a front end: build it for wasm32-unknown-unknown.");
}
