/* SPDX-License-Identifier: MIT
 * layout.c - fill a file with real data.
 * Invariants: the data does not compress and no block of it is like another, so that neither a
 *             hole, an unwritten extent nor a device's cleverness answers the reads to come.
 * Threads:    the main thread.
 * Ownership:  the caller's descriptor.
 */
#include "tools/bench/target.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/bench/job_sequence.h"
#include "tools/interrupt.h"
#include "tools/sys.h"
#include "tools/units.h"

#define CHUNK_BYTES (1u << 20)

static void fill_chunk(uint64_t *words, uint64_t seed)
{
	for (uint64_t i = 0; i < CHUNK_BYTES / sizeof(*words); i++)
		words[i] = sequence_mix(seed + i);
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
