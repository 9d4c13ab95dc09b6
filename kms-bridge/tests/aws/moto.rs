//! moto, a stand-in for AWS: it checks encryption contexts and tampering, but neither signatures nor
//! the states of keys.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub(crate) struct Moto {
    process: Child,
    pub(crate) address: SocketAddr,
    /// The interpreter of its environment, which has botocore.
    pub(crate) python: PathBuf,
}

impl Moto {
    /// A fresh one, or `None` where it is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let server = crate::parts::part("AIOS_TEST_MOTO", "moto_server")?;
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new(&server)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut moto = Self { process, address, python: server.with_file_name("python") };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(moto.process.try_wait().unwrap().is_none(), "moto ended at once");
            assert!(start.elapsed() < Duration::from_secs(60), "moto does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(moto)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
