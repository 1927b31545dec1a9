use tidings::Hub;

#[tokio::test]
async fn a_publish_of_one_page_reaches_every_stream() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let app = super::app(Hub::builder().build().await.unwrap()).unwrap();
    tokio::spawn(async move { tidings::serve(listener, app).await });
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = reqwest::get(format!("{base}/api/events?channels=news")).await.unwrap();
        stream.chunk().await.unwrap();
        streams.push(stream);
    }
    let said = reqwest::Client::new().post(format!("{base}/say")).body("hello").send().await.unwrap();
    assert_eq!(said.status(), 200);
    for stream in &mut streams {
        let chunk = stream.chunk().await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&chunk).contains(r#""payload":"hello""#));
    }
    let page = reqwest::get(&base).await.unwrap().text().await.unwrap();
    assert!(page.contains("tidings.subscribe('news'"), "{page}");
}

#[test]
fn the_readme_shows_this_program_and_this_page() {
    let readme = include_str!("../../../README.md");
    let program = include_str!("main.rs").split("\n#[cfg(test)]").next().unwrap();
    assert!(readme.contains(program), "the README's quickstart is src/main.rs");
    assert!(readme.contains(include_str!("../index.html")), "the README's page is index.html");
}
