//! The clients that people have, unchanged, through the default configuration: the built program, its own origin.
//! One file for each kind of client; what a client has to say for itself is a script beside it, in its own language.
//! Each asserts what came, to the byte or the request, and at the end that the proxy's numbers agree with the origin's.

mod browser;
mod curl;
mod driver;
mod front;
mod load;
mod node;
mod python;
mod raw;
mod websocket;
