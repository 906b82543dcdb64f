//! What the operating system knows of the process.

use std::fmt::Error;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::unistd::{SysconfVar, sysconf};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::NoLabelSet;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};

use super::families::Families;

#[derive(Debug)]
struct Process;

/// What the operating system knows of the process, under the names that all programs use.
pub(super) fn registry() -> Registry {
    let mut registry = Registry::with_prefix("process");
    registry.register_collector(Box::new(Process));
    registry
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let help = "Processor time that was used";
            let used = seconds(usage.user_time()) + seconds(usage.system_time());
            let mut counter =
                encoder.encode_descriptor("cpu", help, Some(&Unit::Seconds), MetricType::Counter)?;
            counter.encode_counter(&used, None::<&Exemplar<NoLabelSet, f64>>)?;
        }
        let mut families = Families(encoder);
        if let Some(bytes) = resident() {
            families.gauge("resident_memory", "Memory that is in use", Some(&Unit::Bytes), bytes)?;
        }
        let began = began().as_secs_f64();
        families.gauge("start_time", "When the process began, since 1970", Some(&Unit::Seconds), began)
    }
}

fn seconds(time: TimeVal) -> f64 {
    let micros = Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0));
    micros.as_secs_f64()
}

/// Resident memory in bytes, where the system tells it.
fn resident() -> Option<f64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u32 = pages.split(' ').nth(1)?.parse().ok()?;
    let page = i32::try_from(sysconf(SysconfVar::PAGE_SIZE).ok()??).ok()?;
    Some(f64::from(pages) * f64::from(page))
}

/// When it was asked first, which is near enough.
fn began() -> Duration {
    static BEGAN: OnceLock<Duration> = OnceLock::new();
    *BEGAN.get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
