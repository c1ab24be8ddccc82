/* SPDX-License-Identifier: MIT
 * test_split.c - what waits for merged requests while they are split and resumed, and what ends
 *                them: barriers (PITFALLS P13), close at any moment (P10), and the sizes that reach
 *                the file system (P9).
 * Invariants: none.
 * Threads:    the test's; the file system is served by another process.
 * Ownership:  the rig's. */
#include "tests/lib/bad_file.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"

#include <time.h>

enum { N = 64, BAD = 37, BLOCK = 4096 };

#define OTHER_SEED UINT64_C(0x77)

/* A write of each block, and a barrier sync behind them. */
static struct job *prep_writes_and_sync(struct rig *rig, const struct bad_file *file)
{
	struct job *jobs = rig_jobs(rig, N + 1);
	uint8_t *buffer = rig_buffer(rig, N * BLOCK);

	pattern_fill(bad_file_bytes(file), N * BLOCK, 0, RIG_SEED);
	pattern_fill(buffer, N * BLOCK, 0, OTHER_SEED);
	for (uint32_t i = 0; i < N; i++)
		ioe_prep_write(&jobs[i].event, file->fd, buffer + i * BLOCK, BLOCK, i * BLOCK);
	ioe_prep_fsync(&jobs[N].event, file->fd);
	jobs[N].event.flags = IOE_EVENT_BARRIER;
	return jobs;
}

/* ---- P13 --------------------------------------------------------------------------------- */

/* Every write has been answered when the one sync comes. */
static void check_sync_is_last(const struct bad_file *file)
{
	const uint32_t n = bad_file_n_logged(file);
	uint32_t n_syncs = 0, last_answer = 0, sync_came = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct bad_file_entry entry = bad_file_log(file, i);

		if (entry.op == BAD_FILE_FSYNC) {
			sync_came = entry.came;
			n_syncs++;
		} else if (entry.answered > last_answer) {
			last_answer = entry.answered;
		}
	}
	check_eq(n_syncs, 1);
	check_op(sync_came, >, last_answer);
}

/* The file system holds a write back, in which `block` is and which is not larger than size_max.
 * Now the driver has nothing to do but to wait: n requests are with the kernel, or have ended, and
 * the sync is none of them. */
static void sync_behind_writes(struct rig *rig, enum bad_file_mode mode, uint32_t block,
			       uint64_t size_max, uint32_t n)
{
	struct ioe_config config = rig_config(rig);
	struct bad_file file;
	struct ioe_stats stats;
	struct job *jobs;

	/* Room for all of it with the kernel, on threads too. */
	config.n_helpers = config.depth_max = 2 * N;
	bad_file_open(&file, N, mode);
	bad_file_fail(&file, BAD, 0, EIO);
	bad_file_hold(&file, block, size_max);
	rig_open(rig, &config);
	jobs = prep_writes_and_sync(rig, &file);
	check_eq(rig_batch(rig, jobs, N + 1, false), N + 1);
	rig_wait_held(rig, &file, 1);
	/* What has been answered by now, too. */
	rig_push(rig);
	stats = rig_stats(rig);
	check_eq(stats.merged_events >= N, true);
	check_eq(stats.in_flight + stats.events_finished, n);
	check_eq(jobs[N].calls, 0);
	bad_file_release(&file);
	rig_wait_all(rig);
	for (uint32_t i = 0; i <= N; i++)
		check_eq(jobs[i].result, i == BAD ? -EIO : i < N ? BLOCK : 0);
	check_sync_is_last(&file);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&file);
}

NONE_TEST(faults, p13_barrier_sync_waits_for_a_merged_write)
{
	sync_behind_writes(rig, BAD_FILE_WHOLE, 0, UINT64_MAX, 1);
}

/* The rest of it, of which the first block is the bad one; those before it have ended. */
NONE_TEST(faults, p13_barrier_sync_waits_for_the_rest_of_a_merged_write)
{
	sync_behind_writes(rig, BAD_FILE_SHORT_WRITES, N - 1, (N - 1) * BLOCK, BAD + 1);
}

