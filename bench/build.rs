//! Builds the shared library as its users get it, and the C program that links it.
//!
//! The library is not a Rust dependency of this program: link-time optimisation would then merge both, which flatters us
//! against a caller in C.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = root.parent().expect("bench/ stands in the library's checkout");
    for input in ["Cargo.toml", "Cargo.lock", "core", "sv2-ffi", "include/sv2.h"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    let library = build_library(root, &out.join("libsv2"));
    println!("cargo::rustc-link-arg-bins={}", library.display());
    println!("cargo::rustc-link-arg-bins=-Wl,-rpath,{}", library.parent().expect("a file").display());

    for source in ["c/ours.h", "c/ours.c", "c/pool.c", "c/provider.c", "c/shares.c", "c/heap.c"] {
        println!("cargo::rerun-if-changed={source}");
    }
    cc::Build::new()
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .include(root.join("include"))
        .files(["c/ours.c", "c/pool.c", "c/provider.c", "c/shares.c", "c/heap.c"])
        .compile("ours");
}

/// The path of libsv2.so.
fn build_library(root: &Path, target: &Path) -> PathBuf {
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo sets it"));
    cargo
        .args(["build", "--release", "--locked", "--package", "sv2-ffi", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target);
    // What was meant for this program must not change how the library is built.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PROFILE_")
            || name.starts_with("CARGO_ENCODED_")
            || name.starts_with("CARGO_FEATURE_")
        {
            cargo.env_remove(name.as_ref());
        }
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "libsv2 does not build");
    with_soname(&target.join("release/libsv2.so"), target)
}

/// A copy of the library under its SONAME, by which the dynamic linker will look for it.
fn with_soname(library: &Path, target: &Path) -> PathBuf {
    let dump = Command::new("readelf").arg("-d").arg(library).output().expect("readelf (binutils) runs");
    let dump = String::from_utf8_lossy(&dump.stdout);
    let soname = dump.lines().find(|line| line.contains("(SONAME)")).and_then(|line| line.split(['[', ']']).nth(1));
    let named = target.join(soname.unwrap_or("libsv2.so"));
    std::fs::copy(library, &named).expect("the library can be copied");
    named
}
