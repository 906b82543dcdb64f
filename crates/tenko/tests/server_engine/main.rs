//! The engine of a server, on SQLite: what it hears, when it decides, whom it tells.

mod delivery;
mod stories;
mod world;
