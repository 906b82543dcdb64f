//! The HTTP side of the server, over real sockets, with somebody scripted who hears the pings.

mod client;
mod pings;
mod world;
