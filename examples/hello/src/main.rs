use axum::{
    Router,
    extract::State,
    response::Html,
    routing::{get, post},
};
use tidings::{
    Event, Hub, PublishError,
    auth::{Auth, AuthRequest, Identity},
};
use tower_http::services::ServeFile;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:4000").await?;
    println!("open http://127.0.0.1:4000 in two tabs");
    tidings::serve(listener, app(Hub::builder().build().await?)?).await?;
    Ok(())
}

fn app(hub: Hub) -> Result<Router, Box<dyn std::error::Error>> {
    // Who is asking: here everybody is a guest. What guests may subscribe to: the channel `news`.
    let auth = |_: AuthRequest| async { Ok(Identity::anonymous()) };
    Ok(Router::new()
        .route("/", get(Html(include_str!("../index.html"))))
        .route_service("/tidings.js", ServeFile::new("npm/dist/inline.js"))
        .route("/say", post(say))
        .with_state(hub.clone())
        .nest("/api/events", tidings::routes(hub, auth.allow("news")?)))
}

async fn say(State(hub): State<Hub>, text: String) -> Result<(), PublishError> {
    // In an app the change comes first: write to the database, then publish what has changed.
    hub.publish(Event::new("news", "said", &text)?).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
