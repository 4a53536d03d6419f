//! A directory for one test.

use std::env;
use std::io;
use std::path::Path;
use std::thread;

use tempfile::TempDir;

/// A temporary directory. It is removed with the test, unless the test fails or `SV2_KEEP` is set: then the logs in it are
/// wanted, and its path is printed.
pub struct TestDirectory(TempDir);

impl TestDirectory {
    /// A new, empty directory.
    pub fn new() -> io::Result<TestDirectory> {
        Ok(TestDirectory(TempDir::with_prefix("sv2-interop-")?))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        if thread::panicking() || env::var_os("SV2_KEEP").is_some() {
            self.0.disable_cleanup(true);
            eprintln!("the logs are in {}", self.0.path().display());
        }
    }
}
