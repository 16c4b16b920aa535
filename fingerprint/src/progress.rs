//! Progress out, cancellation in.

use std::ops::ControlFlow;

use metastamp_protocol::fingerprint::VideoHashes;

use crate::FingerprintError;

/// Receives progress and may stop the work. Closures implement it. `Send`, because PDF parsing has a
/// thread of its own.
pub trait Progress: Send {
    /// Called between stages and pages, and about once per MiB of text. `percent` is 0 to 100 and
    /// never falls. [`ControlFlow::Break`] ends the work with
    /// [`FingerprintError::Cancelled`].
    fn report(&mut self, percent: u8) -> ControlFlow<()>;

    /// A first answer of a long work: what its keyframes gave, well before the rest.
    fn first(&mut self, _hashes: &VideoHashes) {}
}

impl<F: FnMut(u8) -> ControlFlow<()> + Send> Progress for F {
    fn report(&mut self, percent: u8) -> ControlFlow<()> {
        self(percent)
    }
}

/// Nobody is watching.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn report(&mut self, _percent: u8) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Reports `percent`; an error when asked to stop.
pub(crate) fn step(progress: &mut dyn Progress, percent: u8) -> Result<(), FingerprintError> {
    match progress.report(percent.min(100)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(FingerprintError::Cancelled),
    }
}
