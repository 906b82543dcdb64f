//! The engine of a server, on SQLite: what it hears, when it decides, whom it tells.

mod beside;
mod delivery;
mod faults;
mod stories;
mod world;
