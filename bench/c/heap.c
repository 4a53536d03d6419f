/* Counts what everybody in this program takes from the heap: the C code, both Rust sides and libsv2.so all end up here, for the
 * dynamic linker prefers the program's malloc to libc's. Linux with glibc; one thread. */
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

uint64_t heap_allocations(void);
int64_t heap_live(void);
void heap_count(int on);

static int counting; /* only while nothing is timed */
static uint64_t allocations;
static int64_t live;

/* How often memory was taken, or taken anew by realloc. */
uint64_t heap_allocations(void)
{
    return allocations;
}

/* Bytes taken and not given back, as malloc rounds them. */
int64_t heap_live(void)
{
    return live;
}

void heap_count(int on)
{
    counting = on;
}

static void *taken(void *memory)
{
    if (counting && memory) {
        allocations++;
        live += (int64_t)malloc_usable_size(memory);
    }
    return memory;
}

static void given_back(void *memory)
{
    if (counting && memory)
        live -= (int64_t)malloc_usable_size(memory);
}

void *malloc(size_t size)
{
    return taken(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return taken(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    void *memory;
    size_t before = counting && old ? malloc_usable_size(old) : 0;

    memory = __libc_realloc(old, size);
    if (memory || size == 0)
        live -= (int64_t)before;
    return taken(memory);
}

void *memalign(size_t alignment, size_t size)
{
    return taken(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    *memory = memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

void free(void *memory)
{
    given_back(memory);
    __libc_free(memory);
}
