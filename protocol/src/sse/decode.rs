//! Reading an event stream.
