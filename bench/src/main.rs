//! Measures Tenko against marks, in one run, and prints one table per question, in Markdown. Medians; the machine may be
//! noisy, so compare within one run.

mod appends;
mod commands;
mod decide;
mod founding;
mod lambda;
mod roll_call;
mod serve;
mod table;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    if let Ok(role) = std::env::var(roll_call::ROLE) {
        return roll_call::in_child(&role);
    }
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("run") {
        commands::measure()?;
    }
    if wanted("decide") {
        decide::measure();
    }
    if wanted("roll-call") {
        roll_call::measure()?;
    }
    if wanted("founding") {
        founding::measure()?;
    }
    if wanted("appends") {
        appends::measure()?;
    }
    if wanted("lambda") {
        lambda::measure()?;
    }
    if wanted("pings") {
        serve::measure_pings()?;
    }
    if wanted("deadlines") {
        serve::measure_deadlines()?;
    }
    if wanted("million") {
        serve::measure_million()?;
    }
    Ok(())
}

/// What a one-shot has: one thread that waits, and others that read files.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
