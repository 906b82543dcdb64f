//! A configuration with everything explained.

/// A commented `tenko.toml`. It can be read as it is, once the environment variables that it names are set.
pub fn example() -> String {
    include_str!("example.toml").to_owned()
}
