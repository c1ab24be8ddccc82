/* SPDX-License-Identifier: MIT
 * test_short.c - PITFALLS P1 P4 P5 P6 P7: short transfers, no progress, errors after progress,
 *                lengths beyond 32 bits. */
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- P1 ---------------------------------------------------------------------------------- */

static int growing_fd = -1;
static uint32_t n_grown;

/* The file grows between the first attempt and the second. */
static void grow_file(struct ioe__completion *completion, const struct seam_request *request)
{
	if ((request->op == IOE_OP_READ) && completion->result == 1024 && growing_fd >= 0) {
		n_grown++;
		file_fill(growing_fd, 1024, 7168, RIG_SEED);
	}
}

/* Behind the one buffer a page that cannot be written, behind the other bytes that must not be:
 * a kernel that meets the page ends a read short, and nobody is the wiser. */
MATRIX_TEST(faults, p01_resumed_read_keeps_within_its_buffer)
{
	uint8_t *buffer = guard_buffer_open(4096), *canary = rig_buffer(rig, 8192);
	struct job *jobs = rig_jobs(rig, 2);

	growing_fd = rig_file(rig, 1024);
	seam_on_completion = grow_file;
	seam_watch();
	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, growing_fd, buffer, 4096, 0);
	check_eq(rig_do(rig, &jobs[0]), 4096);
	check_eq(jobs[0].done, 4096);
	check_eq(pattern_differs(buffer, 4096, 0, RIG_SEED), -1);
	check_sys(ftruncate(growing_fd, 1024));
	ioe_prep_read(&jobs[1].event, growing_fd, canary, 4096, 0);
	check_eq(rig_do(rig, &jobs[1]), 4096);
	check_eq(pattern_differs(canary, 4096, 0, RIG_SEED), -1);
	check_eq(bytes_differ(canary + 4096, 4096, 0xa5), -1);
	check_eq(n_grown, 2);
	check_eq(rig_stats(rig).resumed, 2);
	guard_buffer_close(buffer, 4096);
}

MATRIX_TEST(faults, p01_resumed_readv_keeps_within_its_buffers)
{
	static const uint64_t lengths[] = { 100, 924, 1, 1000, 0, 2071 };
	struct iovec iov[6];
	struct job *job = rig_jobs(rig, 1);
	uint64_t at = 0;

	growing_fd = rig_file(rig, 1024);
	seam_on_completion = grow_file;
	seam_watch();
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 6; i++)
		iov[i] = (struct iovec){ lengths[i] > 0 ? guard_buffer_open(lengths[i]) : NULL,
					 lengths[i] };
	ioe_prep_readv(&job->event, growing_fd, iov, 6, 0);
	check_eq(rig_do(rig, job), 4096);
	check_eq(n_grown, 1);
	for (uint32_t i = 0; i < 6; i++) {
		check_eq(pattern_differs(iov[i].iov_base, lengths[i], at, RIG_SEED), -1);
		at += lengths[i];
	}
}

/* Give out requests of at most a third. */
static void shorten(struct ioe__request *request)
{
	const uint64_t unit = 512;

	if ((request->op == IOE_OP_READ || request->op == IOE_OP_WRITE) && request->n_iov == 0 &&
	    request->length >= 3 * unit)
		request->length = request->length / 3 / unit * unit;
}

/* Pretend that less was transferred: half of it, of vectors and merged requests too. */
static void halve(struct ioe__completion *completion, const struct seam_request *request)
{
	if ((request->op == IOE_OP_READ || request->op == IOE_OP_WRITE) &&
	    completion->result >= 2 * 512)
		completion->result = completion->result / 2 / 512 * 512;
}

