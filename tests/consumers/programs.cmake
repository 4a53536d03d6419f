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
