/* SPDX-License-Identifier: MIT
 * test_ops.c - each operation ends as its system call does: results, errors, side effects. */
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <pty.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

MATRIX_TEST(ops, nop_ends_with_zero)
{
	struct job *jobs = rig_jobs(rig, 100);

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 100; i++) {
		ioe_prep_nop(&jobs[i].event);
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_all(rig);
	for (uint32_t i = 0; i < 100; i++) {
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, 0);
		check_eq(jobs[i].done, 0);
	}
	check_eq(rig_stats(rig).events_by_op[IOE_OP_NOP], 100);
}

MATRIX_TEST(ops, syncs_end_with_zero_on_a_file)
{
	const int fd = rig_file(rig, 8192);
	struct job *jobs = rig_jobs(rig, 3);

	rig_open(rig, NULL);
	ioe_prep_write(&jobs[0].event, fd, rig_buffer(rig, 4096), 4096, 0);
	check_eq(rig_do(rig, &jobs[0]), 4096);
	ioe_prep_fsync(&jobs[1].event, fd);
	check_eq(rig_do(rig, &jobs[1]), 0);
	ioe_prep_fdatasync(&jobs[2].event, fd);
	check_eq(rig_do(rig, &jobs[2]), 0);
}

MATRIX_TEST(ops, fallocate_does_what_the_system_call_does_in_every_mode)
{
	static const struct {
		int mode;
		uint64_t offset, length;
	} steps[] = {
		{ 0, 0, 100000 },
		{ 0, 65536, 65536 },
		{ FALLOC_FL_KEEP_SIZE, 1 << 20, 65536 },
		{ FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192 },
		{ FALLOC_FL_PUNCH_HOLE, 4096, 8192 }, /* not without KEEP_SIZE */
		{ FALLOC_FL_ZERO_RANGE, 16384, 5000 },
		{ FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 130000, 8192 },
		{ FALLOC_FL_COLLAPSE_RANGE, 4096, 4096 },
		{ FALLOC_FL_COLLAPSE_RANGE, 4096, 1000 }, /* not aligned to a block */
		{ FALLOC_FL_INSERT_RANGE, 8192, 8192 },
		{ FALLOC_FL_UNSHARE_RANGE, 0, 4096 },
		{ 0x8000, 0, 4096 },           /* no such mode */
		{ 0, INT64_MAX - 4096, 4096 }, /* beyond what a file can be */
	};
	enum { N = sizeof(steps) / sizeof(steps[0]) };
	const int ours = rig_file(rig, 100000), plain = rig_file(rig, 100000);
	struct job *jobs = rig_jobs(rig, N);
	uint8_t *a = rig_buffer(rig, 1 << 18), *b = rig_buffer(rig, 1 << 18);

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		const int ret = fallocate(plain, steps[i].mode, (off_t)steps[i].offset,
					  (off_t)steps[i].length);
		const int expected = ret == 0 ? 0 : -errno;

		ioe_prep_fallocate(&jobs[i].event, ours, steps[i].mode, steps[i].offset,
				   steps[i].length);
		cr_assert(rig_do(rig, &jobs[i]) == expected, "step %u: %lld, not %d", i,
			  (long long)jobs[i].result, expected);
		check_eq(jobs[i].done, 0);
		cr_assert(file_size(ours) == file_size(plain), "size after step %u", i);
		check_eq(pread(ours, a, 1 << 18, 0), pread(plain, b, 1 << 18, 0));
		cr_assert(memcmp(a, b, 1 << 18) == 0, "contents after step %u", i);
	}
}

/* The operations that take an fd, prepared with arguments that would do for a file. */
enum { N_FD_OPS = 7 };
static void prep_fd_op(struct ioe_event *event, uint32_t which, int fd, void *buffer,
		       const struct iovec *iov)
{
	switch (which) {
	case 0:
		ioe_prep_read(event, fd, buffer, 4096, 0);
		break;
	case 1:
		ioe_prep_write(event, fd, buffer, 4096, 0);
		break;
	case 2:
		ioe_prep_readv(event, fd, iov, 2, 0);
		break;
	case 3:
		ioe_prep_writev(event, fd, iov, 2, 0);
		break;
	case 4:
		ioe_prep_fsync(event, fd);
		break;
	case 5:
		ioe_prep_fdatasync(event, fd);
		break;
	default:
		ioe_prep_fallocate(event, fd, 0, 0, 4096);
	}
}

static int64_t call_fd_op(uint32_t which, int fd, void *buffer, const struct iovec *iov)
{
	int64_t ret;

	switch (which) {
	case 0:
		ret = pread(fd, buffer, 4096, 0);
		break;
	case 1:
		ret = pwrite(fd, buffer, 4096, 0);
		break;
	case 2:
		ret = preadv(fd, iov, 2, 0);
		break;
	case 3:
		ret = pwritev(fd, iov, 2, 0);
		break;
	case 4:
		ret = fsync(fd);
		break;
	case 5:
		ret = fdatasync(fd);
		break;
	default:
		ret = fallocate(fd, 0, 0, 4096);
	}
	return ret < 0 ? -errno : ret;
}