static void transfer_in_pieces(struct rig *rig)
{
	enum { SIZE = 64 << 10, PIECES = 8, EACH = SIZE / PIECES };
	const int fd = rig_file(rig, SIZE);
	uint8_t *in = guard_buffer_open(SIZE), *out = guard_buffer_open(SIZE);
	struct iovec iov[PIECES];
	struct job *jobs = rig_jobs(rig, 4 + PIECES);

	seam_watch();
	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, fd, in, SIZE, 0);
	check_eq(rig_do(rig, &jobs[0]), SIZE);
	check_eq(pattern_differs(in, SIZE, 0, RIG_SEED), -1);
	pattern_fill(out, SIZE, 0, 1);
	ioe_prep_write(&jobs[1].event, fd, out, SIZE, 0);
	check_eq(rig_do(rig, &jobs[1]), SIZE);
	check_eq(file_differs(fd, 0, SIZE, 1), -1);
	for (uint32_t i = 0; i < PIECES; i++)
		iov[i] = (struct iovec){ in + i * EACH, EACH };
	memset(in, 0, SIZE);
	ioe_prep_readv(&jobs[2].event, fd, iov, PIECES, 0);
	check_eq(rig_do(rig, &jobs[2]), SIZE);
	check_eq(pattern_differs(in, SIZE, 0, 1), -1);
	for (uint32_t i = 0; i < PIECES; i++)
		iov[i] = (struct iovec){ out + i * EACH, EACH };
	pattern_fill(out, SIZE, 0, 2);
	ioe_prep_writev(&jobs[3].event, fd, iov, PIECES, 0);
	check_eq(rig_do(rig, &jobs[3]), SIZE);
	check_eq(file_differs(fd, 0, SIZE, 2), -1);
	/* A merged request, cut in the middle of an event. */
	memset(in, 0, SIZE);
	for (uint32_t i = 0; i < PIECES; i++)
		ioe_prep_read(&jobs[4 + i].event, fd, in + i * EACH, EACH, i * EACH);
	check_eq(rig_batch(rig, jobs + 4, PIECES, false), PIECES);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < PIECES; i++) {
		check_eq(jobs[4 + i].result, EACH);
		check_eq(jobs[4 + i].done, EACH);
	}
	check_eq(pattern_differs(in, SIZE, 0, 2), -1);
	check_op(rig_stats(rig).resumed, >, 0);
	guard_buffer_close(in, SIZE);
	guard_buffer_close(out, SIZE);
}

DATA_TEST(faults, p01_transfer_in_short_requests_is_whole)
{
	seam_on_stage = shorten;
	transfer_in_pieces(rig);
}

DATA_TEST(faults, p01_transfer_with_short_results_is_whole)
{
	seam_on_completion = halve;
	transfer_in_pieces(rig);
}

/* ---- P4 ---------------------------------------------------------------------------------- */

static struct rlimit limit_before;

static void limit_file_size(uint64_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	check_sys(getrlimit(RLIMIT_FSIZE, &limit_before));
	limit = limit_before;
	limit.rlim_cur = bytes;
	check_sys(setrlimit(RLIMIT_FSIZE, &limit));
}

/* Before checks: what they print may go to a file as well. */
static void unlimit_file_size(void)
{
	check_sys(setrlimit(RLIMIT_FSIZE, &limit_before));
}

/* The unit of the place: with O_DIRECT the limit stands on a sector boundary. */
DATA_TEST(faults, p04_write_that_meets_the_limit_ends_with_efbig_and_done)
{
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, 0);
	uint8_t *buffer = rig_buffer(rig, 8 * u);
	struct iovec iov[2] = { { buffer, 2 * u }, { buffer + 2 * u, 6 * u } };
	struct job *jobs = rig_jobs(rig, 3);

	pattern_fill(buffer, 8 * u, 0, RIG_SEED);
	rig_open(rig, NULL);
	limit_file_size(5 * u);
	ioe_prep_write(&jobs[0].event, fd, buffer, 8 * u, 0);
	rig_do(rig, &jobs[0]);
	ioe_prep_writev(&jobs[1].event, fd, iov, 2, 0);
	rig_do(rig, &jobs[1]);
	ioe_prep_write(&jobs[2].event, fd, buffer, u, 5 * u);
	rig_do(rig, &jobs[2]);
	unlimit_file_size();
	check_eq(jobs[0].result, -EFBIG);
	check_eq(jobs[0].done, 5 * u);
	check_eq(jobs[1].result, -EFBIG);
	check_eq(jobs[1].done, 5 * u);
	check_eq(jobs[2].result, -EFBIG);
	check_eq(jobs[2].done, 0);
	check_eq(file_size(fd), 5 * u);
	check_eq(file_differs(fd, 0, 5 * u, RIG_SEED), -1);
}

