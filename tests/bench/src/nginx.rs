//! nginx as the pass-through reference: two workers, keep-alive on both sides, no access log, loopback only.

use crate::{child::Part, error::BenchError};
use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Starts nginx in front of `upstream`, with its files in `directory`.
///
/// # Errors
/// [`BenchError::Missing`] without nginx, [`BenchError::NotReady`] when it does not answer within ten seconds.
pub(crate) fn start(upstream: u16, directory: &Path) -> Result<Part, BenchError> {
    let program = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"]
        .into_iter()
        .map(PathBuf::from)
        .find(|p| p.is_file())
        .ok_or_else(|| BenchError::Missing(PathBuf::from("nginx")))?;
    // Bound and released: nginx cannot be told to choose.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let configuration = directory.join("nginx.conf");
    fs::write(&configuration, text(upstream, port, directory))?;
    let child = Command::new(program)
        .arg("-c")
        .arg(configuration.canonicalize()?)
        .arg("-p")
        .arg(directory.canonicalize()?)
        .args(["-e", "stderr"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let part = Part::adopt(child, port);
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_millis(100)).is_err() {
        if Instant::now() > deadline {
            return Err(BenchError::NotReady { part: "nginx".to_owned(), why: "it does not listen".to_owned() });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(part)
}

fn text(upstream: u16, port: u16, directory: &Path) -> String {
    let temp = directory.display();
    format!(
        "daemon off;
master_process on;
worker_processes 2;
pid {temp}/nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  client_body_temp_path {temp}/body;
  proxy_temp_path {temp}/proxy;
  fastcgi_temp_path {temp}/fastcgi;
  uwsgi_temp_path {temp}/uwsgi;
  scgi_temp_path {temp}/scgi;
  upstream model {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering off;
    }}
  }}
}}
"
    )
}
