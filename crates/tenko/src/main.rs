//! The `tenko` binary.
fn main() {}
