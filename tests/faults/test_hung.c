/* SPDX-License-Identifier: MIT
 * test_hung.c - PITFALLS P15 P31, and laws 2 and 8, on a file system that does not answer: what is
 *               accepted, which threads there are, who waits, and what close does.
 * Invariants: none.
 * Threads:    the test's, and in close one that lets go; the file system is served by another
 *             process.
 * Ownership:  the rig's. */
#include "tests/lib/bad_file.h"
#include "tests/lib/rig.h"

#include <time.h>
#include <unistd.h>

enum {
	N_BLOCKS = 64,
	/* Each event has bytes of its own, so that none waits for another (law 6). */
	LENGTH = 8,
};

#define OTHER_SEED UINT64_C(0x77)

struct hung {
	struct bad_file file;
	uint8_t *buffer; /* as many bytes as the file */
};

static void hung_open(struct hung *hung, struct rig *rig, enum bad_file_op op,
		      enum bad_file_mode mode)
{
	bad_file_open(&hung->file, N_BLOCKS, mode);
	pattern_fill(bad_file_bytes(&hung->file), N_BLOCKS * BAD_FILE_BLOCK, 0, RIG_SEED);
	hung->buffer = rig_buffer(rig, N_BLOCKS * BAD_FILE_BLOCK);
	pattern_fill(hung->buffer, N_BLOCKS * BAD_FILE_BLOCK, 0,
		     op == BAD_FILE_WRITE ? OTHER_SEED : 0);
	bad_file_hold(&hung->file, BAD_FILE_EVERY, UINT64_MAX);
	bad_file_hold_syncs(&hung->file);
}

static void hung_prep(struct hung *hung, struct job *job, uint32_t i, enum bad_file_op op)
{
	struct ioe_event *event = &job->event;
	const uint64_t at = (uint64_t)i * LENGTH;

	if (op == BAD_FILE_READ)
		ioe_prep_read(event, hung->file.fd, hung->buffer + at, LENGTH, at);
	else if (op == BAD_FILE_WRITE)
		ioe_prep_write(event, hung->file.fd, hung->buffer + at, LENGTH, at);
	else
		ioe_prep_fsync(event, hung->file.fd);
	event->flags = IOE_EVENT_NO_MERGE;
}

/* Released, and called back: each is whole. */
static void check_whole(const struct hung *hung, struct job *jobs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct ioe_event *event = &jobs[i].event;
		const uint64_t at = event->offset;

		if (jobs[i].submits == 0)
			continue;
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, event->op == IOE_OP_FSYNC ? 0 : LENGTH);
		if (event->op == IOE_OP_READ)
			check_eq(pattern_differs(event->buffer, LENGTH, at, RIG_SEED), -1);
		else if (event->op == IOE_OP_WRITE)
			check_eq(pattern_differs(bad_file_bytes(&hung->file) + at, LENGTH, at,
						 OTHER_SEED),
				 -1);
	}
}

/* ---- P15 --------------------------------------------------------------------------------- */

static void offer_to_a_file_that_hangs(struct rig *rig, enum bad_file_op op)
{
	enum { DEPTH = 8, CAPACITY = 16, OFFERED = 20000 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, OFFERED);
	uint32_t accepted = 0;
	struct hung hung;

	hung_open(&hung, rig, op, BAD_FILE_WHOLE);
	config.depth_max = DEPTH;
	config.channel_capacity = CAPACITY;
	rig_open(rig, &config);
	rig_push(rig);
	/* Nothing completes; the driver has every chance to take more than it should. */
	for (uint32_t i = 0; i < OFFERED; i++) {
		hung_prep(&hung, &jobs[i], i, op);
		accepted += rig_try(rig, &jobs[i]) == 0;
		if (i % 1000 == 999)
			rig_wait_in_flight(rig, DEPTH);
	}
	check_eq(accepted, DEPTH + CAPACITY);
	check_eq(rig_stats(rig).in_flight, DEPTH);
	/* FUSE lets only one write, and one sync, of a file go at a time. */
	rig_wait_held(rig, &hung.file, op == BAD_FILE_READ ? DEPTH : 1);
	check_eq(rig_count(rig), 0);
	bad_file_release(&hung.file);
	rig_wait_all(rig);
	check_eq(rig_count(rig), accepted);
	check_eq(rig_stats(rig).in_flight_max, DEPTH);
	check_eq(rig_stats(rig).cq_overflows, 0);
	check_whole(&hung, jobs, OFFERED);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&hung.file);
}

