/* SPDX-License-Identifier: MIT
 * test_no_space.c - law 4 on a file system that is full: merged writes of which some have no
 *                   room.
 * Invariants: none.
 * Threads:    the test's.
 * Ownership:  the rig's. */
#include "tests/lib/disk.h"
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <unistd.h>

enum { N = 64, BLOCK = 4096, DISK_BYTES = 4 << 20 };

#define OTHER_SEED UINT64_C(0x77)

struct blocks {
	uint32_t from;
	uint32_t to;
};

/* A file of N blocks that are there, with RIG_SEED, but for holes[0..n). */
static int file_with_holes(struct rig *rig, int root, const struct blocks *holes, uint32_t n,
			   int more_flags)
{
	const int fd = (int)check_sys(openat(root, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	uint32_t from = 0;

	for (uint32_t i = 0; i <= n; i++) {
		const uint32_t to = i < n ? holes[i].from : N;

		file_fill(fd, from * BLOCK, (to - from) * BLOCK, RIG_SEED);
		from = i < n ? holes[i].to : 0;
	}
	check_sys(ftruncate(fd, N * BLOCK));
	check_sys(fsync(fd));
	rig_keep_fd(rig, fd);
	return rig_keep_fd(rig, file_reopen(fd, O_RDWR | more_flags));
}

static bool in_hole(const struct blocks *holes, uint32_t n, uint32_t block)
{
	for (uint32_t i = 0; i < n; i++)
		if (block >= holes[i].from && block < holes[i].to)
			return true;
	return false;
}

/* N adjacent writes as one batch, of one request at first. */
static struct job *write_merged(struct rig *rig, int fd)
{
	struct job *jobs = rig_jobs(rig, N);
	uint8_t *buffer = rig_buffer(rig, N * BLOCK);

	pattern_fill(buffer, N * BLOCK, 0, OTHER_SEED);
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++)
		ioe_prep_write(&jobs[i].event, fd, buffer + i * BLOCK, BLOCK, i * BLOCK);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	check_op(rig_stats(rig).merged_events, >=, N);
	check_op(rig_stats(rig).split, >=, 1);
	rig_close(rig, IOE_CLOSE_DRAIN);
	return jobs;
}

/* What the device has, not the cache. */
static int64_t stored_differs(int fd, uint64_t block, uint64_t seed)
{
	check_sys(fsync(fd));
	check_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	return file_differs(fd, block * BLOCK, BLOCK, seed);
}

/* The file system is full; what has its blocks can be written, and what has none cannot. */
static void write_where_holes_cannot_be_filled(struct rig *rig, int more_flags)
{
	static const struct blocks holes[][3] = {
		{ { 37, 38 }, { N, N }, { N, N } },  /* one in the middle */
		{ { 40, N }, { N, N }, { N, N } },   /* the end */
		{ { 0, 1 }, { 20, 22 }, { 63, 64 } } /* both ends and two side by side */
	};

	for (uint32_t k = 0; k < sizeof(holes) / sizeof(holes[0]); k++) {
		const int root = disk_ext4(DISK_BYTES);
		const int fd = file_with_holes(rig, root, holes[k], 3, more_flags);
		struct job *jobs;

		disk_fill(root, 0);
		jobs = write_merged(rig, fd);
		for (uint32_t i = 0; i < N; i++) {
			const bool hole = in_hole(holes[k], 3, i);

			check_eq(jobs[i].calls, 1);
			check_eq(jobs[i].result, hole ? -ENOSPC : BLOCK);
			check_eq(jobs[i].done, hole ? 0 : BLOCK);
			if (!hole)
				check_eq(stored_differs(fd, i, OTHER_SEED), -1);
		}
		close(root);
	}
}

NONE_TEST(isolation, writes_without_room_end_with_enospc_and_the_others_do_not)
{
	write_where_holes_cannot_be_filled(rig, 0);
}

NONE_TEST(isolation, direct_writes_without_room_end_with_enospc_and_the_others_do_not)
{
	write_where_holes_cannot_be_filled(rig, O_DIRECT);
}

/* The file grows until there is no more room: which of the events get it is the file system's
 * business. Who says it has, has; who says it has not, gets none afterwards either. */
static void grow_until_full(struct rig *rig, int more_flags)
{
	enum { FREE = 20 };
	const int root = disk_ext4(DISK_BYTES);
	const int fd = file_with_holes(rig, root, &(struct blocks){ 0, N }, 1, more_flags);
	struct job *jobs;
	uint32_t n_good = 0;

	check_sys(ftruncate(fd, 0));
	disk_fill(root, FREE);
	jobs = write_merged(rig, fd);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].calls, 1);
		if (jobs[i].result == BLOCK) {
			check_eq(jobs[i].done, BLOCK);
			check_eq(stored_differs(fd, i, OTHER_SEED), -1);
			n_good++;
			continue;
		}
		check_eq(jobs[i].result, -ENOSPC);
		check_eq(jobs[i].done, 0);
		check_eq(pwrite(fd, jobs[i].event.buffer, BLOCK, i * BLOCK), -1);
		check_eq(errno, ENOSPC);
	}
	check_op(n_good, >, 0);
	check_op(n_good, <=, FREE);
	close(root);
}

