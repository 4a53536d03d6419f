//! The few parts of Bitcoin that mining touches.
