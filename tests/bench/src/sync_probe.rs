//! What one flush of this disk costs: the honest price of a durable record.

use crate::{error::BenchError, stats::Samples};
use std::{
    io::Write as _,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

/// Bytes of one write, about a group of two records.
const RECORD: usize = 4096;

/// Times `count` rounds of write + `fdatasync` on a preallocated file in `directory`, with a pause before each:
/// none for a disk that is kept awake, that of the load for one that is used as the load uses it.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn fdatasync(directory: &Path, count: usize, pause: Duration) -> Result<Samples, BenchError> {
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    let zeroes = vec![0_u8; RECORD * count];
    file.write_all(&zeroes)?;
    file.as_file().sync_all()?;
    let mut file = file.reopen()?;
    let record = vec![7_u8; RECORD];
    let mut samples = Samples::default();
    for _ in 0..count {
        sleep(pause);
        let start = Instant::now();
        file.write_all(&record)?;
        file.sync_data()?;
        samples.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(samples)
}
