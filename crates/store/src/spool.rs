//! TEMP until the branch lands.
use std::path::Path; use tenko_core::Evidence;
#[derive(Debug)] pub struct Spool;
impl Spool {
 pub fn for_store(_d: &Path, _u: &str) -> std::io::Result<Self> { Ok(Self) }
 pub fn existing(_d: &Path, _u: &str) -> std::io::Result<Option<Self>> { Ok(None) }
 pub fn put(&self, _e: &Evidence) -> std::io::Result<()> { Ok(()) }
 pub fn pending(&self) -> std::io::Result<Vec<Evidence>> { Ok(vec![]) }
 pub fn drain(&self, _n: usize, _f: impl FnMut(&Evidence)->bool) -> std::io::Result<()> { Ok(()) }
}