MATRIX_TEST(faults, p15_no_more_is_accepted_than_fits_while_reads_of_a_file_hang)
{
	offer_to_a_file_that_hangs(rig, BAD_FILE_READ);
}

MATRIX_TEST(faults, p15_no_more_is_accepted_than_fits_while_writes_of_a_file_hang)
{
	offer_to_a_file_that_hangs(rig, BAD_FILE_WRITE);
}

MATRIX_TEST(faults, p15_no_more_is_accepted_than_fits_while_syncs_of_a_file_hang)
{
	offer_to_a_file_that_hangs(rig, BAD_FILE_FSYNC);
}

/* ---- P31 --------------------------------------------------------------------------------- */

enum {
	N_HELPERS = 2,
	N_HUNG = 128,
	/* Of reads on uring the kernel gives so many to FUSE without a thread, and then sits in the
	 * submission (max_background, 12; engine/README.md). */
	N_HUNG_READS = 8,
};

/* Our helpers have been there since open; the kernel has two kinds of its own. */
static void check_threads(const struct rig *rig, uint32_t n_threads)
{
	check_op(process_n_threads(), <=, n_threads);
	check_op(process_n_io_workers(), <=,
		 rig->row.backend == IOE_BACKEND_URING ? 2 * N_HELPERS : 0);
}

/* There are never more; whoever would start another has time for it. */
static void watch_threads(struct rig *rig, uint32_t n_threads)
{
	const struct timespec brief = { 0, 1000000 };

	for (uint32_t i = 0; i < 100; i++) {
		check_threads(rig, n_threads);
		rig_push(rig);
		nanosleep(&brief, NULL);
	}
}

static void occupy_threads(struct rig *rig, enum bad_file_op op)
{
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N_HUNG);
	uint32_t n_threads;
	struct hung hung;

	hung_open(&hung, rig, op, BAD_FILE_WHOLE);
	config.n_helpers = N_HELPERS;
	config.depth_max = op == BAD_FILE_READ && rig->row.backend == IOE_BACKEND_URING ?
				   N_HUNG_READS :
				   N_HUNG;
	rig_open(rig, &config);
	n_threads = process_n_threads();
	for (uint32_t i = 0; i < N_HUNG; i++) {
		hung_prep(&hung, &jobs[i], i, op);
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_in_flight(rig, rig_stats(rig).depth);
	/* FUSE lets only one write, and one sync, of a file go at a time; the others have a thread,
	 * or wait for one. */
	rig_wait_held(rig, &hung.file, op == BAD_FILE_READ ? N_HELPERS : 1);
	watch_threads(rig, n_threads);
	check_eq(rig_count(rig), 0);
	bad_file_release(&hung.file);
	rig_wait_all(rig);
	check_threads(rig, n_threads);
	check_whole(&hung, jobs, N_HUNG);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&hung.file);
}

MATRIX_TEST(faults, p31_reads_that_hang_occupy_no_more_threads_than_helpers)
{
	occupy_threads(rig, BAD_FILE_READ);
}

MATRIX_TEST(faults, p31_writes_that_hang_occupy_no_more_threads_than_helpers)
{
	occupy_threads(rig, BAD_FILE_WRITE);
}

MATRIX_TEST(faults, p31_syncs_that_hang_occupy_no_more_threads_than_helpers)
{
	occupy_threads(rig, BAD_FILE_FSYNC);
}

/* ---- Who waits, and who does not ---------------------------------------------------------- */

