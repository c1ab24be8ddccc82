/* SPDX-License-Identifier: MIT
 * target.c - the file or block device that a job works on: checks, layout, opening.
 * Invariants: see target.h.
 * Threads:    the main thread.
 * Ownership:  see target.h.
 */
#include "tools/bench/target.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "engine/ioe.h"
#include "tools/sys.h"
#include "tools/units.h"

__attribute__((format(printf, 2, 3))) static int complain(int rc, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "ioe: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	return rc;
}

/* Does the kernel know partitions of this block device? */
static bool is_partitioned(dev_t device)
{
	char path[128];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(device), minor(device));
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%.64s/partition", major(device),
			 minor(device), entry->d_name);
		found = entry->d_name[0] != '.' && !access(path, F_OK);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* A partition table that the kernel has not read, or not been told of: MBR or GPT. A device that
 * cannot be read counts as one: better refused than destroyed. */
static bool has_partition_table(int fd)
{
	unsigned char block[512];

	if (pread(fd, block, sizeof(block), 0) != (ssize_t)sizeof(block))
		return true;
	if (block[510] != 0x55 || block[511] != 0xaa)
		return false;
	for (size_t entry = 0; entry < 4; entry++) {
		if (block[446 + 16 * entry + 4]) /* its type; 0xee where a GPT follows */
			return true;
	}
	return false;
}

static int check_block_device(const struct bench_options *options, const struct stat *st,
			      uint64_t *ret_size)
{
	const char *path = options->filename;
	bool partitioned;
	int fd, rc;

	if (bench_is_write(options) && is_partitioned(st->st_rdev))
		return complain(-EINVAL, "%s has partitions: will not write to it", path);
	/* O_EXCL: the kernel refuses a device that is mounted, swap, or part of another. */
	fd = (int)sys_result(open(path, bench_is_write(options) ? O_RDWR | O_EXCL | O_CLOEXEC :
								  O_RDONLY | O_CLOEXEC));
	if (fd == -EBUSY)
		return complain(-EINVAL, "%s is mounted or in use: will not write to it", path);
	if (fd < 0)
		return complain(fd, "%s: %s", path, strerror(-fd));
	rc = (int)sys_result(ioctl(fd, BLKGETSIZE64, ret_size));
	partitioned = bench_is_write(options) && has_partition_table(fd);
	close(fd);
	if (partitioned)
		return complain(-EINVAL, "%s has a partition table: will not write to it", path);
	if (rc < 0)
		return complain(rc, "%s: size of the device: %s", path, strerror(-rc));
	if (options->size_bytes > *ret_size)
		return complain(-EINVAL, "%s has %llu bytes, less than --size=%llu", path,
				(unsigned long long)*ret_size,
				(unsigned long long)options->size_bytes);
	return 0;
}

static int check_alignment(const struct bench_options *options, int fd, struct target *target)
{
	struct ioe_alignment alignment = { .size = sizeof(alignment) };
	int rc;

	target->memory_align_bytes = 1;
	if (!options->direct)
		return 0;
	rc = ioe_file_alignment(fd, &alignment);
	if (rc == -EOPNOTSUPP)
		return complain(rc, "%s: its file system has no O_DIRECT for it",
				options->filename);
	if (rc)
		return complain(rc, "%s: alignment of O_DIRECT: %s", options->filename,
				strerror(-rc));
	if (options->bs_bytes % alignment.offset_bytes)
		return complain(-EINVAL, "--bs=%llu: O_DIRECT on %s needs multiples of %u",
				(unsigned long long)options->bs_bytes, options->filename,
				alignment.offset_bytes);
	target->memory_align_bytes = alignment.memory_bytes;
	return 0;
}

static int fill_file(const struct bench_options *options, int fd, uint64_t from, uint64_t to)
{
	struct statvfs fs;
	int rc = (int)sys_result(fstatvfs(fd, &fs));
	char need[UNITS_TEXT_MAX], have[UNITS_TEXT_MAX];

	if (rc < 0)
		return complain(rc, "%s: %s", options->filename, strerror(-rc));
	if (to - from > (uint64_t)fs.f_bavail * fs.f_frsize)
		return complain(-ENOSPC, "%s: needs %s, and its file system has %s left",
				options->filename,
				units_format_bytes((double)(to - from), UNITS_1024, need),
				units_format_bytes((double)fs.f_bavail * (double)fs.f_frsize,
						   UNITS_1024, have));
	fprintf(stderr, "%s: laying out %s (%s)\n", options->name, options->filename,
		units_format_bytes((double)(to - from), UNITS_1024, need));
	rc = layout_fill(fd, options->filename, from, to);
	if (rc == -ECANCELED)
		return complain(rc, "%s: layout interrupted, undone", options->filename);
	if (rc)
		return complain(rc, "%s: layout: %s", options->filename, strerror(-rc));
	return 0;
}

