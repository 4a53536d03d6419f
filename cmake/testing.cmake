# What the C and C++ tests and examples have in common.

add_library(sv2_warnings INTERFACE)
target_compile_options(sv2_warnings INTERFACE -Wall -Wextra -Wpedantic -Werror)

find_program(SV2_VALGRIND valgrind DOC "Finds memory errors in the tests")
if(CMAKE_C_FLAGS MATCHES "-fsanitize" OR CMAKE_CROSSCOMPILING)
    set(SV2_VALGRIND "")
endif()

# sv2_add_test(<name> <source>...): a test program, run with the static and with the shared library; with the label valgrind,
# if there is one, also under its eyes.
function(sv2_add_test name)
    foreach(kind IN ITEMS static shared)
        add_executable(${name}-${kind} ${ARGN})
        target_link_libraries(${name}-${kind} PRIVATE sv2::${kind} sv2_warnings)
        target_compile_features(${name}-${kind} PRIVATE c_std_11 cxx_std_20)
        add_test(NAME ${name}.${kind} COMMAND ${name}-${kind})
    endforeach()
    if(SV2_VALGRIND)
        add_test(NAME ${name}.valgrind
            COMMAND ${SV2_VALGRIND} --quiet --error-exitcode=99 --leak-check=full $<TARGET_FILE:${name}-static>)
        set_tests_properties(${name}.valgrind PROPERTIES LABELS valgrind)
    endif()
endfunction()
