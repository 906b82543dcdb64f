//! Names of signals.

/// The name of a signal by its number on Linux for x86 and Arm (signal(7)), with the number: `SIGKILL (9)`.
pub(super) fn name(number: u8) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    match usize::from(number).checked_sub(1).and_then(|index| NAMES.get(index)) {
        Some(name) => format!("SIG{name} ({number})"),
        None => format!("SIG{number}"),
    }
}
