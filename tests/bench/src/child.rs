//! Parts that run as processes of their own, and how they say that they are ready.

use crate::error::BenchError;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A part under measurement; ended when dropped.
pub(crate) struct Part {
    child: Child,
    /// The port that it printed.
    pub(crate) port: u16,
}

impl Part {
    /// Starts this very binary in another role and waits for its port.
    ///
    /// # Errors
    /// When it cannot be started or ends before it prints a port.
    pub(crate) fn start_self(arguments: &[&str]) -> Result<Self, BenchError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments);
        let (child, line) = Self::first_line(command, arguments.first().copied().unwrap_or("part"))?;
        let port = line.trim().parse().map_err(|_| BenchError::NotReady {
            part: arguments.join(" "),
            why: format!("it printed {line:?} instead of a port"),
        })?;
        Ok(Self { child, port })
    }

    /// Starts a command and reads the first line of its standard output.
    ///
    /// # Errors
    /// When it cannot be started or ends without a line.
    pub(crate) fn first_line(mut command: Command, name: &str) -> Result<(Child, String), BenchError> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            let mut out = BufReader::new(out);
            out.read_line(&mut line)?;
            // The pipe stays open for the life of the part, or a later print would kill it.
            std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        }
        if line.is_empty() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(BenchError::NotReady { part: name.to_owned(), why: "it ended without a word".to_owned() });
        }
        Ok((child, line))
    }

    /// Wraps a running child that answers on `port`.
    pub(crate) const fn adopt(child: Child, port: u16) -> Self {
        Self { child, port }
    }

    /// Whether it has ended on its own.
    ///
    /// # Errors
    /// When the system does not know.
    pub(crate) fn ended(&mut self) -> Result<bool, BenchError> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Part {
    /// Asks it to end, so that it ends its own children; kills it after five seconds.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Says on standard output which port this process serves.
///
/// # Errors
/// When standard output is closed.
pub(crate) fn announce(port: u16) -> Result<(), BenchError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{port}")?;
    out.flush()?;
    Ok(())
}

/// The program at `path`.
///
/// # Errors
/// [`BenchError::Missing`] when there is none.
pub(crate) fn program(path: &Path) -> Result<Command, BenchError> {
    if !path.is_file() {
        return Err(BenchError::Missing(path.to_owned()));
    }
    Ok(Command::new(path.canonicalize()?))
}
