//! Noise NX over secp256k1 with EllSwift (spec 4).
