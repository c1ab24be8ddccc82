/* SPDX-License-Identifier: MIT
 * target.h - the file or block device that a job works on.
 * Invariants: nothing is written before every check has passed; a layout that fails leaves the
 *             file as it was, or no file where there was none.
 * Threads:    the main thread.
 * Ownership:  target_close() closes what target_open() opened; the file stays.
 */
#ifndef IOE_TOOLS_TARGET_H
#define IOE_TOOLS_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/bench/bench_options.h"

#define TARGET_FDS_MAX 1024

struct target {
	int fds[TARGET_FDS_MAX]; /* of the same file: one for each driver, or more */
	uint32_t n_fds;
	uint64_t size_bytes; /* to work in: whole blocks of bs */
	uint32_t memory_align_bytes;
	bool is_block_device;
};

/* Check the file, lay it out where it is missing or too small, open it n_fds times. Says on
 * stderr what is wrong. Returns 0; -EINVAL: a mistake of the caller; else -errno. */
int target_open(const struct bench_options *options, uint32_t n_fds, struct target *ret_target);
void target_close(struct target *target);

/* Start of a run: drop what the page cache has of the file. */
void target_invalidate(const struct target *target);

/* Write real data into [from, to) of fd, with progress on a terminal. Returns 0, -ECANCELED
 * (Ctrl-C) or -errno. In layout.c. */
int layout_fill(int fd, const char *path, uint64_t from, uint64_t to);

#endif
