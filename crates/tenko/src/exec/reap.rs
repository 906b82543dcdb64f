//! What init owes to orphans, and what else waitid(2) tells.

use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// Says whether orphans become our children.
pub(super) fn is_init() -> bool {
    std::process::id() == 1
}

/// As PID 1, reaps every ended process except `command`, whose status its owner wants to see.
#[cfg(target_os = "linux")]
pub(super) fn orphans(command: Pid) {
    use nix::errno::Errno;
    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(Id::All, peek).map(|status| status.pid()) {
            Ok(Some(ended)) if ended != command => reap(ended),
            // Killed by a real-time signal, for which nix has no name, so that it does not say who.
            Err(Errno::EINVAL) => return listed_zombies().filter(|zombie| *zombie != command).for_each(reap),
            _ => return,
        }
    }
}

/// Nobody asks for the status of an orphan.
#[cfg(target_os = "linux")]
fn reap(orphan: Pid) {
    let _ = nix::sys::wait::waitpid(orphan, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
}

/// Our ended children by the word of proc_pid_stat(5).
#[cfg(target_os = "linux")]
fn listed_zombies() -> impl Iterator<Item = Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_our_zombie(*pid)).map(Pid::from_raw)
}

#[cfg(target_os = "linux")]
fn is_our_zombie(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in brackets may contain anything, brackets too.
    let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    fields.next() == Some("Z") && fields.next() == Some(&std::process::id().to_string())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn orphans(_: Pid) {}

/// Returns the signal that stopped the process since the last call.
#[cfg(target_os = "linux")]
pub(super) fn stopped_by(pid: Pid) -> Option<Signal> {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

    match waitid(Id::Pid(pid), WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG) {
        Ok(WaitStatus::Stopped(_, signal)) => Some(signal),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn stopped_by(_: Pid) -> Option<Signal> {
    None
}