DATA_TEST(faults, p04_merged_writes_past_the_limit_fail_and_the_others_do_not)
{
	enum { N = 8, GOOD = 5 };
	const uint64_t u = rig->unit;
	/* In the middle of an event, where that can be. */
	const uint64_t part = rig->direct ? 0 : u / 3;
	const int fd = rig_file(rig, 0);
	uint8_t *buffer = rig_buffer(rig, N * u);
	struct job *jobs = rig_jobs(rig, N);

	pattern_fill(buffer, N * u, 0, RIG_SEED);
	rig_open(rig, NULL);
	rig_push(rig);
	for (uint32_t i = 0; i < N; i++)
		ioe_prep_write(&jobs[i].event, fd, buffer + i * u, u, i * u);
	limit_file_size(GOOD * u + part);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	unlimit_file_size();
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].result, i < GOOD ? (int64_t)u : -EFBIG);
		check_eq(jobs[i].done, i < GOOD ? u : i == GOOD ? part : 0);
	}
	check_eq(file_size(fd), GOOD * u + part);
	check_eq(file_differs(fd, 0, GOOD * u + part, RIG_SEED), -1);
}

/* 64 writes that are one request at first; the limit stands `part` bytes into event GOOD. */
static void meet_limit_in_64(struct rig *rig, int more_flags, uint64_t part)
{
	enum { N = 64, GOOD = 37, EACH = 4096 };
	const int fd = rig_keep_fd(rig, file_reopen(rig_file(rig, 0), O_RDWR | more_flags));
	uint8_t *buffer = rig_buffer(rig, N * EACH);
	struct job *jobs = rig_jobs(rig, N);
	struct ioe_stats stats;

	pattern_fill(buffer, N * EACH, 0, RIG_SEED);
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++)
		ioe_prep_write(&jobs[i].event, fd, buffer + i * EACH, EACH, i * EACH);
	limit_file_size(GOOD * EACH + part);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	unlimit_file_size();
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, i < GOOD ? EACH : -EFBIG);
		check_eq(jobs[i].done, i < GOOD ? EACH : i == GOOD ? part : 0);
	}
	check_eq(file_size(fd), GOOD * EACH + part);
	check_eq(file_differs(fd, 0, GOOD * EACH + part, RIG_SEED), -1);
	/* All of them, then the rest as one, then what is left alone. */
	stats = rig_stats(rig);
	check_op(stats.merged_events, >=, 2 * N - GOOD - 1);
	check_eq(stats.split, 1);
	rig_close(rig, IOE_CLOSE_DRAIN);
}

NONE_TEST(faults, p04_limit_on_a_boundary_of_64_merged_writes)
{
	meet_limit_in_64(rig, 0, 0);
	meet_limit_in_64(rig, O_DIRECT, 0);
}

/* Direct writes: on a boundary of sectors; where the sector is the event, there is none. */
NONE_TEST(faults, p04_limit_inside_one_of_64_merged_writes)
{
	struct ioe_alignment alignment = { .size = sizeof(alignment) };
	const int fd = rig_file(rig, 4096);

	meet_limit_in_64(rig, 0, 1000);
	check_eq(ioe_file_alignment(fd, &alignment), 0);
	if (alignment.offset_bytes > 2048)
		cr_skip_test("direct writes: sectors of %u bytes", alignment.offset_bytes);
	meet_limit_in_64(rig, O_DIRECT, 2048);
}

/* ---- P5, P6 ------------------------------------------------------------------------------ */

static uint64_t zero_from; /* requests at this offset or beyond complete with 0 bytes */
static int64_t fail_with;  /* ... or with this error */

static void end_with_nothing(struct ioe__completion *completion, const struct seam_request *request)
{
	if ((request->op == IOE_OP_READ || request->op == IOE_OP_WRITE) &&
	    request->offset >= zero_from)
		completion->result = fail_with;
}

MATRIX_TEST(faults, p05_zero_byte_results_of_a_write_end_with_eio_after_one_more_try)
{
	const int fd = rig_file(rig, 8192);
	struct job *job = rig_jobs(rig, 1);

	seam_on_completion = end_with_nothing;
	seam_watch();
	rig_open(rig, NULL);
	ioe_prep_write(&job->event, fd, rig_buffer(rig, 8192), 8192, 0);
	check_eq(rig_do(rig, job), -EIO);
	check_eq(job->done, 0);
	check_eq(seam_n_staged(IOE_OP_WRITE), 2);
}

