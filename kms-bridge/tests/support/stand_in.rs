//! A stand-in for an HTTP service that a real part calls: it answers what it is told to, and is no
//! more than that.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

/// A call that came in.
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: String,
}

type Answer = Arc<dyn Fn(&Call) -> (u16, String) + Send + Sync>;

/// Answers every call on a loopback port, for as long as the test runs.
pub(crate) fn start(answer: impl Fn(&Call) -> (u16, String) + Send + Sync + 'static) -> SocketAddr {
    start_with(answer, None)
}

fn start_with(answer: impl Fn(&Call) -> (u16, String) + Send + Sync + 'static, location: Option<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer: Answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answer, location) = (Arc::clone(&answer), location.clone());
            thread::spawn(move || serve(stream, &answer, location.as_deref()));
        }
    });
    address
}

fn serve(stream: TcpStream, answer: &Answer, location: Option<&str>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let call = Call { method, path, body: String::from_utf8_lossy(&body).into_owned() };
    let (status, body) = answer(&call);
    let location = location.map(|to| format!("location: {to}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{location}connection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()
}

/// Answers every call with a redirect.
pub(crate) fn redirecting(to: &str) -> SocketAddr {
    let to = to.to_owned();
    start_with(move |_| (307, String::new()), Some(to))
}
