/* SPDX-License-Identifier: MIT
 * test_ends.c - PITFALLS P13 P21 P24 P32 P33 P34: ends of files, of engines, and of syncs. */
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"
#include "tests/lib/trace.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- P13 --------------------------------------------------------------------------------- */

static int sync_fd = -1;
static uint32_t n_writes_left; /* bytes that a sync would miss */
static uint32_t n_early_syncs;
static uint32_t n_halved;
static uint64_t bytes_done;

/* Writes come back short; what they did is added up, and a sync must find all of it. */
static void cut_writes(struct ioe__completion *completion, const struct seam_request *request)
{
	if (request->op != IOE_OP_WRITE || completion->result <= 0)
		return;
	if (n_halved % 3 != 2 && completion->result >= 2 * 4096)
		completion->result = completion->result / 2 / 4096 * 4096;
	n_halved++;
	bytes_done += (uint64_t)completion->result;
}

static void watch_sync(struct ioe__request *request)
{
	if (request->op == IOE_OP_FSYNC && request->fd == sync_fd && bytes_done < n_writes_left)
		n_early_syncs++;
}

DATA_TEST(faults, p13_barrier_sync_waits_for_resumed_writes)
{
	enum { N = 24, EACH = 16384 };
	const int fd = rig_file(rig, 0);
	uint8_t *buffer = rig_buffer(rig, N * EACH);
	struct job *jobs = rig_jobs(rig, N + 1);

	pattern_fill(buffer, N * EACH, 0, RIG_SEED);
	sync_fd = fd;
	n_writes_left = N * EACH;
	seam_on_completion = cut_writes;
	seam_on_stage = watch_sync;
	seam_watch();
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_write(&jobs[i].event, fd, buffer + i * EACH, EACH, i * EACH);
		jobs[i].event.flags = i % 2 == 0 ? IOE_EVENT_NO_MERGE : 0;
	}
	ioe_prep_fsync(&jobs[N].event, fd);
	jobs[N].event.flags = IOE_EVENT_BARRIER;
	check_eq(rig_batch(rig, jobs, N + 1, false), N + 1);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].result, EACH);
	check_eq(jobs[N].result, 0);
	check_eq(n_early_syncs, 0);
	check_op(rig_stats(rig).resumed, >, 0);
	check_eq(file_differs(fd, 0, N * EACH, RIG_SEED), -1);
}

/* ---- P21 --------------------------------------------------------------------------------- */

/* A few cycles; stress_cycles makes a thousand. */
MATRIX_TEST(faults, p21_each_operation_then_close_at_depth_one)
{
	enum { OPS = 8 };
	const int fd = rig_file(rig, 8192);
	uint8_t *buffer = rig_buffer(rig, 4096);
	struct iovec iov = { buffer, 4096 };
	const uint32_t n_threads = process_n_threads(), n_fds = process_n_fds();

	for (uint32_t op = 0; op < OPS; op++) {
		struct ioe_config config = rig_config(rig);
		struct job *jobs = rig_jobs(rig, 2);

		config.depth_max = 1;
		config.channel_capacity = 1;
		rig_open(rig, &config);
		rig_push(rig);
		for (uint32_t i = 0; i < 2; i++) {
			struct ioe_event *event = &jobs[i].event;

			switch (op) {
			case 0:
				ioe_prep_nop(event);
				break;
			case 1:
				ioe_prep_read(event, fd, buffer, 4096, 0);
				break;
			case 2:
				ioe_prep_write(event, fd, buffer, 4096, 0);
				break;
			case 3:
				ioe_prep_readv(event, fd, &iov, 1, 0);
				break;
			case 4:
				ioe_prep_writev(event, fd, &iov, 1, 0);
				break;
			case 5:
				ioe_prep_fsync(event, fd);
				break;
			case 6:
				ioe_prep_fdatasync(event, fd);
				break;
			default:
				ioe_prep_fallocate(event, fd, 0, 0, 8192);
			}
			rig_submit(rig, &jobs[i]);
		}
		rig_close(rig, op % 2 == 0 ? IOE_CLOSE_DRAIN : IOE_CLOSE_CANCEL);
		for (uint32_t i = 0; i < 2; i++)
			cr_assert(jobs[i].result >= 0 || jobs[i].result == -ECANCELED,
				  "operation %u: %lld", op, (long long)jobs[i].result);
	}
	cr_assert(process_wait_threads(n_threads), "%u threads left",
		  process_n_threads() - n_threads);
	check_eq(process_n_fds(), n_fds);
}

/* ---- P24 --------------------------------------------------------------------------------- */

static void end_with_enoent(struct ioe__completion *completion, const struct seam_request *request)
{
	if (request->op == IOE_OP_FSYNC)
		completion->result = -ENOENT;
}

