/* SPDX-License-Identifier: MIT
 * place.h - files to test with: on a disk and in memory, buffered and O_DIRECT; or, where
 *           $IOE_TEST_SECTOR says how large its sectors are to be, block devices in the place of
 *           files on a disk: a loop device of its own for each.
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
/* Whether it is in a tmpfs: no alignment is asked for, nothing is asynchronous. */
bool place_is_memory(enum place place);

/* Whether files on a disk are block devices. Those are filled with the pattern up to a whole
 * sector, or hold PLACE_DEVICE_BYTES of zeros when a file of size 0 is asked for. */
#define PLACE_DEVICE_BYTES (UINT64_C(64) << 20)
bool place_is_device(enum place place);
/* Skip the test where the place is a block device, which has no `what`. */
void place_needs_file(enum place place, const char *what);

/* A new file of that size, filled with the pattern of seed (see memory.h), open for reading and
 * writing, as the place says and with more flags of open(2). Skips the test when O_DIRECT is
 * refused there. */
int place_file(enum place place, uint64_t size, uint64_t seed, int more_flags);

/* A new file of that size, all a hole, on a disk and never a block device: what devices are made
 * of. */
int place_backing(uint64_t size);

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