MATRIX_TEST(faults, p05_zero_byte_results_after_progress_end_with_eio_and_done)
{
	const int fd = rig_file(rig, 0);
	struct job *job = rig_jobs(rig, 1);

	zero_from = 1;
	seam_on_stage = shorten;
	seam_on_completion = end_with_nothing;
	seam_watch();
	rig_open(rig, NULL);
	ioe_prep_write(&job->event, fd, rig_buffer(rig, 9 * 512), 9 * 512, 0);
	check_eq(rig_do(rig, job), -EIO);
	check_eq(job->done, 3 * 512);
	check_eq(seam_n_staged(IOE_OP_WRITE), 3);
}

MATRIX_TEST(faults, p05_zero_byte_results_of_merged_writes_end_each_with_eio)
{
	enum { N = 6 };
	const int fd = rig_file(rig, 0);
	uint8_t *buffer = rig_buffer(rig, N * 1000);
	struct job *jobs = rig_jobs(rig, N);

	seam_on_completion = end_with_nothing;
	seam_watch();
	rig_open(rig, NULL);
	rig_push(rig);
	for (uint32_t i = 0; i < N; i++)
		ioe_prep_write(&jobs[i].event, fd, buffer + 1000 * i, 1000, 1000 * i);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].result, -EIO);
	/* Two tries of what was merged at the most, then two of each. */
	check_op(seam_n_staged(IOE_OP_WRITE), <=, 2 * N + 2);
}

MATRIX_TEST(faults, p05_zero_byte_results_of_a_read_are_the_end_of_the_file)
{
	const int fd = rig_file(rig, 9 * 512);
	struct job *jobs = rig_jobs(rig, 2);

	seam_on_stage = shorten;
	seam_on_completion = end_with_nothing;
	seam_watch();
	zero_from = 1;
	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, fd, rig_buffer(rig, 9 * 512), 9 * 512, 0);
	check_eq(rig_do(rig, &jobs[0]), 3 * 512);
	ioe_prep_read(&jobs[1].event, fd, rig_buffer(rig, 512), 512, 512);
	check_eq(rig_do(rig, &jobs[1]), 0);
	check_op(seam_n_staged(IOE_OP_READ), <=, 6);
}

MATRIX_TEST(faults, p06_error_after_progress_keeps_the_byte_count)
{
	const int fd = rig_file(rig, 9 * 512);
	uint8_t *buffer = rig_buffer(rig, 9 * 512);
	struct iovec iov[2] = { { buffer, 100 }, { buffer + 100, 9 * 512 - 100 } };
	static const int errors[] = { ENOSPC, EIO, EBUSY, EDQUOT };
	struct job *jobs = rig_jobs(rig, 6);

	zero_from = 1;
	fail_with = -EIO;
	seam_on_stage = shorten;
	seam_on_completion = end_with_nothing;
	seam_watch();
	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, fd, buffer, 9 * 512, 0);
	check_eq(rig_do(rig, &jobs[0]), -EIO);
	check_eq(jobs[0].done, 3 * 512);
	/* A vector at once: no progress, no count. */
	ioe_prep_readv(&jobs[1].event, fd, iov, 2, 1);
	check_eq(rig_do(rig, &jobs[1]), -EIO);
	check_eq(jobs[1].done, 0);
	for (uint32_t i = 0; i < 4; i++) {
		struct job *job = &jobs[2 + i];

		fail_with = -errors[i];
		ioe_prep_write(&job->event, fd, buffer, 9 * 512, 0);
		check_eq(rig_do(rig, job), -errors[i]);
		check_eq(job->done, 3 * 512);
	}
	/* Not one of these errors is something to be tried again. */
	check_eq(rig_stats(rig).retried, 0);
	check_eq(seam_n_staged(IOE_OP_WRITE), 2 * 4);
}

static uint32_t n_first;

/* A merged request: half is done, then an error; run one by one, all goes well. */
static void fail_in_the_middle(struct ioe__completion *completion,
			       const struct seam_request *request)
{
	if (request->op != IOE_OP_WRITE || request->n_events < 2)
		return;
	completion->result = n_first++ == 0 ? completion->result / 2 : -EIO;
}

