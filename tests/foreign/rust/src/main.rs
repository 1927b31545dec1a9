//! Connects one client from crates.io to a stream: `foreign NAME URL` prints each message that the client reports, as
//! JSON on a line.

use eventsource_client::{Client, ClientBuilder, SSE};
use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use reqwest_eventsource::{Event, EventSource};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn say(event: &str, id: &str, data: &str) {
    println!("{}", serde_json::json!({"event": event, "id": id, "data": data}));
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [name, url] = &arguments[..] else { return Err("foreign NAME URL".into()) };
    match &**name {
        "eventsource-client" => {
            let client = ClientBuilder::for_url(url)?.build_http();
            let mut stream = client.stream();
            while let Some(event) = stream.next().await {
                match event? {
                    SSE::Event(event) => say(&event.event_type, event.id.as_deref().unwrap_or_default(), &event.data),
                    SSE::Comment(_) | SSE::Connected(_) => {}
                }
            }
        }
        "eventsource-stream" => {
            let mut stream = reqwest::get(url).await?.bytes_stream().eventsource();
            while let Some(event) = stream.next().await {
                let event = event?;
                say(&event.event, &event.id, &event.data);
            }
        }
        "reqwest-eventsource" => {
            let mut stream = EventSource::get(url);
            while let Some(event) = stream.next().await {
                if let Event::Message(event) = event? {
                    say(&event.event, &event.id, &event.data);
                }
            }
        }
        _ => return Err(format!("there is no client {name}").into()),
    }
    Ok(())
}
