//! What Tenko asks of AWS beside its buckets.

pub mod secrets;

/// Which part of AWS a region belongs to, as the names of resources say it.
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