/* -ENOENT and -EALREADY are what a cancel ends with: here they are the event's own. */
MATRIX_TEST(faults, p24_event_that_really_ends_with_enoent)
{
	const int fd = rig_file(rig, 1000);
	struct job *jobs = rig_jobs(rig, 4);
	char bytes[3];
	int fds[2];

	rig_pipe(rig, fds);
	seam_on_completion = end_with_enoent;
	seam_watch();
	rig_open(rig, NULL);
	/* Something to be cancelled at the same time. */
	for (uint32_t i = 0; i < 3; i++) {
		ioe_prep_read(&jobs[i].event, fds[0], &bytes[i], 1, 0);
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_in_flight(rig, 3);
	ioe_prep_fsync(&jobs[3].event, fd);
	rig_submit(rig, &jobs[3]);
	rig_wait(rig, &jobs[3]);
	rig_close(rig, IOE_CLOSE_CANCEL);
	check_eq(jobs[3].result, -ENOENT);
	for (uint32_t i = 0; i < 3; i++)
		check_eq(jobs[i].result, -ECANCELED);
}

/* ---- P32 --------------------------------------------------------------------------------- */

DATA_TEST(faults, p32_direct_read_across_an_unaligned_end_of_file)
{
	static const uint64_t sizes[] = { 1, 511, 513, 4095, 4097, 10001, 12288, 16383 };
	uint8_t *buffer = rig_buffer(rig, 16384);
	struct job *jobs = rig_jobs(rig, 8 * 3);

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 8; i++) {
		const int fd = rig_file(rig, sizes[i]);
		const uint64_t last = sizes[i] / 4096 * 4096;
		struct iovec iov[2] = { { buffer, 8192 }, { buffer + 8192, 8192 } };

		ioe_prep_read(&jobs[3 * i].event, fd, buffer, 16384, 0);
		check_eq(rig_do(rig, &jobs[3 * i]), sizes[i]);
		check_eq(pattern_differs(buffer, sizes[i], 0, RIG_SEED), -1);
		ioe_prep_readv(&jobs[3 * i + 1].event, fd, iov, 2, 0);
		check_eq(rig_do(rig, &jobs[3 * i + 1]), sizes[i]);
		check_eq(pattern_differs(buffer, sizes[i], 0, RIG_SEED), -1);
		ioe_prep_read(&jobs[3 * i + 2].event, fd, buffer, 4096, last);
		check_eq(rig_do(rig, &jobs[3 * i + 2]), sizes[i] - last);
	}
	check_eq(rig_stats(rig).errors, 0);
}

DATA_TEST(faults, p32_merged_direct_reads_across_an_unaligned_end_of_file)
{
	enum { N = 5 };
	static const int64_t expected[N] = { 4096, 4096, 10001 - 8192, 0, 0 };
	const int fd = rig_file(rig, 10001);
	uint8_t *buffer = rig_buffer(rig, N * 4096);
	struct job *jobs = rig_jobs(rig, N);

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++)
		ioe_prep_read(&jobs[i].event, fd, buffer + i * 4096, 4096, i * 4096);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].result, expected[i]);
		check_eq(jobs[i].done, expected[i]);
	}
	check_eq(pattern_differs(buffer, 10001, 0, RIG_SEED), -1);
}

static uint32_t n_resumed_with_einval;

static void refuse_the_resumed(struct ioe__completion *completion,
			       const struct seam_request *request)
{
	if (request->op != IOE_OP_READ || request->n_events != 1)
		return;
	if (request->offset == 0) {
		completion->result = 5000;
	} else {
		completion->result = -EINVAL;
		n_resumed_with_einval++;
	}
}

/* Kernels that answer -EINVAL to the unaligned rest: end of file, for direct reads only. */
MATRIX_TEST(faults, p32_einval_for_the_rest_of_a_direct_read_is_the_end_of_the_file)
{
	const int direct = rig_keep_fd(rig, place_file(PLACE_DISK_DIRECT, 16384, RIG_SEED, 0));
	const int fd = rig_file(rig, 16384);
	struct job *jobs = rig_jobs(rig, 2);

	seam_on_completion = refuse_the_resumed;
	seam_watch();
	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, direct, rig_buffer(rig, 16384), 16384, 0);
	check_eq(rig_do(rig, &jobs[0]), 5000);
	check_eq(n_resumed_with_einval, 1);
	ioe_prep_read(&jobs[1].event, fd, rig_buffer(rig, 16384), 16384, 0);
	check_eq(rig_do(rig, &jobs[1]), -EINVAL);
	check_eq(jobs[1].done, 5000);
}

/* ---- P33 --------------------------------------------------------------------------------- */

/* When close has returned the kernel has let go of the buffers: they can be unmapped, or hold
 * something else for good. */
