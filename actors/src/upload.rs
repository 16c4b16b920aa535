//! Upload sessions: from the first byte to the committed asset.

mod handle;
mod host;
mod session;
pub mod state;

pub use handle::{Stored, Ticket, Uploads};
pub(crate) use host::Sessions;
pub use state::Rules;

use crate::ActorError;

impl From<state::Rejected> for ActorError {
    fn from(rejected: state::Rejected) -> Self {
        ActorError::Refused(rejected.0.into())
    }
}
