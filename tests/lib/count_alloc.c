/* SPDX-License-Identifier: MIT
 * count_alloc.c - see count_alloc.h. glibc offers its own functions under a second name, so that
 * a program may define the first; sanitizers have hooks instead. */
#include "tests/lib/count_alloc.h"
#include "tests/check.h"

static uint64_t n_calls;
static int counting;

static void count(void)
{
	if (__atomic_load_n(&counting, __ATOMIC_RELAXED))
		__atomic_add_fetch(&n_calls, 1, __ATOMIC_RELAXED);
}

#if CHECK_SANITIZED

int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *, size_t),
					      void (*free_hook)(const volatile void *));

static void on_malloc(const volatile void *memory, size_t size)
{
	(void)memory;
	(void)size;
	count();
}

static void on_free(const volatile void *memory)
{
	(void)memory;
	count();
}

void count_alloc_start(void)
{
	static bool installed;

	if (!installed && __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) == 0) {
		fprintf(stderr, "no allocation hooks\n");
		abort();
	}
	installed = true;
	__atomic_store_n(&n_calls, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&counting, 1, __ATOMIC_SEQ_CST);
}

#else

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);
void __libc_free(void *memory);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
	count();
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	count();
	return __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size)
{
	count();
	return __libc_realloc(memory, size);
}

void free(void *memory)
{
	if (memory != NULL)
		count();
	__libc_free(memory);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	count();
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
	void *memory;

	count();
	memory = __libc_memalign(alignment, size);
	if (memory == NULL)
		return ENOMEM;
	*ret_memory = memory;
	return 0;
}

void count_alloc_start(void)
{
	__atomic_store_n(&n_calls, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&counting, 1, __ATOMIC_SEQ_CST);
}

#endif

uint64_t count_alloc_stop(void)
{
	__atomic_store_n(&counting, 0, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&n_calls, __ATOMIC_SEQ_CST);
}