/* One of those that run alone, once before the bad block and once behind it. */
NONE_TEST(faults, p13_barrier_sync_waits_for_split_writes)
{
	sync_behind_writes(rig, BAD_FILE_WHOLE, BAD + 3, BLOCK, N);
	sync_behind_writes(rig, BAD_FILE_WHOLE, BAD, BLOCK, N);
	sync_behind_writes(rig, BAD_FILE_SHORT_WRITES, N - 1, BLOCK, N);
}

static uint32_t n_refused[2]; /* of single and of merged requests */
static uint32_t n_writes_done;
static uint32_t n_writes_at_sync;

/* The first completions of both kinds are refused. */
static void refuse_some(struct ioe__completion *completion, const struct seam_request *request)
{
	const bool merged = request->n_events > 1;

	if (request->op != IOE_OP_WRITE)
		return;
	if (n_refused[merged] < (merged ? 3 : N)) {
		n_refused[merged]++;
		completion->result = merged ? -EINTR : -EAGAIN;
	} else {
		n_writes_done += request->n_events;
	}
}

static void count_at_sync(struct ioe__request *request)
{
	if (request->op == IOE_OP_FSYNC)
		n_writes_at_sync = n_writes_done;
}

/* Half of them merged, which -EINTR has run again as they are; the others alone, after -EAGAIN. */
MATRIX_TEST(faults, p13_barrier_sync_waits_for_writes_that_are_tried_again)
{
	struct bad_file file;
	struct job *jobs;

	seam_on_completion = refuse_some;
	seam_on_stage = count_at_sync;
	seam_watch();
	bad_file_open(&file, N, BAD_FILE_WHOLE);
	rig_open(rig, NULL);
	jobs = prep_writes_and_sync(rig, &file);
	for (uint32_t i = N / 2; i < N; i++)
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
	check_eq(rig_batch(rig, jobs, N + 1, false), N + 1);
	rig_wait_all(rig);
	for (uint32_t i = 0; i <= N; i++)
		check_eq(jobs[i].result, i < N ? BLOCK : 0);
	check_eq(n_writes_at_sync, N);
	check_eq(n_refused[true], 3);
	check_eq(n_refused[false], N);
	check_eq(seam_n_staged(IOE_OP_FSYNC), 1);
	check_sync_is_last(&file);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&file);
}

/* ---- P10 --------------------------------------------------------------------------------- */

/* Until the file system has been asked n times, or there is nothing more to ask. */
static void wait_asked(struct rig *rig, const struct bad_file *file, uint32_t n)
{
	const int64_t give_up_ns = clock_now_ns() + RIG_PATIENCE_NS;
	const struct timespec brief = { 0, 20000 };

	while (bad_file_n_logged(file) < n && rig_count(rig) < rig->n_submitted) {
		rig_push(rig);
		must(clock_now_ns() < give_up_ns, "the file system was asked %u times, not %u",
		     bad_file_n_logged(file), n);
		nanosleep(&brief, NULL);
	}
}

static bool is_bad(uint32_t block)
{
	return block == 11 || block == 12 || block == BAD;
}

/* Returns how many were cancelled. */
static uint32_t check_closed(const struct bad_file *file, struct job *jobs, uint32_t how)
{
	uint32_t n_cancelled = 0;

	for (uint32_t i = 0; i < N; i++) {
		const uint8_t *stored = bad_file_bytes(file) + i * BLOCK;

		check_eq(jobs[i].calls, 1);
		if (how == IOE_CLOSE_CANCEL && jobs[i].result == -ECANCELED) {
			check_eq(jobs[i].done, 0);
			n_cancelled++;
			continue;
		}
		check_eq(jobs[i].result, is_bad(i) ? -EIO : BLOCK);
		check_eq(jobs[i].done, is_bad(i) ? 0 : BLOCK);
		check_eq(pattern_differs(stored, BLOCK, i * BLOCK,
					 is_bad(i) ? RIG_SEED : OTHER_SEED),
			 -1);
	}
	check_eq(jobs[N].calls, 1);
	if (jobs[N].result == -ECANCELED && how == IOE_CLOSE_CANCEL)
		return n_cancelled + 1;
	check_eq(jobs[N].result, 0);
	check_eq(n_cancelled, 0);
	return n_cancelled;
}

