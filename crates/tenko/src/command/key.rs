//! `tenko key`: the keys that may stand in ping URLs.

use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tenko_store::SharedStore;
use tenko_store::live::{Key as Kept, Live};
use uuid::Uuid;

use super::Setup;
use crate::cli::Common;
use crate::error::CommandError;
use crate::{config, printer, words};

/// What such a key is for.
const PING: &str = "ping";
/// As many characters as the keys of Healthchecks have, of which some clients make sure.
const LENGTH: usize = 22;
const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// The longest name of a key, in characters.
const LONGEST_NAME: usize = 100;

/// Make, list and revoke the keys of ping URLs.
///
/// Whoever has one can ping any job by its name: URL/ping/KEY/JOB. Servers take note of a change within 15 seconds.
#[derive(Debug, Args)]
pub struct Key {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key, and print it; it is kept as a digest only and can't be shown again
    Add {
        /// How it is to be called
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// List the keys
    List {
        /// Print JSON
        #[arg(long, env = "TENKO_JSON", value_parser = BoolishValueParser::new())]
        json: bool,
    },
    /// Revoke a key: nobody can ping with it any more
    Revoke {
        /// How it is called
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Serialize)]
struct Listed {
    name: String,
    /// When it was made; nothing for those of the configuration.
    made_at: Option<Timestamp>,
}

impl Key {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        let store = setup.open_store().await?;
        let live = live(&store)?;
        match self.action {
            Action::Add { name } => add(&setup, live, name).await?,
            Action::List { json } => list(&setup, live, json).await?,
            Action::Revoke { name } => revoke(&setup, live, &name).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The store, for what only servers need.
pub(super) fn live(store: &SharedStore) -> Result<&dyn Live, CommandError> {
    store.live().ok_or_else(|| {
        CommandError::usage(format!("{} can't be kept by a server", store.url()))
            .hint("name a store of servers with --store: sqlite:///PATH or postgres://...")
    })
}

async fn add(setup: &Setup, live: &dyn Live, name: String) -> Result<(), CommandError> {
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(CommandError::usage("the name of a key has 1 to 100 characters"));
    }
    let taken = setup.config.server.ping_keys.contains_key(&name)
        || live.keys().await?.iter().any(|key| key.purpose == PING && key.name == name);
    if taken {
        let error = CommandError::usage(format!("there is a key {name:?} already"));
        return Err(error.hint("choose another name, or revoke it first"));
    }
    let key = random();
    let hash = Sha256::digest(key.as_bytes()).into();
    live.keep_key(&Kept { purpose: PING.into(), name, hash, made_at: Timestamp::now() }).await?;
    printer::print(&format!("{key}\n"))?;
    let base = setup.config.server.base_url();
    printer::remark(&format!("ping a job with {base}ping/{key}/JOB; the key is not shown again"));
    Ok(())
}

/// A new key. 120 random bits make 22 letters, each of which is one of 36.
fn random() -> String {
    let mut key = String::with_capacity(LENGTH);
    while key.len() < LENGTH {
        // Of the 16 bytes two are not all random. Those above are left out, so that all letters are equally likely.
        let bytes = Uuid::new_v4().into_bytes();
        let fair = bytes.iter().enumerate().filter(|(at, byte)| !matches!(at, 6 | 8) && **byte < 252);
        key.extend(fair.map(|(_, byte)| char::from(LETTERS[usize::from(byte % 36)])));
    }
    key.truncate(LENGTH);
    key
}

async fn list(setup: &Setup, live: &dyn Live, json: bool) -> Result<(), CommandError> {
    let configured = setup.config.server.ping_keys.keys().cloned();
    let mut keys: Vec<Listed> = configured.map(|name| Listed { name, made_at: None }).collect();
    let kept = live.keys().await?.into_iter().filter(|key| key.purpose == PING);
    keys.extend(kept.map(|key| Listed { name: key.name, made_at: Some(key.made_at) }));
    if json {
        return printer::print_json(&keys);
    }
    if keys.is_empty() {
        return printer::print("no key may stand in ping URLs; tenko key add NAME makes one\n");
    }
    let zone = &setup.config.time_zone;
    let row = |key: &Listed| {
        let made = key.made_at.map_or_else(|| "in the configuration".into(), |at| words::moment(at, zone));
        vec![printer::one_line(&key.name), made]
    };
    printer::print(&printer::table(&["KEY", "MADE"], &keys.iter().map(row).collect::<Vec<_>>()))
}

async fn revoke(setup: &Setup, live: &dyn Live, name: &str) -> Result<(), CommandError> {
    if live.forget_key(PING, name).await? {
        return printer::print(&format!("{} is revoked\n", printer::one_line(name)));
    }
    if setup.config.server.ping_keys.contains_key(name) {
        let error = CommandError::usage(format!("the key {name:?} is in the configuration"));
        return Err(error.hint("remove it from [server.ping_keys], and send HUP to the servers"));
    }
    let error = CommandError::usage(format!("there is no key {name:?}"));
    let keys = live.keys().await?;
    let near = config::nearest(name, keys.iter().map(|key| key.name.as_str()));
    Err(error
        .hint(near.map_or("tenko key list lists all keys".into(), |near| format!("did you mean {near}?"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_22_letters_and_are_never_the_same() {
        let keys: std::collections::BTreeSet<String> = (0..1000).map(|_| random()).collect();
        assert_eq!(keys.len(), 1000);
        let all: String = keys.into_iter().collect();
        assert_eq!(all.len(), 22_000);
        assert!(LETTERS.iter().all(|letter| all.contains(char::from(*letter))));
        assert!(all.bytes().all(|byte| LETTERS.contains(&byte)));
    }
}
