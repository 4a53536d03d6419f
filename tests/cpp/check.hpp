// The little that these tests need of a framework: checks that say what they saw, and named cases.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <vector>

// The test program ends at the first check that fails.
#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            std::cerr << __FILE__ << ":" << __LINE__ << ": " << #condition << std::endl; \
            std::exit(1);                                                                \
        }                                                                                \
    } while (false)

#define CHECK_EQUAL(left, right)                                                                                    \
    do {                                                                                                            \
        const auto check_left = (left);                                                                             \
        const auto check_right = (right);                                                                           \
        if (!(check_left == check_right)) {                                                                         \
            std::cerr << __FILE__ << ":" << __LINE__ << ": " << #left << " is " << check_left << ", but " << #right \
                      << " is " << check_right << std::endl;                                                        \
            std::exit(1);                                                                                           \
        }                                                                                                           \
    } while (false)

// A case: its name is a sentence.
struct Case {
    const char* name;
    void (*run)();
};

inline int run(const std::vector<Case>& cases) {
    for (const Case& each : cases) {
        std::printf("%s\n", each.name);
        std::fflush(stdout);
        each.run();
    }
    std::printf("%zu passed\n", cases.size());
    return 0;
}
