//! Who is calling: passwords, tokens, sessions.

pub mod passwords;
pub mod picture_links;
pub mod tokens;