/* The file as it is, or a new one, filled up to size. */
static int prepare_file(const struct bench_options *options, struct target *target, bool exists,
			uint64_t have_bytes)
{
	const char *path = options->filename;
	bool fill = have_bytes < target->size_bytes;
	int flags = (fill || bench_is_write(options) ? O_RDWR : O_RDONLY) | O_CLOEXEC;
	int fd = (int)sys_result(open(path, flags | (exists ? 0 : O_CREAT | O_EXCL), 0644));
	int rc;

	if (fd < 0)
		return complain(fd, "%s: %s", path, strerror(-fd));
	rc = check_alignment(options, fd, target);
	if (!rc && fill) {
		rc = fill_file(options, fd, have_bytes, target->size_bytes);
		if (rc && exists && ftruncate(fd, (off_t)have_bytes))
			complain(rc, "%s: could not be cut back to its size", path);
	}
	if (rc && !exists)
		unlink(path);
	close(fd);
	return rc;
}

static void warn_of_holes(const struct bench_options *options, const struct stat *st)
{
	if (bench_is_write(options) || (uint64_t)st->st_blocks * 512 >= (uint64_t)st->st_size)
		return;
	fprintf(stderr, "ioe: note: %s is sparse: holes are read without the device\n",
		options->filename);
}

/* Find out what is there, and make of it what the job needs. */
static int prepare(const struct bench_options *options, struct target *target)
{
	const char *path = options->filename;
	struct stat st = { .st_size = 0 };
	int rc = (int)sys_result(stat(path, &st));
	uint64_t have_bytes = 0;
	bool exists = !rc;

	if (rc && rc != -ENOENT)
		return complain(rc, "%s: %s", path, strerror(-rc));
	if (exists && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return complain(-EINVAL, "%s is neither a regular file nor a block device", path);
	if (exists && S_ISBLK(st.st_mode)) {
		rc = check_block_device(options, &st, &have_bytes);
		if (rc)
			return rc;
	} else if (exists) {
		have_bytes = (uint64_t)st.st_size;
	}
	target->is_block_device = exists && S_ISBLK(st.st_mode);
	target->size_bytes = options->size_bytes ? options->size_bytes : have_bytes;
	if (!target->size_bytes)
		return complain(-EINVAL, "%s %s: --size is needed", path,
				exists ? "is empty" : "does not exist");
	if (target->size_bytes > INT64_MAX)
		return complain(-EINVAL, "--size is larger than any file");
	if (target->size_bytes < options->bs_bytes)
		return complain(-EINVAL, "%s has %llu bytes, less than --bs=%llu", path,
				(unsigned long long)target->size_bytes,
				(unsigned long long)options->bs_bytes);
	if (exists && S_ISREG(st.st_mode))
		warn_of_holes(options, &st);
	return prepare_file(options, target, exists, have_bytes);
}

int target_open(const struct bench_options *options, uint32_t n_fds, struct target *ret_target)
{
	struct target target = { .n_fds = 0, .memory_align_bytes = 1 };
	int flags = (bench_is_write(options) ? O_RDWR : O_RDONLY) | O_CLOEXEC |
		    (options->direct ? O_DIRECT : 0);
	int rc;

	if (options->rw == BENCH_NOP) {
		*ret_target = target;
		return 0;
	}
	rc = prepare(options, &target);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < n_fds; i++) {
		/* One exclusive open keeps others from mounting the device meanwhile. */
		bool claim = target.is_block_device && bench_is_write(options) && !i;
		int fd = (int)sys_result(open(options->filename, flags | (claim ? O_EXCL : 0)));

		if (fd < 0) {
			target_close(&target);
			return complain(fd == -EINVAL ? -EOPNOTSUPP : fd, "%s: %s%s",
					options->filename, strerror(-fd),
					fd == -EINVAL && options->direct ? " (O_DIRECT refused)" :
									   "");
		}
		target.fds[target.n_fds++] = fd;
	}
	*ret_target = target;
	return 0;
}

void target_close(struct target *target)
{
	for (uint32_t i = 0; i < target->n_fds; i++)
		close(target->fds[i]);
	target->n_fds = 0;
}

void target_invalidate(const struct target *target)
{
	if (target->n_fds)
		(void)posix_fadvise(target->fds[0], 0, 0, POSIX_FADV_DONTNEED);
}
