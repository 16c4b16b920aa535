//! Exit codes that say more than "failed".

/// An error that ends the process with a code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ExitWith {
    pub code: u8,
    pub message: String,
}

/// The command line asks for what can't be done.
pub const USAGE: u8 = 2;
/// The records could not be read.
pub const DUMP: u8 = 3;
/// The archive could not be written, or is damaged.
pub const ARCHIVE: u8 = 4;
/// The copy elsewhere could not be made.
pub const OFFSITE: u8 = 5;
/// All that could be read was saved, and some could not. Not 6: the scripts say that of their arguments.
pub const INCOMPLETE: u8 = 7;

/// Gives an error its exit code.
pub trait OrExit<T> {
    fn or_exit(self, code: u8, what: &str) -> anyhow::Result<T>;
}

impl<T, E: std::fmt::Display> OrExit<T> for Result<T, E> {
    fn or_exit(self, code: u8, what: &str) -> anyhow::Result<T> {
        self.map_err(|error| ExitWith { code, message: format!("{what}: {error:#}") }.into())
    }
}
