# One object file out of cargo's static library, and from it the two libraries.
#
# cargo's archive shows every symbol of the Rust standard library and of the C code inside, and its shared library some of
# them; next to another Rust library or another libsecp256k1 they would collide. cmake/object.cmake makes one relocatable object of
# what the exported functions need, in which only sv2_* is global. The rest is what CMake does with any object file.

if(APPLE OR WIN32)
    message(FATAL_ERROR "libsv2 builds on ELF platforms only so far: its symbols are hidden with the GNU linker and objcopy.")
endif()

# GNU ld, whatever linker the program is linked with: lld cannot dissolve section groups in a relocatable link.
find_program(SV2_LD NAMES ${CMAKE_LIBRARY_ARCHITECTURE}-ld.bfd ld.bfd ${CMAKE_LINKER} DOC "GNU ld")

get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
set(sv2_object ${PROJECT_BINARY_DIR}/object/sv2.o)
if(multi_config)
    set(sv2_object ${PROJECT_BINARY_DIR}/object/$<CONFIG>/sv2.o)
endif()
set(archive ${SV2_CARGO_TARGET_DIR}/${sv2_rust_target}/$<IF:$<CONFIG:Debug>,debug,release>/libsv2.a)

# The C code in the crates is compiled by the compiler that CMake uses; cargo spells the variables with underscores.
string(REPLACE - _ target ${sv2_rust_target})
set(cargo_environment --unset=MAKEFLAGS CC_${target}=${CMAKE_C_COMPILER} AR_${target}=${CMAKE_AR})

# capnpc, a build dependency of the schemas, runs it.
if(SV2_NODE_IPC)
    find_program(SV2_CAPNP capnp DOC "The Cap'n Proto compiler")
    if(NOT SV2_CAPNP)
        message(FATAL_ERROR "SV2_NODE_IPC takes the Cap'n Proto compiler: install capnp (Debian and Ubuntu: capnproto).")
    endif()
endif()

# cargo knows what is out of date, so it is always asked. --crate-type leaves out the crate's other forms: together with the rlib
# cargo would do no link-time optimisation.
add_custom_target(sv2_cargo
    COMMAND ${CMAKE_COMMAND} -E env ${cargo_environment} ${SV2_CARGO} rustc --locked $<$<BOOL:${SV2_CARGO_OFFLINE}>:--offline>
        $<$<BOOL:${SV2_NODE_IPC}>:--features=node-ipc>
        --package sv2-ffi --lib --crate-type staticlib --profile $<IF:$<CONFIG:Debug>,dev,release>
        --target ${sv2_rust_target} --target-dir ${SV2_CARGO_TARGET_DIR}
    COMMAND ${CMAKE_COMMAND} -DARCHIVE=${archive} -DOBJECT=${sv2_object} "-DEXPORTS=^sv2_"
        -DLD=${SV2_LD} -DNM=${CMAKE_NM} -DOBJCOPY=${CMAKE_OBJCOPY} -P ${PROJECT_SOURCE_DIR}/cmake/object.cmake
    BYPRODUCTS ${sv2_object}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    COMMENT "Building libsv2 with cargo"
    COMMAND_EXPAND_LISTS USES_TERMINAL VERBATIM)

add_library(sv2_static STATIC ${sv2_object})
target_link_libraries(sv2_static INTERFACE ${sv2_native_libraries})

add_library(sv2_shared SHARED ${sv2_object})
target_link_libraries(sv2_shared PRIVATE ${sv2_native_libraries})
target_link_options(sv2_shared PRIVATE LINKER:-z,defs LINKER:-z,now)
set_target_properties(sv2_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${sv2_soversion})

set_source_files_properties(${sv2_object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
foreach(kind IN ITEMS static shared)
    add_dependencies(sv2_${kind} sv2_cargo)
    set_target_properties(sv2_${kind} PROPERTIES OUTPUT_NAME sv2 EXPORT_NAME ${kind} LINKER_LANGUAGE C)
    target_include_directories(sv2_${kind} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
    if(SV2_NODE_IPC)
        target_compile_definitions(sv2_${kind} INTERFACE SV2_WITH_NODE_IPC)
    endif()
    add_library(sv2::${kind} ALIAS sv2_${kind})
endforeach()
if(BUILD_SHARED_LIBS)
    add_library(sv2::sv2 ALIAS sv2_shared)
else()
    add_library(sv2::sv2 ALIAS sv2_static)
endif()
