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
#include "tools/bench/pattern.h"

struct stat;

#define TARGET_FDS_MAX   1024
#define TARGET_FILES_MAX 1024

/* What was found out of a file, before anything is done to it. */
struct target_file {
	char *path;
	bool exists;
	bool is_block_device;
	uint64_t have_bytes;
	bool is_claimed;     /* the device is, by this file */
	uint64_t end_bytes;  /* of the job's area: the file must reach up to here */
	uint64_t device;     /* st_dev of it, or of its folder; of a device st_rdev */
	uint64_t free_bytes; /* there, for a regular file */
};

struct target {
	struct target_file *files; /* NULL: those of a nop, or of the null engine */
	struct pattern_area *areas;
	uint32_t n_files;
	uint32_t fds_per_file;
	int fds[TARGET_FDS_MAX]; /* those of file 0 first */
	uint32_t n_fds;
	uint64_t size_bytes; /* of all areas */
	bool unlinks;
	bool syncs; /* when it is closed */
};

/* Check the files, lay them out where they are missing or too small, open each n_fds times. Says on
 * stderr what is wrong. Returns 0; -EINVAL: a mistake of the caller; else -errno. */
int target_open(const struct bench_options *options, uint32_t n_fds, struct target *ret_target);
void target_close(struct target *target);

/* The same in steps, for several jobs. Resolve: which files there are, and whether the job can work
 * on them; changes nothing. index: of the clone. Lay out: makes the files as the job needs them.
 * After each the target is to be closed, whatever was returned. */
int target_resolve(const struct bench_options *options, uint32_t index, struct target *ret_target);
int target_lay_out(const struct bench_options *options, struct target *target);
int target_open_files(const struct bench_options *options, uint32_t n_fds, struct target *target);

/* Is there room for all of these together? Files that several of them name count once. Says what is
 * missing; -ENOSPC. */
int target_check_space(const struct target *const targets[], uint32_t n_targets);

/* Start of a run: drop what the page cache has of the files. */
void target_invalidate(const struct target *target);

/* The k-th descriptor of a file. */
static inline int target_fd(const struct target *target, uint32_t file, uint32_t k)
{
	return target->fds[file * target->fds_per_file + k];
}

/* Say what is wrong with a target, in a line on stderr. Returns rc. */
__attribute__((format(printf, 2, 3))) int target_complain(int rc, const char *format, ...);

/* May the job work on this block device? In device.c. */
int device_check(const struct bench_options *options, const char *path, uint64_t device,
		 uint64_t *ret_size);

/* Would --output or --write_iolog go into this file? Says so; -EINVAL. In device.c. */
int device_check_results(const struct bench_options *options, const char *path,
			 const struct stat *st);

/* Write real data into [from, to) of fd, with progress on a terminal. Returns 0, -ECANCELED
 * (Ctrl-C) or -errno. In layout.c. */
int layout_fill(int fd, const char *path, uint64_t from, uint64_t to);

/* Bring a file that has been resolved into the state that the job needs; offset_bytes: where its
 * area begins. In layout.c. */
int layout_file(const struct bench_options *options, const struct target_file *file,
		uint64_t offset_bytes);

#endif
