/* SPDX-License-Identifier: MIT
 * place.h - files to test with: on a disk and in memory, buffered and O_DIRECT.
 * Invariants: a file stands in a fresh directory, and both are unlinked before it is handed out:
 *             nothing is left behind, however a test ends.
 * Threads:    any.
 * Ownership:  the caller closes the fds. */
#ifndef IOE_TESTS_PLACE_H
#define IOE_TESTS_PLACE_H

#include <stdbool.h>
#include <stdint.h>

enum place {
	PLACE_DISK,        /* $IOE_TEST_DIR, else /var/tmp */
	PLACE_DISK_DIRECT, /* the same, O_DIRECT */
	PLACE_SHM,         /* /dev/shm */
	PLACE_SHM_DIRECT,
};

const char *place_name(enum place place);
bool place_is_direct(enum place place);

/* A new file of that size, filled with the pattern of seed (see memory.h), open for reading and
 * writing, as the place says and with more flags of open(2). Skips the test when O_DIRECT is
 * refused there. */
int place_file(enum place place, uint64_t size, uint64_t seed, int more_flags);

/* The same file again, with other flags of open(2) (O_RDONLY, O_RDWR | O_DIRECT, ...). */
int file_reopen(int fd, int flags);
/* Write the pattern of seed to [offset, offset + size), through the page cache. */
void file_fill(int fd, uint64_t offset, uint64_t size, uint64_t seed);
/* The offset of the first byte in [offset, offset + size) that is not the pattern, or -1. */
int64_t file_differs(int fd, uint64_t offset, uint64_t size, uint64_t seed);
uint64_t file_size(int fd);
/* Put the file out of the page cache. */
void file_make_cold(int fd);

#endif
