//! A server that speaks five realtime protocols for real and misbehaves on command.