/* Each operation on fd, against its system call; which: bits of those to try. */
static void compare_on(struct rig *rig, const char *what, int fd, uint32_t which)
{
	uint8_t *buffer = rig_buffer(rig, 4096);
	const struct iovec iov[2] = { { buffer, 1000 }, { buffer + 1000, 3096 } };
	struct job *jobs = rig_jobs(rig, N_FD_OPS);

	for (uint32_t i = 0; i < N_FD_OPS; i++) {
		int64_t expected;

		if ((which & (1U << i)) == 0)
			continue;
		expected = call_fd_op(i, fd, buffer, iov);
		prep_fd_op(&jobs[i].event, i, fd, buffer, iov);
		rig_do(rig, &jobs[i]);
		cr_assert(jobs[i].result == expected, "operation %u on %s: %lld, not %lld", i, what,
			  (long long)jobs[i].result, (long long)expected);
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].done, expected > 0 ? expected : 0);
	}
}

MATRIX_TEST(ops, closed_fd_is_ebadf_for_each_operation)
{
	int fd;

	rig_open(rig, NULL);
	/* A number that the engine has not taken. */
	fd = (int)check_sys(dup(STDERR_FILENO));
	close(fd);
	compare_on(rig, "a closed fd", fd, ~0U);
	compare_on(rig, "an fd that never was", 1 << 20, ~0U);
	check_eq(rig_stats(rig).errors, 2 * N_FD_OPS);
}

MATRIX_TEST(ops, errors_are_those_of_the_system_calls)
{
	const int file = rig_file(rig, 8192);
	const int read_only = rig_keep_fd(rig, file_reopen(file, O_RDONLY));
	const int write_only = rig_keep_fd(rig, file_reopen(file, O_WRONLY));
	const int path_only = rig_keep_fd(rig, open("/", O_PATH | O_CLOEXEC));
	const int directory = rig_keep_fd(rig, open("/", O_RDONLY | O_CLOEXEC));

	rig_open(rig, NULL);
	compare_on(rig, "a file", file, ~0U);
	compare_on(rig, "a file open for reading", read_only, ~0U);
	compare_on(rig, "a file open for writing", write_only, ~0U);
	compare_on(rig, "an O_PATH fd", path_only, ~0U);
	compare_on(rig, "a directory", directory, ~0U);
}

MATRIX_TEST(ops, devices_work_as_with_system_calls)
{
	const int zero = rig_keep_fd(rig, open("/dev/zero", O_RDWR | O_CLOEXEC));
	const int null = rig_keep_fd(rig, open("/dev/null", O_RDWR | O_CLOEXEC));
	const int full = rig_keep_fd(rig, open("/dev/full", O_RDWR | O_CLOEXEC));

	rig_open(rig, NULL);
	compare_on(rig, "/dev/zero", zero, ~0U);
	compare_on(rig, "/dev/null", null, ~0U);
	compare_on(rig, "/dev/full", full, ~0U);
}

MATRIX_TEST(ops, buffer_that_is_not_memory_is_efault)
{
	const int fd = rig_file(rig, 8192);
	void *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct job *jobs = rig_jobs(rig, 3);

	cr_assert(nowhere != MAP_FAILED);
	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, fd, nowhere, 4096, 0);
	check_eq(rig_do(rig, &jobs[0]), -EFAULT);
	ioe_prep_write(&jobs[1].event, fd, nowhere, 4096, 0);
	check_eq(rig_do(rig, &jobs[1]), -EFAULT);
	ioe_prep_read(&jobs[2].event, fd, rig_buffer(rig, 4096), 4096, 0);
	check_eq(rig_do(rig, &jobs[2]), 4096);
	munmap(nowhere, 4096);
}

MATRIX_TEST(ops, pipe_ignores_the_offset_and_is_read_to_the_length)
{
	char out[10] = "0123456789", in[10] = "";
	struct job *jobs = rig_jobs(rig, 3);
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, fds[0], in, 10, 12345);
	rig_submit(rig, &jobs[0]);
	ioe_prep_write(&jobs[1].event, fds[1], out, 4, 99);
	check_eq(rig_do(rig, &jobs[1]), 4);
	check_eq(job_calls(&jobs[0]), 0);
	ioe_prep_write(&jobs[2].event, fds[1], out + 4, 6, 0);
	check_eq(rig_do(rig, &jobs[2]), 6);
	rig_wait(rig, &jobs[0]);
	check_eq(jobs[0].result, 10);
	check_eq(jobs[0].done, 10);
	check_eq(memcmp(in, out, 10), 0);
}

MATRIX_TEST(ops, pipe_read_ends_short_at_the_end_of_the_stream)
{
	char in[10] = "";
	struct job *job = rig_jobs(rig, 1);
	int fds[2];

	check_sys(pipe2(fds, O_CLOEXEC));
	rig_keep_fd(rig, fds[0]);
	rig_open(rig, NULL);
	check_eq(write(fds[1], "abc", 3), 3);
	ioe_prep_read(&job->event, fds[0], in, 10, 0);
	rig_submit(rig, job);
	close(fds[1]);
	rig_wait(rig, job);
	check_eq(job->result, 3);
	check_eq(memcmp(in, "abc", 3), 0);
}

