//! Addresses to which pings are sent.

use tenko_core::Slug;
use uuid::Uuid;

use crate::http::{KeyHash, Keys};
use crate::server::intake::Addressee;

/// Why an address is none of ours: the answer to `RCPT TO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// It is in another domain: nothing is relayed.
    Domain,
    /// No job could have it.
    Mailbox,
}

impl Rejected {
    pub(super) fn answer(self) -> &'static str {
        match self {
            Self::Domain => "550 5.1.1 Recipient rejected",
            Self::Mailbox => "550 5.1.1 Invalid mailbox",
        }
    }
}

/// An address that could be one of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Recipient {
    Address(Uuid),
    Named { key: String, job: String },
}

impl Recipient {
    pub(super) fn parse(address: &str, domain: &str) -> Result<Self, Rejected> {
        let (mailbox, said) = address.rsplit_once('@').ok_or(Rejected::Domain)?;
        if !said.eq_ignore_ascii_case(domain) {
            return Err(Rejected::Domain);
        }
        // Dashed, in any case.
        if mailbox.len() == 36
            && let Ok(uuid) = mailbox.parse()
        {
            return Ok(Self::Address(uuid));
        }
        let (key, job) = mailbox.split_once('+').ok_or(Rejected::Mailbox)?;
        let in_key = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let in_job = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        let fits = (16..=100).contains(&key.len()) && key.bytes().all(in_key);
        if !fits || job.is_empty() || !job.bytes().all(in_job) {
            return Err(Rejected::Mailbox);
        }
        Ok(Self::Named { key: key.to_owned(), job: job.to_owned() })
    }

    /// Whom a ping is about, and by which key, if it is by one; nobody, if the sender may not ping.
    pub(super) fn addressee(&self, keys: &Keys) -> Option<(Addressee, Option<KeyHash>)> {
        match self {
            Self::Address(uuid) => Some((Addressee::Address(*uuid), None)),
            Self::Named { key, job } => {
                let key = keys.known(key)?;
                Some((Addressee::Job(Slug::new(job).ok()?), Some(key)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "gt0bh4bkrm5fapcm0bqwbx";

    #[test]
    fn addresses_of_jobs_are_known_and_others_are_rejected_as_healthchecks_does() {
        let parse = |mailbox: &str| Recipient::parse(&format!("{mailbox}@Ping.example"), "ping.example");
        let uuid = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278";
        assert_eq!(parse(uuid), Ok(Recipient::Address(uuid.parse().unwrap())));
        assert!(parse(&uuid.to_uppercase()).is_ok());
        assert_eq!(
            parse(&format!("{KEY}+daily-1")),
            Ok(Recipient::Named { key: KEY.into(), job: "daily-1".into() })
        );
        for mailbox in
            ["", "root", &uuid.replace('-', ""), "short+daily", &format!("{KEY}+"), &format!("{KEY}+Daily")]
        {
            assert_eq!(parse(mailbox), Err(Rejected::Mailbox), "{mailbox}");
        }
        for address in [&format!("{uuid}@other.example"), uuid, &format!("{uuid}@ping.example@other.example")]
        {
            assert_eq!(Recipient::parse(address, "ping.example"), Err(Rejected::Domain), "{address}");
        }
    }
}