NONE_TEST(isolation, writes_that_run_out_of_room_tell_the_truth)
{
	grow_until_full(rig, 0);
}

NONE_TEST(isolation, direct_writes_that_run_out_of_room_tell_the_truth)
{
	grow_until_full(rig, O_DIRECT);
}

/* A new disk, and on it a file with a block missing in the middle, which has no room. */
static int file_without_room(struct rig *rig, int more_flags, int *ret_root)
{
	static const struct blocks middle = { 37, 38 };
	int fd;

	*ret_root = disk_ext4(DISK_BYTES);
	fd = file_with_holes(rig, *ret_root, &middle, 1, more_flags);
	disk_fill(*ret_root, 0);
	return fd;
}

/* As far as write(2) comes, on a disk of its own: with O_DIRECT not at all, because the kernel
 * reports an error of the later part as one of the whole (iomap_dio_rw(), fs/iomap/direct-io.c). */
static uint64_t written_by_hand(struct rig *rig, int more_flags, const uint8_t *buffer)
{
	int root;
	const int fd = file_without_room(rig, more_flags, &root);
	uint64_t done = 0;
	ssize_t ret;

	while ((ret = pwrite(fd, buffer + done, N * BLOCK - done, (off_t)done)) > 0)
		done += (uint64_t)ret;
	check_eq(ret, -1);
	check_eq(errno, ENOSPC);
	close(root);
	return done;
}

/* One write that meets the missing block: what went before it is there, and counted in `done`; what
 * has room is written as ever. */
static void run_out_in_the_middle(struct rig *rig, int more_flags)
{
	struct job *jobs = rig_jobs(rig, 2);
	uint8_t *buffer = rig_buffer(rig, N * BLOCK);
	uint64_t expected;
	int root, fd;

	pattern_fill(buffer, N * BLOCK, 0, OTHER_SEED);
	expected = written_by_hand(rig, more_flags, buffer);
	fd = file_without_room(rig, more_flags, &root);
	rig_open(rig, NULL);
	ioe_prep_write(&jobs[0].event, fd, buffer, N * BLOCK, 0);
	check_eq(rig_do(rig, &jobs[0]), -ENOSPC);
	check_eq(jobs[0].done, expected);
	ioe_prep_write(&jobs[1].event, fd, buffer, BLOCK, (N - 1) * BLOCK);
	pattern_fill(buffer, BLOCK, (N - 1) * BLOCK, OTHER_SEED);
	check_eq(rig_do(rig, &jobs[1]), BLOCK);
	check_eq(stored_differs(fd, N - 1, OTHER_SEED), -1);
	for (uint32_t i = 0; i < expected / BLOCK; i++)
		check_eq(stored_differs(fd, i, OTHER_SEED), -1);
	rig_close(rig, IOE_CLOSE_DRAIN);
	close(root);
}

MATRIX_TEST(isolation, one_write_without_room_in_its_middle_keeps_its_count)
{
	run_out_in_the_middle(rig, 0);
}

MATRIX_TEST(isolation, one_direct_write_without_room_in_its_middle_keeps_its_count)
{
	run_out_in_the_middle(rig, O_DIRECT);
}