MATRIX_TEST(ops, no_resume_hands_over_what_is_there)
{
	char in[10];
	struct job *jobs = rig_jobs(rig, 2);
	int fds[2];
	const int fd = rig_file(rig, 5000);

	rig_needs_file(rig, RIG_END);
	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	check_eq(write(fds[1], "abc", 3), 3);
	ioe_prep_read(&jobs[0].event, fds[0], in, 10, 0);
	jobs[0].event.flags = IOE_EVENT_NO_RESUME;
	check_eq(rig_do(rig, &jobs[0]), 3);
	check_eq(jobs[0].done, 3);
	ioe_prep_read(&jobs[1].event, fd, rig_buffer(rig, 8192), 8192, 0);
	jobs[1].event.flags = IOE_EVENT_NO_RESUME;
	check_eq(rig_do(rig, &jobs[1]), 5000);
	check_eq(rig_stats(rig).resumed, 0);
}

/* A difference that kernels force: io_uring waits for a pipe to become ready even if it is open
 * with O_NONBLOCK (io_rw_init_file() in io_uring/rw.c); system calls and AIO do not. */
MATRIX_TEST(ops, empty_nonblocking_pipe_is_eagain_but_waited_for_on_uring)
{
	char in[10];
	struct job *job = rig_jobs(rig, 1);
	int fds[2];

	check_sys(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	rig_keep_fd(rig, fds[0]);
	rig_keep_fd(rig, fds[1]);
	rig_open(rig, NULL);
	ioe_prep_read(&job->event, fds[0], in, 3, 0);
	if (rig->row.backend != IOE_BACKEND_URING) {
		check_eq(rig_do(rig, job), -EAGAIN);
		/* At once, not after a second of retries. */
		check_eq(rig_stats(rig).retried, 0);
		return;
	}
	rig_submit(rig, job);
	rig_wait_in_flight(rig, 1);
	check_eq(write(fds[1], "abc", 3), 3);
	rig_wait(rig, job);
	check_eq(job->result, 3);
}

MATRIX_TEST(ops, pipe_without_reader_is_epipe)
{
	struct job *job = rig_jobs(rig, 1);
	int fds[2];

	/* With NONE the system call may be made on this thread. */
	signal(SIGPIPE, SIG_IGN);
	check_sys(pipe2(fds, O_CLOEXEC));
	rig_keep_fd(rig, fds[1]);
	close(fds[0]);
	rig_open(rig, NULL);
	ioe_prep_write(&job->event, fds[1], "abc", 3, 0);
	check_eq(rig_do(rig, job), -EPIPE);
}

MATRIX_TEST(ops, appending_writes_go_to_the_end)
{
	const int file = rig_file(rig, 1000);
	const int fd = rig_keep_fd(rig, file_reopen(file, O_WRONLY | O_APPEND));
	uint8_t *buffer = rig_buffer(rig, 3000);
	struct job *jobs = rig_jobs(rig, 3);

	rig_needs_file(rig, RIG_GROWTH);
	pattern_fill(buffer, 3000, 1000, RIG_SEED);
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		ioe_prep_write(&jobs[i].event, fd, buffer + 1000 * i, 1000, 0);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
		check_eq(rig_do(rig, &jobs[i]), 1000);
	}
	check_eq(file_size(file), 4000);
	check_eq(file_differs(file, 0, 4000, RIG_SEED), -1);
}

/* A file that cannot seek and does not know RWF_NOWAIT. */
MATRIX_TEST(ops, terminal_is_read_and_written)
{
	enum { SIZE = 6000 }; /* more than PIPE_BUF */
	struct job *jobs = rig_jobs(rig, 3);
	uint8_t *out = rig_buffer(rig, SIZE), *in = rig_buffer(rig, SIZE);
	const struct iovec iov[2] = { { out, 0 }, { out, SIZE } };
	struct termios raw;
	uint32_t n = 0;
	int far, near;

	check_sys(openpty(&far, &near, NULL, NULL, NULL));
	rig_keep_fd(rig, far);
	rig_keep_fd(rig, near);
	check_sys(tcgetattr(near, &raw));
	cfmakeraw(&raw);
	check_sys(tcsetattr(near, TCSANOW, &raw));
	rig_open(rig, NULL);
	/* The read waits for the other side. */
	ioe_prep_read(&jobs[0].event, near, in, 5, 777);
	rig_submit(rig, &jobs[0]);
	rig_wait_in_flight(rig, 1);
	check_eq(write(far, "hello", 5), 5);
	rig_wait(rig, &jobs[0]);
	check_eq(jobs[0].result, 5);
	check_eq(memcmp(in, "hello", 5), 0);
	pattern_fill(out, SIZE, 0, RIG_SEED);
	ioe_prep_writev(&jobs[1].event, near, iov, 2, 0);
	check_eq(rig_do(rig, &jobs[1]), SIZE);
	while (n < SIZE)
		n += (uint32_t)check_sys(read(far, in + n, SIZE - n));
	check_eq(pattern_differs(in, SIZE, 0, RIG_SEED), -1);
}