/* Close when the file system has been asked 0, 1, 2, ... times: before the merged request, while it
 * is there, while its rest or what it was split into is there, and when all is over. */
static void close_while_split(struct rig *rig, enum bad_file_mode mode, uint32_t how)
{
	static const uint32_t moments[] = { 0, 1, 2, 3, 6, 30, N + 4 };
	struct ioe_config config = rig_config(rig);
	uint32_t n_cancelled = 0;

	config.depth_max = 2;
	for (uint32_t m = 0; m < sizeof(moments) / sizeof(moments[0]); m++) {
		struct bad_file file;
		struct job *jobs;

		bad_file_open(&file, N, mode);
		for (uint32_t i = 0; i < N; i++)
			bad_file_fail(&file, i, 0, is_bad(i) ? EIO : 0);
		rig_open(rig, &config);
		jobs = prep_writes_and_sync(rig, &file);
		check_eq(rig_batch(rig, jobs, N + 1, false), N + 1);
		wait_asked(rig, &file, moments[m]);
		rig_close(rig, how);
		n_cancelled += check_closed(&file, jobs, how);
		bad_file_close(&file);
	}
	/* Nobody but the owner drives it: at some moments nearly all is still to be done. */
	if (how == IOE_CLOSE_CANCEL && rig->row.threading == IOE_THREADING_NONE)
		check_op(n_cancelled, >, N);
}

MATRIX_TEST(faults, p10_drain_at_any_moment_while_merged_writes_are_split)
{
	close_while_split(rig, BAD_FILE_WHOLE, IOE_CLOSE_DRAIN);
}

MATRIX_TEST(faults, p10_drain_at_any_moment_while_merged_writes_are_resumed)
{
	close_while_split(rig, BAD_FILE_SHORT_WRITES, IOE_CLOSE_DRAIN);
}

MATRIX_TEST(faults, p10_cancel_at_any_moment_while_merged_writes_are_split)
{
	close_while_split(rig, BAD_FILE_WHOLE, IOE_CLOSE_CANCEL);
}

MATRIX_TEST(faults, p10_cancel_at_any_moment_while_merged_writes_are_resumed)
{
	close_while_split(rig, BAD_FILE_SHORT_WRITES, IOE_CLOSE_CANCEL);
}

/* ---- P9 ---------------------------------------------------------------------------------- */

/* Events of 1 to 3 blocks, in any order, under a limit that no number of them fills: what reaches
 * the file system keeps it, and is not made of single events only. */
NONE_TEST(faults, p09_no_request_that_reaches_the_file_system_exceeds_the_limit)
{
	enum { BYTES_MAX = 5 * BLOCK + BLOCK / 2, EVENTS = 40 };
	struct ioe_config config = rig_config(rig);
	struct random random = random_open(31);
	struct job *jobs = rig_jobs(rig, EVENTS);
	uint8_t *buffer = rig_buffer(rig, 3 * EVENTS * BLOCK);
	struct bad_file file;
	uint64_t at = 0, size_max = 0;

	config.merge_max_bytes = BYTES_MAX;
	bad_file_open(&file, 3 * EVENTS, BAD_FILE_WHOLE);
	rig_open(rig, &config);
	pattern_fill(buffer, 3 * EVENTS * BLOCK, 0, OTHER_SEED);
	for (uint32_t i = 0; i < EVENTS; i++) {
		const uint64_t n = random_between(&random, 1, 3) * BLOCK;

		ioe_prep_write(&jobs[i].event, file.fd, buffer + at, n, at);
		at += n;
	}
	rig_shuffle(jobs, EVENTS, &random);
	check_eq(rig_batch(rig, jobs, EVENTS, false), EVENTS);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < EVENTS; i++)
		check_eq(jobs[i].result, jobs[i].event.length);
	for (uint32_t i = 0; i < bad_file_n_logged(&file); i++) {
		const struct bad_file_entry entry = bad_file_log(&file, i);

		check_op(entry.size, <=, BYTES_MAX);
		size_max = entry.size > size_max ? entry.size : size_max;
	}
	check_op(size_max, >, 3 * BLOCK);
	check_eq(pattern_differs(bad_file_bytes(&file), at, 0, OTHER_SEED), -1);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&file);
}

