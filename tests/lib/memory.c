/* SPDX-License-Identifier: MIT
 * memory.c - see memory.h. */
#include "tests/lib/memory.h"
#include "tests/lib/fail.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILL 0xa5

static uint64_t page_bytes(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t round_up(uint64_t length, uint64_t unit)
{
	return (length + unit - 1) / unit * unit;
}

void *guard_buffer_open(uint64_t length)
{
	const uint64_t body = round_up(length, page_bytes());
	uint8_t *map = mmap(NULL, body + page_bytes(), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(map != MAP_FAILED, "mmap: %s", strerror(errno));
	memset(map, FILL, body);
	must_sys(mprotect(map + body, page_bytes(), PROT_NONE));
	return map + body - length;
}

void guard_buffer_close(void *buffer, uint64_t length)
{
	const uint64_t body = round_up(length, page_bytes());

	must_sys(munmap((uint8_t *)buffer + length - body, body + page_bytes()));
}

void *aligned_buffer(uint64_t length)
{
	void *buffer = NULL;
	const int ret = posix_memalign(&buffer, 4096, length);

	must(ret == 0, "posix_memalign: %s", strerror(ret));
	memset(buffer, FILL, length);
	return buffer;
}

/* The 8 bytes that begin at a multiple of 8. */
static uint64_t pattern_word(uint64_t offset, uint64_t seed)
{
	uint64_t z = (offset / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ seed;

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return z ^ (z >> 27);
}

void pattern_fill(void *buffer, uint64_t length, uint64_t offset, uint64_t seed)
{
	uint8_t *bytes = buffer;

	for (uint64_t i = 0; i < length;) {
		const uint64_t word = pattern_word(offset + i, seed);
		const uint64_t skip = (offset + i) % 8;
		const uint64_t n = length - i < 8 - skip ? length - i : 8 - skip;

		memcpy(bytes + i, (const uint8_t *)&word + skip, n);
		i += n;
	}
}

int64_t pattern_differs(const void *buffer, uint64_t length, uint64_t offset, uint64_t seed)
{
	const uint8_t *bytes = buffer;

	for (uint64_t i = 0; i < length;) {
		const uint64_t word = pattern_word(offset + i, seed);
		const uint64_t skip = (offset + i) % 8;
		const uint64_t n = length - i < 8 - skip ? length - i : 8 - skip;

		for (uint64_t k = 0; k < n; k++)
			if (bytes[i + k] != ((const uint8_t *)&word)[skip + k])
				return (int64_t)(i + k);
		i += n;
	}
	return -1;
}

int64_t bytes_differ(const void *buffer, uint64_t length, uint8_t value)
{
	const uint8_t *bytes = buffer;

	for (uint64_t i = 0; i < length; i++)
		if (bytes[i] != value)
			return (int64_t)i;
	return -1;
}