MATRIX_TEST(faults, p06_error_of_a_merged_write_is_nobodys_who_can_be_written)
{
	enum { N = 6 };
	const int fd = rig_file(rig, 0);
	uint8_t *buffer = rig_buffer(rig, N * 1000);
	struct job *jobs = rig_jobs(rig, N);

	pattern_fill(buffer, N * 1000, 0, RIG_SEED);
	seam_on_completion = fail_in_the_middle;
	seam_watch();
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++)
		ioe_prep_write(&jobs[i].event, fd, buffer + 1000 * i, 1000, 1000 * i);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].result, 1000);
		check_eq(jobs[i].done, 1000);
	}
	check_eq(file_differs(fd, 0, N * 1000, RIG_SEED), -1);
}

/* ---- P7 ---------------------------------------------------------------------------------- */

MATRIX_TEST(faults, p07_fallocate_of_three_gib_is_a_success)
{
	const uint64_t size = UINT64_C(3) << 30;
	const int fd = rig_file(rig, 0);
	struct job *jobs = rig_jobs(rig, 2);

	rig_open(rig, NULL);
	ioe_prep_fallocate(&jobs[0].event, fd, 0, 0, size);
	rig_do(rig, &jobs[0]);
	if (jobs[0].result == -ENOSPC || jobs[0].result == -EOPNOTSUPP)
		cr_skip_test("fallocate of 3 GiB: %s", strerror((int)-jobs[0].result));
	check_eq(jobs[0].result, 0);
	check_eq(file_size(fd), size);
}

/* length bytes of address space over 64 MiB of memory, again and again. */
static uint8_t *map_large(uint64_t length)
{
	const uint64_t chunk = 64 << 20;
	const int fd = (int)check_sys(memfd_create("large", MFD_CLOEXEC));
	uint8_t *base =
		mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	cr_assert(base != MAP_FAILED);
	check_sys(ftruncate(fd, (off_t)chunk));
	for (uint64_t at = 0; at < length; at += chunk) {
		const uint64_t n = length - at < chunk ? length - at : chunk;
		void *at_base =
			mmap(base + at, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);

		cr_assert(at_base == base + at);
	}
	close(fd);
	return base;
}

/* More than a system call moves: 0x7ffff000 bytes and 8 KiB. */
MATRIX_TEST(faults, p07_write_above_the_kernels_limit_is_continued)
{
	const uint64_t length = UINT64_C(5) << 30;
	const int fd = rig_keep_fd(rig, open("/dev/null", O_WRONLY | O_CLOEXEC));
	uint8_t *buffer = map_large(length);
	struct job *job = rig_jobs(rig, 1);

	seam_watch();
	rig_open(rig, NULL);
	ioe_prep_write(&job->event, fd, buffer, length, 0);
	check_eq(rig_do(rig, job), length);
	check_eq(job->done, length);
	check_eq(seam_n_staged(IOE_OP_WRITE), 3);
	munmap(buffer, length);
}

BACKEND_TEST(faults, p07_read_above_the_kernels_limit_is_continued)
{
	const uint64_t limit = UINT64_C(0x7ffff000), length = limit + 8192;
	const int fd = rig_keep_fd(rig, place_file(PLACE_DISK_DIRECT, 0, 0, 0));
	uint8_t *buffer = map_large(length);
	struct iovec iov[3] = { { buffer, 1 << 20 },
				{ buffer + (1 << 20), limit - (1 << 20) + 4096 },
				{ buffer + limit + 4096, 4096 } };
	struct job *jobs = rig_jobs(rig, 2);

	/* A hole, and 8 KiB behind what one system call reads. */
	file_fill(fd, limit, 8192, RIG_SEED);
	check_sys(fsync(fd));
	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, fd, buffer, length, 0);
	check_eq(rig_do(rig, &jobs[0]), length);
	check_eq(pattern_differs(buffer + limit, 8192, limit, RIG_SEED), -1);
	memset(buffer + limit, 0, 8192);
	ioe_prep_readv(&jobs[1].event, fd, iov, 3, 0);
	check_eq(rig_do(rig, &jobs[1]), length);
	check_eq(pattern_differs(buffer + limit, 8192, limit, RIG_SEED), -1);
	munmap(buffer, length);
}
