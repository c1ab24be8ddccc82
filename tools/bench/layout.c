/* SPDX-License-Identifier: MIT
 * layout.c - make a file as a job needs it: fill it with real data, or give it room.
 * Invariants: the data does not compress and no block of it is like another, so that neither a
 *             hole, an unwritten extent nor a device's cleverness answers the reads to come.
 * Threads:    the main thread.
 * Ownership:  the caller's descriptor.
 */
#include "tools/bench/target.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/ioe.h"
#include "tools/interrupt.h"
#include "tools/sys.h"
#include "tools/units.h"

#define CHUNK_BYTES (1u << 20)

static void fill_chunk(uint64_t *words, uint64_t seed)
{
	for (uint64_t i = 0; i < CHUNK_BYTES / sizeof(*words); i++)
		words[i] = permutation_mix(seed + i);
}

static void show_progress(const char *path, uint64_t done, uint64_t total, bool last)
{
	static uint64_t shown_ns;
	uint64_t now = clock_now_ns();

	if (!isatty(STDERR_FILENO) || (!last && now - shown_ns < NS_PER_SECOND / 10))
		return;
	shown_ns = now;
	fprintf(stderr, "\rioe: laying out %s: %3.0f%%", path,
		100.0 * (double)done / (double)total);
	if (last)
		fprintf(stderr, "\r\033[K");
}

static int write_all(int fd, const char *data, uint64_t length, uint64_t offset)
{
	while (length) {
		int64_t n = sys_result(pwrite(fd, data, length, (off_t)offset));

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (!n)
			return -EIO;
		data += n;
		length -= (uint64_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int layout_fill(int fd, const char *path, uint64_t from, uint64_t to)
{
	uint64_t *chunk = malloc(CHUNK_BYTES);
	int rc = chunk ? 0 : -ENOMEM;

	for (uint64_t at = from; !rc && at < to;) {
		/* Up to the next whole chunk, so that all later writes are aligned. */
		uint64_t length = CHUNK_BYTES - at % CHUNK_BYTES;

		if (length > to - at)
			length = to - at;
		fill_chunk(chunk, at);
		rc = write_all(fd, (const char *)chunk, length, at);
		/* Let the device begin, so that the fsync at the end is short. */
		(void)sync_file_range(fd, (off_t)at, (off_t)length, SYNC_FILE_RANGE_WRITE);
		at += length;
		show_progress(path, at - from, to - from, false);
		if (!rc && interrupt_seen())
			rc = -ECANCELED;
	}
	if (!rc)
		rc = (int)sys_result(fsync(fd));
	show_progress(path, 1, 1, true);
	free(chunk);
	return rc;
}

/* What IO there will be must fit what O_DIRECT wants. */
static int check_alignment(const struct bench_options *options, int fd, const char *path,
			   uint64_t offset_bytes)
{
	struct ioe_alignment alignment = { .size = sizeof(alignment) };
	uint64_t all = offset_bytes | options->bs_bytes;
	int rc;

	if (!options->direct)
		return 0;
	rc = ioe_file_alignment(fd, &alignment);
	if (rc == -EOPNOTSUPP)
		return target_complain(rc, "%s: its file system has no O_DIRECT for it", path);
	if (rc)
		return target_complain(rc, "%s: alignment of O_DIRECT: %s", path, strerror(-rc));
	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		const struct bench_sizes *sizes = &options->sizes[d];

		if (sizes->max_bytes && options->bs_unaligned)
			all |= 1;
		if (sizes->max_bytes)
			all |= sizes->min_bytes | options->blockalign_bytes[d];
		for (uint64_t i = 0; i < sizes->n_splits; i++)
			all |= sizes->splits[i].bytes;
	}
	/* The alignment is a power of two, so the bits of all of them say it. */
	if (all % alignment.offset_bytes == 0)
		return 0;
	if (options->bs_bytes % alignment.offset_bytes)
		return target_complain(-EINVAL, "--bs=%llu: O_DIRECT on %s needs multiples of %u",
				       (unsigned long long)options->bs_bytes, path,
				       alignment.offset_bytes);
	return target_complain(-EINVAL,
			       "O_DIRECT on %s needs sizes and offsets that are multiples of %u",
			       path, alignment.offset_bytes);
}

/* Files that will be read have data everywhere. Those that are only written to are given room, as
 * far as was asked for. */
static int extend(const struct bench_options *options, int fd, const char *path, uint64_t from,
		  uint64_t to)
{
	const bool fills = options->rw != BENCH_WRITE && options->rw != BENCH_RANDWRITE;
	char size[UNITS_TEXT_MAX];
	int rc = 0;

	if (fills || options->overwrite) {
		fprintf(stderr, "%s: laying out %s (%s)\n", options->name, path,
			units_format_bytes((double)(to - from), UNITS_1024, size));
		rc = layout_fill(fd, path, from, to);
		if (rc == -ECANCELED)
			return target_complain(rc, "%s: layout interrupted, undone", options->name);
	} else if (options->fallocate == BENCH_FALLOCATE_NATIVE ||
		   options->fallocate == BENCH_FALLOCATE_KEEP) {
		rc = (int)sys_result(fallocate(
			fd, options->fallocate == BENCH_FALLOCATE_KEEP ? FALLOC_FL_KEEP_SIZE : 0,
			(off_t)from, (off_t)(to - from)));
		/* A file system without it is no reason not to write. */
		rc = rc == -EOPNOTSUPP ? 0 : rc;
	} else if (options->fallocate == BENCH_FALLOCATE_POSIX) {
		rc = -posix_fallocate(fd, (off_t)from, (off_t)(to - from));
	} else if (options->fallocate == BENCH_FALLOCATE_TRUNCATE) {
		rc = (int)sys_result(ftruncate(fd, (off_t)to));
	}
	return rc ? target_complain(rc, "%s: layout: %s", path, strerror(-rc)) : 0;
}

int layout_file(const struct bench_options *options, const struct target_file *file,
		uint64_t offset_bytes)
{
	const char *path = file->path;
	struct stat st = { .st_size = 0 };
	/* Another job may have made it meanwhile. */
	const bool exists = !stat(path, &st);
	const uint64_t have = file->is_block_device ? file->have_bytes : (uint64_t)st.st_size;
	const bool grows = have < file->end_bytes;
	const int access = grows || bench_is_write(options) ? O_RDWR : O_RDONLY;
	int fd = (int)sys_result(
		open(path, access | O_CLOEXEC | (exists ? 0 : O_CREAT | O_EXCL), 0644));
	int rc;

	if (fd < 0)
		return target_complain(fd, "%s: %s", path, strerror(-fd));
	rc = check_alignment(options, fd, path, offset_bytes);
	if (!rc && grows) {
		rc = extend(options, fd, path, have, file->end_bytes);
		if (rc && exists && ftruncate(fd, (off_t)have))
			(void)target_complain(rc, "%s: could not be cut back to its size", path);
	}
	if (!rc && options->create_fsync && grows)
		rc = (int)sys_result(fsync(fd));
	if (rc && !exists)
		unlink(path);
	close(fd);
	return rc;
}
