# The programs that the consumer projects have in common, and their tests.

set(sources ${CMAKE_CURRENT_LIST_DIR})
add_executable(consumer-c ${sources}/main.c)
target_link_libraries(consumer-c PRIVATE sv2::sv2)

add_executable(consumer-cpp ${sources}/main.cpp)
target_compile_features(consumer-cpp PRIVATE cxx_std_20)
target_link_libraries(consumer-cpp PRIVATE sv2::sv2)

enable_testing()
add_test(NAME consumer-c COMMAND consumer-c)
add_test(NAME consumer-cpp COMMAND consumer-cpp)

# The library is the kind that was asked for.
add_test(NAME kind COMMAND ${CMAKE_READELF} --dynamic $<TARGET_FILE:consumer-c>)
if(BUILD_SHARED_LIBS)
    set_tests_properties(kind PROPERTIES PASS_REGULAR_EXPRESSION "\\[libsv2\\.so\\.")
else()
    set_tests_properties(kind PROPERTIES FAIL_REGULAR_EXPRESSION "libsv2")
endif()
