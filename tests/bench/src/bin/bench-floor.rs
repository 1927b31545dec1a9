//! The floor: one write(2) for each event and stream, and nothing else. Its cost is the kernel's price for sending each
//! event by itself. It keeps no state, checks nothing, and waits for a client that does not read.
#![allow(clippy::print_stdout, reason = "the parent process reads the address")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context, Result, ensure};

type Streams = Arc<Mutex<Vec<TcpStream>>>;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
const ACKNOWLEDGED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on http://{}", listener.local_addr()?);
    let streams = Streams::default();
    loop {
        let (mut socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        let mut request = Vec::new();
        let body = read_head(&mut socket, &mut request)?;
        if request.starts_with(b"GET") {
            socket.write_all(HEAD.as_bytes())?;
            streams.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
        } else {
            let streams = streams.clone();
            thread::spawn(move || publisher(socket, request, body, &streams));
        }
    }
}

/// Reads to the end of a request head. Returns the position of that end.
fn read_head(socket: &mut TcpStream, request: &mut Vec<u8>) -> Result<usize> {
    loop {
        if let Some(end) = memchr::memmem::find(request, b"\r\n\r\n") {
            return Ok(end + 4);
        }
        read_more(socket, request)?;
    }
}

fn read_more(socket: &mut TcpStream, request: &mut Vec<u8>) -> Result<()> {
    let mut buffer = [0; 4_096];
    let length = socket.read(&mut buffer)?;
    ensure!(length > 0, "the client has gone");
    request.extend_from_slice(&buffer[..length]);
    Ok(())
}

fn publisher(mut socket: TcpStream, mut request: Vec<u8>, mut body: usize, streams: &Streams) -> Result<()> {
    loop {
        let head = std::str::from_utf8(&request[..body])?.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).context("content-length")?;
        let end = body + length.trim().parse::<usize>()?;
        while request.len() < end {
            read_more(&mut socket, &mut request)?;
        }
        let mut frame = b"data: ".to_vec();
        frame.extend_from_slice(&request[body..end]);
        frame.extend_from_slice(b"\n\n");
        streams.lock().unwrap_or_else(PoisonError::into_inner).retain_mut(|stream| stream.write_all(&frame).is_ok());
        socket.write_all(ACKNOWLEDGED.as_bytes())?;
        request.clear();
        body = read_head(&mut socket, &mut request)?;
    }
}
