# What the C and C++ tests and examples have in common.

add_library(sv2_warnings INTERFACE)
target_compile_options(sv2_warnings INTERFACE -Wall -Wextra -Wpedantic -Werror
    # At -O3 GCC 12 sees std::string overlap itself where it does not (GCC bug 105651).
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>)

find_program(SV2_VALGRIND valgrind DOC "Finds memory errors in the tests")
if(CMAKE_C_FLAGS MATCHES "-fsanitize" OR CMAKE_CROSSCOMPILING)
    set(SV2_VALGRIND "")
endif()

# sv2_add_valgrind(<test> <program> [<argument>...]): a run of a program in which no memory error and no leak may occur. Has the
# label valgrind; there is no such test without valgrind.
function(sv2_add_valgrind test program)
    if(SV2_VALGRIND)
        add_test(NAME ${test}.valgrind
            COMMAND ${SV2_VALGRIND} --quiet --error-exitcode=99 --leak-check=full $<TARGET_FILE:${program}> ${ARGN})
        set_tests_properties(${test}.valgrind PROPERTIES LABELS valgrind)
    endif()
endfunction()

# sv2_add_test(<name> <source>...): a test program, run with the static and with the shared library, and under valgrind.
function(sv2_add_test name)
    foreach(kind IN ITEMS static shared)
        add_executable(${name}-${kind} ${ARGN})
        target_link_libraries(${name}-${kind} PRIVATE sv2::${kind} sv2_warnings)
        target_compile_features(${name}-${kind} PRIVATE c_std_11 cxx_std_20)
        add_test(NAME ${name}.${kind} COMMAND ${name}-${kind})
    endforeach()
    sv2_add_valgrind(${name} ${name}-static)
endfunction()