/* While there are helpers left, other files are read and written as ever. */
MATRIX_TEST(hung, files_beside_the_one_that_hangs_go_on)
{
	enum { N = 200, STUCK = 2 };
	const int fd = rig_file(rig, N * 4096);
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, STUCK), *others = rig_jobs(rig, 2 * N);
	uint8_t *in = rig_buffer(rig, N * 4096), *out = rig_buffer(rig, N * 4096);
	struct hung hung;

	hung_open(&hung, rig, BAD_FILE_READ, BAD_FILE_WHOLE);
	file_make_cold(fd);
	pattern_fill(out, N * 4096, N * 4096, RIG_SEED);
	config.n_helpers = STUCK + 1;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < STUCK; i++) {
		hung_prep(&hung, &jobs[i], i, BAD_FILE_READ);
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_held(rig, &hung.file, STUCK);
	for (uint64_t i = 0; i < N; i++) {
		ioe_prep_read(&others[2 * i].event, fd, in + i * 4096, 4096, i * 4096);
		ioe_prep_write(&others[2 * i + 1].event, fd, out + i * 4096, 4096, (N + i) * 4096);
	}
	check_eq(rig_batch(rig, others, 2 * N, false), 2 * N);
	rig_wait_count(rig, 2 * N);
	check_eq(bad_file_n_held(&hung.file), STUCK);
	for (uint32_t i = 0; i < STUCK; i++)
		check_eq(job_calls(&jobs[i]), 0);
	check_eq(pattern_differs(in, N * 4096, 0, RIG_SEED), -1);
	check_eq(file_differs(fd, 0, 2 * N * 4096, RIG_SEED), -1);
	bad_file_release(&hung.file);
	rig_wait_all(rig);
	check_whole(&hung, jobs, STUCK);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&hung.file);
}

/* One answer after the other, each of them late. */
MATRIX_TEST(hung, slow_file_is_read_and_written_whole)
{
	struct job *jobs = rig_jobs(rig, 2 * N_BLOCKS);
	uint8_t *buffer = rig_buffer(rig, 2 * N_BLOCKS * BAD_FILE_BLOCK);
	struct bad_file file;

	bad_file_open(&file, 2 * N_BLOCKS, BAD_FILE_WHOLE);
	pattern_fill(bad_file_bytes(&file), N_BLOCKS * BAD_FILE_BLOCK, 0, RIG_SEED);
	pattern_fill(buffer + N_BLOCKS * BAD_FILE_BLOCK, N_BLOCKS * BAD_FILE_BLOCK,
		     N_BLOCKS * BAD_FILE_BLOCK, RIG_SEED);
	bad_file_slow(&file, 1000000);
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 2 * N_BLOCKS; i++) {
		const uint64_t at = i * BAD_FILE_BLOCK;

		if (i < N_BLOCKS)
			ioe_prep_read(&jobs[i].event, file.fd, buffer + at, BAD_FILE_BLOCK, at);
		else
			ioe_prep_write(&jobs[i].event, file.fd, buffer + at, BAD_FILE_BLOCK, at);
		jobs[i].event.flags = i % 2 == 0 ? IOE_EVENT_NO_MERGE : 0;
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_all(rig);
	for (uint32_t i = 0; i < 2 * N_BLOCKS; i++)
		check_eq(jobs[i].result, BAD_FILE_BLOCK);
	check_eq(pattern_differs(buffer, 2 * N_BLOCKS * BAD_FILE_BLOCK, 0, RIG_SEED), -1);
	check_eq(pattern_differs(bad_file_bytes(&file), 2 * N_BLOCKS * BAD_FILE_BLOCK, 0, RIG_SEED),
		 -1);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&file);
}

static void release_when_held(void *arg)
{
	const int64_t give_up_ns = clock_now_ns() + RIG_PATIENCE_NS;
	const struct timespec brief = { 0, 200000 };
	struct bad_file *file = arg;

	while (bad_file_n_held(file) == 0 && clock_now_ns() < give_up_ns)
		nanosleep(&brief, NULL);
	bad_file_release(file);
}

/* A server that does not take asynchronous direct IO: on uring the driver itself waits for the
 * first read, in the kernel (engine/README.md). When that has been answered all go on. */
