//! CPU time and memory of processes, from `/proc`.

use crate::error::BenchError;
use std::fs;

/// Nanoseconds on CPU of all threads of these processes so far.
///
/// # Errors
/// When a process is gone.
pub(crate) fn cpu_seconds(pids: &[u32]) -> Result<f64, BenchError> {
    let mut ticks = 0_u64;
    for pid in pids {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // Fields after the command's closing bracket: state is the first, utime and stime the 12th and 13th.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        ticks += fields.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(u32::try_from(ticks).map_or(f64::MAX, f64::from) / 100.0)
}

/// Resident megabytes (2^20 bytes) of one process.
///
/// # Errors
/// When the process is gone.
pub(crate) fn rss_mb(pid: u32) -> Result<f64, BenchError> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u32>().ok());
    kib.map(|kib| f64::from(kib) / 1024.0).ok_or(BenchError::NoSample("resident memory"))
}

/// The children of a process, itself included.
///
/// # Errors
/// When the process is gone.
pub(crate) fn family(pid: u32) -> Result<Vec<u32>, BenchError> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(std::iter::once(pid).chain(children.split_whitespace().filter_map(|p| p.parse().ok())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_time_and_memory() {
        let me = std::process::id();
        assert!(cpu_seconds(&[me]).unwrap() >= 0.0);
        assert!(rss_mb(me).unwrap() > 0.1);
        assert_eq!(family(me).unwrap().first(), Some(&me));
        assert!(rss_mb(u32::MAX).is_err());
    }
}
