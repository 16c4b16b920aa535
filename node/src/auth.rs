//! Who is calling: passwords, tokens, sessions.

pub mod api_keys;
pub mod passwords;
pub mod picture_links;
pub mod tokens;
