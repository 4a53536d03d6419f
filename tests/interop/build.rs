//! Compiles the C++ peer of `src/cpp`, with the headers that users of the library include.

fn main() {
    cxx_build::bridge("src/cpp/bridge.rs")
        .file("src/cpp/peer.cpp")
        .include("../../include")
        .std("c++20")
        .compile("sv2-interop-peer");
    for watched in ["src/cpp/bridge.rs", "src/cpp/peer.cpp", "src/cpp/peer.hpp", "../../include"] {
        println!("cargo:rerun-if-changed={watched}");
    }
}
