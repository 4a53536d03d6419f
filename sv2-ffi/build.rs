//! Names the shared library that `cargo build` makes, since cargo gives it no SONAME.
//!
//! While the major version is 0 a new minor version may change the ABI, from 1.0 on only a new major version does. CMakeLists.txt
//! has the same rule for the library it links.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let version = |part: &str| std::env::var(format!("CARGO_PKG_VERSION_{part}")).unwrap_or_default();
    let soversion = match version("MAJOR").as_str() {
        "0" => format!("0.{}", version("MINOR")),
        major => major.to_owned(),
    };
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libsv2.so.{soversion}");
    }
}
