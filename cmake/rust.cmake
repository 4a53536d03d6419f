# Finds cargo and rustc, and asks rustc what it alone knows: the platform, and what a Rust static library needs of it.

find_program(SV2_CARGO cargo HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin" DOC "Rust's package manager")
find_program(SV2_RUSTC rustc HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin" DOC "The Rust compiler")
if(NOT SV2_CARGO OR NOT SV2_RUSTC)
    message(FATAL_ERROR "libsv2 is built with Rust: install it from https://rustup.rs, or use an installed libsv2 "
        "with find_package(sv2), which needs none.")
endif()

# sv2_rust_host(<variable>): the platform that rustc runs on, such as x86_64-unknown-linux-gnu.
function(sv2_rust_host variable)
    execute_process(COMMAND ${SV2_RUSTC} -vV WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
        OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
    if(NOT output MATCHES "\nhost: ([^\n]+)\n")
        message(FATAL_ERROR "rustc -vV names no host:\n${output}")
    endif()
    set(${variable} ${CMAKE_MATCH_1} PARENT_SCOPE)
endfunction()

# sv2_native_libraries(<variable> <target>): the system libraries that the Rust standard library needs on a platform.
#
# Left out are those that the C compiler links of its own accord. Of these -lgcc_s must not be named: a program that is linked
# with -static has the unwinder from libgcc_eh instead.
function(sv2_native_libraries variable target)
    set(probe ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/sv2-native-libraries)
    file(WRITE ${probe}.rs "")
    execute_process(
        COMMAND ${SV2_RUSTC} --target ${target} --crate-type staticlib --print native-static-libs -o ${probe}.a ${probe}.rs
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} ERROR_VARIABLE output RESULT_VARIABLE failed)
    if(failed OR NOT output MATCHES "native-static-libs: ([^\n]*)")
        message(FATAL_ERROR "rustc cannot build for ${target} (is it there? rustup target add ${target}):\n${output}")
    endif()
    separate_arguments(libraries UNIX_COMMAND "${CMAKE_MATCH_1}")
    list(REMOVE_ITEM libraries -lgcc_s -lc)
    list(REMOVE_DUPLICATES libraries)
    set(${variable} ${libraries} PARENT_SCOPE)
endfunction()

if(SV2_RUST_TARGET)
    set(sv2_rust_target ${SV2_RUST_TARGET})
elseif(CMAKE_CROSSCOMPILING)
    message(FATAL_ERROR "Set SV2_RUST_TARGET to Rust's name of the platform, for instance aarch64-unknown-linux-gnu.")
else()
    sv2_rust_host(sv2_rust_target)
endif()
sv2_native_libraries(sv2_native_libraries ${sv2_rust_target})
