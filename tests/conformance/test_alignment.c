/* SPDX-License-Identifier: MIT
 * test_alignment.c - ioe_file_alignment() (A11): what it reports is enough, and less is the
 *                    event's own -EINVAL. */
#include "tests/lib/rig.h"
#include "tests/lib/trace.h"

#include <fcntl.h>
#include <unistd.h>

static struct ioe_alignment alignment_of(int fd)
{
	struct ioe_alignment alignment = { .size = sizeof(alignment) };
	const int ret = ioe_file_alignment(fd, &alignment);

	if (ret == -EOPNOTSUPP)
		cr_skip_test("this file system has no direct IO");
	check_eq(ret, 0);
	return alignment;
}

static bool is_power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

Test(alignment, is_told_for_files_and_refused_for_nonsense)
{
	const int fd = place_file(PLACE_DISK, 4096, RIG_SEED, 0);
	struct ioe_alignment alignment;

	alignment = alignment_of(fd);
	check_eq(alignment.size, sizeof(alignment));
	cr_assert(is_power_of_two(alignment.memory_bytes), "%u", alignment.memory_bytes);
	cr_assert(is_power_of_two(alignment.offset_bytes), "%u", alignment.offset_bytes);
	check_op(alignment.offset_bytes, <=, 65536);
	check_eq(ioe_file_alignment(fd, NULL), -EINVAL);
	alignment.size = 11;
	check_eq(ioe_file_alignment(fd, &alignment), -EINVAL);
	alignment.size = 0;
	check_eq(ioe_file_alignment(fd, &alignment), -EINVAL);
	alignment.size = 12;
	check_eq(ioe_file_alignment(fd, &alignment), 0);
	check_eq(ioe_file_alignment(-1, &alignment), -EBADF);
	check_eq(ioe_file_alignment(1 << 20, &alignment), -EBADF);
	close(fd);
}

Test(alignment, is_filled_up_to_the_callers_size)
{
	const int fd = place_file(PLACE_DISK, 4096, RIG_SEED, 0);
	struct {
		struct ioe_alignment alignment;
		uint8_t tail[16];
	} out;

	memset(&out, 0xa5, sizeof(out));
	out.alignment.size = sizeof(out);
	check_eq(ioe_file_alignment(fd, &out.alignment), 0);
	check_op(out.alignment.memory_bytes, <=, 4096);
	close(fd);
}

/* What the event must end with: what the system call ends with. */
static void compare_with_pread(struct rig *rig, int fd, void *buffer, uint64_t length,
			       uint64_t offset, int64_t must_be)
{
	struct job *job = rig_jobs(rig, 1);
	int64_t expected = pread(fd, buffer, length, (off_t)offset);

	if (expected < 0)
		expected = -errno;
	ioe_prep_read(&job->event, fd, buffer, length, offset);
	cr_assert(rig_do(rig, job) == expected, "%lld, not %lld (length %llu, offset %llu)",
		  (long long)job->result, (long long)expected, (unsigned long long)length,
		  (unsigned long long)offset);
	if (must_be != INT64_MIN)
		check_eq(job->result, must_be);
}

static void at_the_minimum_and_below(struct rig *rig, enum place place)
{
	const int fd = rig_keep_fd(rig, place_file(place, 65536, RIG_SEED, 0));
	const struct ioe_alignment a = alignment_of(fd);
	const uint64_t o = a.offset_bytes;
	uint8_t *buffer = rig_buffer(rig, 65536 + 4096);

	rig_open(rig, NULL);
	compare_with_pread(rig, fd, buffer + a.memory_bytes, o, o, (int64_t)o);
	check_eq(pattern_differs(buffer + a.memory_bytes, o, o, RIG_SEED), -1);
	if (o > 1) {
		/* One less: refused by every file system that has an alignment at all. */
		const bool strict = !place_is_memory(place);

		compare_with_pread(rig, fd, buffer, o, o - 1, strict ? -EINVAL : INT64_MIN);
		compare_with_pread(rig, fd, buffer, o - 1, 0, strict ? -EINVAL : INT64_MIN);
		compare_with_pread(rig, fd, buffer, o + 1, 0, strict ? -EINVAL : INT64_MIN);
	}
	/* Of memory the kernel may take less than it promises. */
	if (a.memory_bytes > 1)
		compare_with_pread(rig, fd, buffer + a.memory_bytes - 1, o, 0, INT64_MIN);
}

MATRIX_TEST(alignment, reported_minimum_is_enough_and_one_less_is_einval)
{
	at_the_minimum_and_below(rig, PLACE_DISK_DIRECT);
}

MATRIX_TEST(alignment, reported_minimum_is_enough_in_memory_too)
{
	at_the_minimum_and_below(rig, PLACE_SHM_DIRECT);
}

MATRIX_TEST(alignment, misaligned_event_fails_alone)
{
	enum { N = 9, BAD = 4 };
	const int fd = rig_keep_fd(rig, place_file(PLACE_DISK_DIRECT, N * 4096, RIG_SEED, 0));
	uint8_t *buffer = rig_buffer(rig, N * 4096);
	struct job *jobs = rig_jobs(rig, N);

	if (alignment_of(fd).offset_bytes == 1 || place_is_memory(PLACE_DISK_DIRECT))
		cr_skip_test("nothing is misaligned here");
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++)
		ioe_prep_read(&jobs[i].event, fd, buffer + i * 4096, i == BAD ? 4095 : 4096,
			      i * 4096);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].result, i == BAD ? -EINVAL : 4096);
		if (i != BAD)
			check_eq(pattern_differs(buffer + i * 4096, 4096, i * 4096, RIG_SEED), -1);
	}
}

/* In memory, where the kernel does not say what direct IO wants. */
static void ask_of_memory(void *arg)
{
	const int fd = place_file(PLACE_SHM, 4096, RIG_SEED, 0);
	struct ioe_alignment alignment = { .size = sizeof(alignment) };

	(void)arg;
	must(ioe_file_alignment(fd, &alignment) == 0, "ioe_file_alignment");
}

/* FUSE hands an ioctl to its server, and drivers ask too. */
Test(alignment, asks_files_by_no_ioctl)
{
	static const char *const options[] = { "-e", "trace=statx,ioctl", NULL };
	struct trace trace;

	trace_run(&trace, options, ask_of_memory, NULL);
	check_op(trace_count_text(&trace, "statx", "AT_STATX_DONT_SYNC"), >=, 1);
	check_eq(trace_count_text(&trace, "ioctl", "BLKSSZGET"), 0);
	trace_close(&trace);
}