MATRIX_TEST(hung, reads_that_stop_the_driver_end_when_they_are_answered)
{
	enum { N = 64 };
	struct job *jobs = rig_jobs(rig, N);
	struct actor actor;
	struct hung hung;

	hung_open(&hung, rig, BAD_FILE_READ, BAD_FILE_SHORT_WRITES);
	actor_start(&actor, release_when_held, &hung.file);
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		hung_prep(&hung, &jobs[i], i, BAD_FILE_READ);
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_all(rig);
	actor_join(&actor);
	check_whole(&hung, jobs, N);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&hung.file);
}

/* ---- Close ------------------------------------------------------------------------------- */

struct closing {
	struct hung hung;
	pid_t closer;
	uint32_t begun;
	uint32_t released;
	uint32_t n_early; /* callbacks of what the file system still had */
};

/* Law 2: whether the kernel may still touch the buffer of an event: its server has the request. */
static bool is_with_the_server(const struct bad_file *file, const struct ioe_event *event)
{
	const uint32_t n = bad_file_n_logged(file);

	for (uint32_t i = 0; i < n; i++) {
		const struct bad_file_entry entry = bad_file_log(file, i);

		if (entry.offset == event->offset && entry.answered == 0)
			return true;
	}
	return false;
}

static void look_who_has_it(struct job *job)
{
	struct closing *closing = job->data;

	if (is_with_the_server(&closing->hung.file, &job->event))
		__atomic_fetch_add(&closing->n_early, 1, __ATOMIC_RELAXED);
}

static void release_when_closing(void *arg)
{
	struct closing *closing = arg;
	const struct timespec brief = { 0, 200000 };

	while (__atomic_load_n(&closing->begun, __ATOMIC_ACQUIRE) == 0)
		nanosleep(&brief, NULL);
	(void)thread_wait_asleep(closing->closer);
	__atomic_store_n(&closing->released, 1, __ATOMIC_RELEASE);
	bad_file_release(&closing->hung.file);
}

/* More than depth and helpers: some are hung, some wait. */
static void close_while_reads_hang(struct rig *rig, uint32_t how)
{
	enum { N = 40, DEPTH = 8, HELPERS = 4 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);
	struct closing closing = { .closer = gettid() };
	struct actor actor;

	hung_open(&closing.hung, rig, BAD_FILE_READ, BAD_FILE_WHOLE);
	config.depth_max = DEPTH;
	config.n_helpers = HELPERS;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < N; i++) {
		hung_prep(&closing.hung, &jobs[i], i, BAD_FILE_READ);
		jobs[i].then = look_who_has_it;
		jobs[i].data = &closing;
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_held(rig, &closing.hung.file, HELPERS);
	actor_start(&actor, release_when_closing, &closing);
	__atomic_store_n(&closing.begun, 1, __ATOMIC_RELEASE);
	rig_close(rig, how);
	/* On uring a cancel is an interrupt, which this file system answers. */
	if (how == IOE_CLOSE_DRAIN || rig->row.backend != IOE_BACKEND_URING)
		check_eq(__atomic_load_n(&closing.released, __ATOMIC_ACQUIRE), 1);
	actor_join(&actor);
	check_eq(closing.n_early, 0);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].calls, 1);
		if (how == IOE_CLOSE_DRAIN || jobs[i].result >= 0)
			check_eq(jobs[i].result, LENGTH);
		else
			check_eq(jobs[i].result, -ECANCELED);
		if (jobs[i].result >= 0)
			check_eq(pattern_differs(jobs[i].event.buffer, LENGTH, i * LENGTH,
						 RIG_SEED),
				 -1);
	}
	if (how == IOE_CLOSE_CANCEL)
		check_eq(jobs[N - 1].result, -ECANCELED);
	bad_file_close(&closing.hung.file);
}

MATRIX_TEST(hung, close_waits_for_a_file_that_hangs)
{
	close_while_reads_hang(rig, IOE_CLOSE_DRAIN);
}

MATRIX_TEST(hung, close_that_cancels_waits_for_what_the_kernel_has)
{
	close_while_reads_hang(rig, IOE_CLOSE_CANCEL);
}
