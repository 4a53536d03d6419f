/* What all tests here share: a check that says what went wrong and ends the program. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sv2.h"

static inline void check_failed(const char* file, int line, const char* what) {
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    exit(1);
}

static inline void check_status(const char* file, int line, const char* call, sv2_status is, sv2_status should) {
    if (is != should) {
        fprintf(stderr, "%s:%d: %s is %s instead of %s\n", file, line, call, sv2_status_name(is),
                sv2_status_name(should));
        exit(1);
    }
}

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

/* A call, and what it must return. */
#define RETURNS(status, call) check_status(__FILE__, __LINE__, #call, call, status)

/* Runs a test and says so. */
#define RUN(test) (printf("%s\n", #test), test())

/* Outputs that must not be written to are filled with this before and compared after. */
static inline void mark(void* out, size_t len) { memset(out, 0xa5, len); }

static inline int is_marked(const void* out, size_t len) {
    const unsigned char* bytes = out;
    size_t i;
    for (i = 0; i < len; i++) {
        if (bytes[i] != 0xa5) return 0;
    }
    return 1;
}

/* A call that fails must leave `out` alone. */
#define LEAVES_ALONE(out, status, call)        \
    do {                                       \
        mark(&(out), sizeof(out));             \
        RETURNS(status, call);                 \
        CHECK(is_marked(&(out), sizeof(out))); \
    } while (0)

static inline sv2_bytes bytes_of(const void* data, size_t len) {
    sv2_bytes bytes;
    bytes.data = data;
    bytes.len = len;
    return bytes;
}

static inline sv2_str str_of(const char* text) {
    sv2_str str;
    str.data = text;
    str.len = strlen(text);
    return str;
}

static inline int is_text(sv2_str str, const char* text) {
    return str.len == strlen(text) && (str.len == 0 || memcmp(str.data, text, str.len) == 0);
}

static inline int are_bytes(sv2_bytes bytes, const void* data, size_t len) {
    return bytes.len == len && (len == 0 || memcmp(bytes.data, data, len) == 0);
}

static inline sv2_message message_of_type(uint32_t type) {
    sv2_message message;
    memset(&message, 0, sizeof message);
    message.type = type;
    return message;
}

static const sv2_bytes no_bytes = {NULL, 0};
static const sv2_str no_text = {NULL, 0};
static const sv2_time at_start = {1000, 1700000000};

/* Both are used by some tests only. */
static inline void check_unused(void) {
    (void)no_bytes;
    (void)no_text;
    (void)at_start;
}

#endif