MATRIX_TEST(faults, p33_close_waits_for_io_in_flight)
{
	enum { N = 128, ROUNDS = 4 };
	const int fd = rig_keep_fd(rig, place_file(PLACE_DISK_DIRECT, N * 4096, RIG_SEED, 0));
	uint8_t *buffer = rig_buffer(rig, N * 4096), *again = rig_buffer(rig, N * 4096);

	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct job *jobs = rig_jobs(rig, N);

		rig_open(rig, NULL);
		for (uint32_t i = 0; i < N; i++) {
			ioe_prep_read(&jobs[i].event, fd, buffer + i * 4096, 4096,
				      (uint64_t)i * 5 % N * 4096);
			jobs[i].event.flags = IOE_EVENT_NO_MERGE;
			rig_submit(rig, &jobs[i]);
		}
		rig_push(rig);
		rig_close(rig, round % 2 == 0 ? IOE_CLOSE_CANCEL : IOE_CLOSE_DRAIN);
		memset(buffer, 0xee, N * 4096);
		for (uint32_t i = 0; i < N; i++) {
			check_eq(jobs[i].calls, 1);
			cr_assert(jobs[i].result == 4096 || (jobs[i].result == -ECANCELED), "%lld",
				  (long long)jobs[i].result);
		}
		/* Takes as long as the reads did. */
		for (uint32_t i = 0; i < N; i++)
			check_eq(pread(fd, again + i * 4096, 4096, i * 4096), 4096);
		check_eq(bytes_differ(buffer, N * 4096, 0xee), -1);
	}
}

/* ---- P34 --------------------------------------------------------------------------------- */

static int sync_error;
static uint32_t n_sync_errors_left;

static void fail_syncs(struct ioe__completion *completion, const struct seam_request *request)
{
	if ((request->op == IOE_OP_FSYNC || request->op == IOE_OP_FDATASYNC) &&
	    n_sync_errors_left > 0) {
		n_sync_errors_left--;
		completion->result = -sync_error;
	}
}

static void sync_with(struct rig *rig, int error, uint32_t n_errors)
{
	sync_error = error;
	n_sync_errors_left = n_errors;
	seam_on_completion = fail_syncs;
	seam_watch();
	rig_open(rig, NULL);
}

MATRIX_TEST(faults, p34_failed_sync_is_not_run_again)
{
	static const int errors[] = { EIO, ENOSPC, EAGAIN };
	const int fd = rig_file(rig, 1000);
	struct job *jobs = rig_jobs(rig, 6);

	sync_with(rig, 0, UINT32_MAX);
	for (uint32_t i = 0; i < 6; i++) {
		sync_error = errors[i / 2];
		if (i % 2 == 0)
			ioe_prep_fsync(&jobs[i].event, fd);
		else
			ioe_prep_fdatasync(&jobs[i].event, fd);
		check_eq(rig_do(rig, &jobs[i]), -errors[i / 2]);
	}
	check_eq(seam_n_staged(IOE_OP_FSYNC), 3);
	check_eq(seam_n_staged(IOE_OP_FDATASYNC), 3);
	check_eq(rig_stats(rig).retried, 0);
}

/* Every event that shared the one that failed has failed: none is told that all is well by a call
 * that came after. */
MATRIX_TEST(faults, p34_every_event_of_a_failed_sync_fails)
{
	enum { N = 16 };
	const int fd = rig_file(rig, 1000);
	struct job *jobs = rig_jobs(rig, N);

	sync_with(rig, EIO, UINT32_MAX);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_fsync(&jobs[i].event, fd);
		jobs[i].event.flags = i % 2 == 0 ? IOE_EVENT_BARRIER : 0;
	}
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].result, -EIO);
		check_eq(jobs[i].calls, 1);
	}
	check_op(seam_n_staged(IOE_OP_FSYNC), <=, N);
	check_eq(rig_stats(rig).retried, 0);
}

MATRIX_TEST(faults, p34_interrupted_sync_is_run_again)
{
	const int fd = rig_file(rig, 1000);
	struct job *job = rig_jobs(rig, 1);

	sync_with(rig, EINTR, 2);
	ioe_prep_fsync(&job->event, fd);
	check_eq(rig_do(rig, job), 0);
	check_eq(seam_n_staged(IOE_OP_FSYNC), 3);
	check_eq(rig_stats(rig).retried, 2);
}

/* The same from outside: the system call fails, and there is no second one. */
static void sync_once(void *arg)
{
	struct rig rig;
	struct job *jobs;
	int fd;

	rig_init(&rig, arg);
	jobs = rig_jobs(&rig, 2);
	fd = rig_file(&rig, 1000);
	rig_open(&rig, NULL);
	ioe_prep_fsync(&jobs[0].event, fd);
	must(rig_do(&rig, &jobs[0]) == -EIO, "fsync: %lld", (long long)jobs[0].result);
	ioe_prep_fdatasync(&jobs[1].event, fd);
	must(rig_do(&rig, &jobs[1]) == -EIO, "fdatasync: %lld", (long long)jobs[1].result);
	rig_deinit(&rig);
}

Test(faults, p34_failed_sync_is_one_system_call_threads, .timeout = 60)
{
	struct rig_row row = { "traced", IOE_BACKEND_THREADS, IOE_THREADING_INLINE, PLACE_DISK };
	struct trace trace;

	trace_inject(&trace, "fsync,fdatasync", "error=EIO", sync_once, &row);
	check_eq(trace_count_injected(&trace, NULL), 2);
	check_eq(trace_count(&trace, "fsync"), 1);
	check_eq(trace_count(&trace, "fdatasync"), 1);
	trace_close(&trace);
}
