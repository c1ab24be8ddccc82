/* SPDX-License-Identifier: MIT
 * disk.h - block devices of our own (loop) over files that have no name any more, and file
 *          systems on them.
 * Invariants: a device, and a mount, live as long as a file descriptor of theirs: nothing stays
 *             behind, however a test ends. A mount is in no directory.
 * Threads:    any.
 * Ownership:  the caller closes the fds. */
#ifndef IOE_TESTS_DISK_H
#define IOE_TESTS_DISK_H

#include <stdint.h>

/* A loop device over the file, with sectors of that size, open for reading and writing with more
 * flags of open(2). Skips the test where there can be none. */
int disk_over(int file, uint32_t sector_bytes, int more_flags);

/* A new xfs of that size (300 MiB at the least, of which little is used), as mkfs.xfs makes it.
 * Returns its root, for openat(). Skips the test where it cannot be made or mounted. */
int disk_xfs(uint64_t size);

/* A new ext4 of that size, blocks of 4096 bytes, none reserved, no journal: what is freed can be
 * used at once. Returns its root, for openat(). Skips the test where it cannot be made
 * or mounted. */
int disk_ext4(uint64_t size);
/* The halves of these. Make ext4 in the file, with features as mke2fs -O knows them. */
void disk_make_ext4(int file, const char *features);
/* Mount the file system, ext4 or xfs, on the loop device: its root, or -errno. */
int disk_mount(int device, const char *kind);
/* Use up the blocks that are free, but n. */
void disk_fill(int root, uint32_t n);

#endif