#ifdef IOE_TEST_SEAM
/* The first time, requests are interrupted: what was apart for the limits' sake comes back
 * together, and is made requests of again. */
static struct {
	uint32_t n_interrupted;
	uint32_t n_events_max;
	uint32_t n_iov_max;
	uint64_t length_max;
} seen;

static void interrupt_first(struct ioe__completion *completion, const struct seam_request *request)
{
	if (request->n_events > seen.n_events_max)
		seen.n_events_max = request->n_events;
	if (request->n_iov > seen.n_iov_max)
		seen.n_iov_max = request->n_iov;
	if (request->length > seen.length_max)
		seen.length_max = request->length;
	if (seen.n_interrupted < N / 4) {
		seen.n_interrupted++;
		completion->result = -EINTR;
	}
}

/* N adjacent reads of a block each, of which four are a request. */
static void read_interrupted(struct rig *rig, const struct ioe_config *config, uint32_t n_iov)
{
	const int fd = rig_file(rig, N * BLOCK);
	struct job *jobs = rig_jobs(rig, N);
	uint8_t *buffer = rig_buffer(rig, 2 * N * BLOCK);
	struct iovec *iov = rig_buffer(rig, (uint64_t)N * n_iov * sizeof(*iov));

	seam_on_completion = interrupt_first;
	seam_watch();
	rig_open(rig, config);
	for (uint32_t i = 0; i < N; i++) {
		struct iovec *own = iov + (size_t)i * n_iov;
		uint8_t *at = buffer + (size_t)2 * i * BLOCK;

		for (uint32_t k = 0; k < n_iov; k++)
			own[k] = (struct iovec){ at + (size_t)k * (BLOCK / n_iov), BLOCK / n_iov };
		if (n_iov == 1)
			ioe_prep_read(&jobs[i].event, fd, at, BLOCK, (uint64_t)i * BLOCK);
		else
			ioe_prep_readv(&jobs[i].event, fd, own, n_iov, (uint64_t)i * BLOCK);
	}
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].result, BLOCK);
	check_op(rig_stats(rig).retried, >=, N / 4);
}

NONE_TEST(faults, p09_requests_made_again_keep_the_limit_of_events)
{
	struct ioe_config config = rig_config(rig);

	config.merge_max_events = 4;
	read_interrupted(rig, &config, 1);
	check_eq(seen.n_events_max, 4);
}

NONE_TEST(faults, p09_requests_made_again_keep_the_limit_of_bytes)
{
	struct ioe_config config = rig_config(rig);

	config.merge_max_bytes = 4 * BLOCK;
	read_interrupted(rig, &config, 1);
	check_eq(seen.length_max, 4 * BLOCK);
}

/* 256 buffers each, which adjoin in memory: they are counted as they are given. */
NONE_TEST(faults, p09_requests_made_again_keep_the_limit_of_buffers)
{
	struct ioe_config config = rig_config(rig);

	config.merge_max_bytes = N * BLOCK;
	read_interrupted(rig, &config, 256);
	check_eq(seen.n_events_max, 4);
	check_op(seen.n_iov_max, <=, 1024);
}
#endif
