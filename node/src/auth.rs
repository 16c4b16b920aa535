//! Who is calling: passwords, tokens, sessions.

pub mod passwords;
pub mod tokens;
