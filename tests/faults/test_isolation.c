/* SPDX-License-Identifier: MIT
 * test_isolation.c - law 4 on a file system that fails: of the events of a merged request those
 *                    whose blocks are bad end with the error of their block, and nobody else.
 * Invariants: none.
 * Threads:    the test's; the file system is served by another process.
 * Ownership:  the rig's. */
#include "tests/lib/bad_file.h"
#include "tests/lib/rig.h"

#include <time.h>

enum {
	N = 64,
	BAD = 37,
	BLOCK = 4096,
	/* From buffer to buffer: behind each there are bytes that must not be touched. */
	STRIDE = 2 * BLOCK,
};

#define OTHER_SEED UINT64_C(0x77)

/* The blocks and what they fail with; ends with an error of 0. */
struct bad {
	uint32_t block;
	int error;
};

static const struct bad one_bad[] = { { BAD, EIO }, { 0, 0 } };
static const struct bad one_without_room[] = { { BAD, ENOSPC }, { 0, 0 } };

static void make_bad(struct bad_file *file, const struct bad *bad)
{
	bad_file_mend(file);
	for (; bad->error != 0; bad++)
		bad_file_fail(file, bad->block, bad->error, bad->error);
}

static int error_of(const struct bad *bad, uint32_t block)
{
	for (; bad->error != 0; bad++)
		if (bad->block == block)
			return bad->error;
	return 0;
}

/* The first n blocks, a job each; what is written differs from what is there. */
static struct job *prep_blocks(struct rig *rig, const struct bad_file *file, uint32_t n,
			       enum bad_file_op op)
{
	struct job *jobs = rig_jobs(rig, n);
	uint8_t *buffer = rig_buffer(rig, (uint64_t)n * STRIDE);

	pattern_fill(bad_file_bytes(file), N * BLOCK, 0, RIG_SEED);
	for (uint32_t i = 0; i < n; i++, buffer += STRIDE) {
		if (op == BAD_FILE_READ) {
			ioe_prep_read(&jobs[i].event, file->fd, buffer, BLOCK, i * BLOCK);
			continue;
		}
		pattern_fill(buffer, BLOCK, i * BLOCK, OTHER_SEED);
		ioe_prep_write(&jobs[i].event, file->fd, buffer, BLOCK, i * BLOCK);
	}
	return jobs;
}

/* What the engine counted while the file system held the first request back. */
struct look {
	struct rig *rig;
	struct bad_file *file;
	struct ioe_stats stats;
	struct actor actor;
};

static void look_and_release(void *arg)
{
	struct look *look = arg;
	const int64_t give_up_ns = clock_now_ns() + RIG_PATIENCE_NS;
	const struct timespec brief = { 0, 200000 };

	while (bad_file_n_held(look->file) == 0 && clock_now_ns() < give_up_ns)
		nanosleep(&brief, NULL);
	look->stats.size = sizeof(look->stats);
	(void)ioe_engine_stats(look->rig->engine, &look->stats);
	bad_file_release(look->file);
}

/* A thread of its own looks: the test's has to drive the engine where it is NONE. */
static void look_begin(struct look *look, struct rig *rig, struct bad_file *file)
{
	look->rig = rig;
	look->file = file;
	bad_file_hold(file, 0, UINT64_MAX);
	actor_start(&look->actor, look_and_release, look);
}

static struct ioe_stats look_end(struct look *look)
{
	actor_join(&look->actor);
	return look->stats;
}

/* Submit n jobs of n_blocks from block 0 on as one batch, and wait for them. They are one request
 * at first. */
static void run_merged(struct rig *rig, struct bad_file *file, struct job *jobs, uint32_t n,
		       uint32_t n_blocks)
{
	const uint32_t n_logged = bad_file_n_logged(file);
	const struct ioe_stats before = rig_stats(rig);
	struct bad_file_entry first;
	struct ioe_stats stats;
	struct look look;

	look_begin(&look, rig, file);
	check_eq(rig_batch(rig, jobs, n, false), n);
	rig_wait_all(rig);
	stats = look_end(&look);
	check_eq(stats.requests - before.requests, 1);
	check_eq(stats.merged_requests - before.merged_requests, 1);
	check_eq(stats.merged_events - before.merged_events, n);
	check_eq(stats.events_finished, before.events_finished);
	first = bad_file_log(file, n_logged);
	check_eq(first.offset, 0);
	if (first.size != (uint64_t)n_blocks * BLOCK)
		fprintf(stderr, "the kernel cuts requests: %llu bytes reach the file system\n",
			(unsigned long long)first.size);
}

/* Each job as its block is; the blocks and the buffers as the jobs say. */
static void check_blocks(const struct bad_file *file, struct job *jobs, uint32_t n,
			 const struct bad *bad)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct ioe_event *event = &jobs[i].event;
		const uint8_t *buffer = event->buffer;
		const uint8_t *stored = bad_file_bytes(file) + i * BLOCK;
		const int error = error_of(bad, i);

		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, error == 0 ? BLOCK : -error);
		check_eq(jobs[i].done, error == 0 ? BLOCK : 0);
		check_eq(bytes_differ(buffer + BLOCK, BLOCK, 0xa5), -1);
		if (event->op == IOE_OP_WRITE)
			check_eq(pattern_differs(stored, BLOCK, i * BLOCK,
						 error == 0 ? OTHER_SEED : RIG_SEED),
				 -1);
		else if (error == 0)
			check_eq(pattern_differs(buffer, BLOCK, i * BLOCK, RIG_SEED), -1);
	}
}

static void fail_in_a_merged_request(struct rig *rig, enum bad_file_op op, enum bad_file_mode mode,
				     const struct bad *bad)
{
	struct bad_file file;
	struct job *jobs;

	bad_file_open(&file, N, mode);
	make_bad(&file, bad);
	rig_open(rig, NULL);
	jobs = prep_blocks(rig, &file, N, op);
	run_merged(rig, &file, jobs, N, N);
	check_blocks(&file, jobs, N, bad);
	check_op(rig_stats(rig).split, >=, 1);
	check_eq(rig_stats(rig).events_finished, N);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&file);
}

MATRIX_TEST(isolation, write_of_a_bad_block_fails_alone)
{
	fail_in_a_merged_request(rig, BAD_FILE_WRITE, BAD_FILE_WHOLE, one_bad);
}

MATRIX_TEST(isolation, write_of_a_bad_block_fails_alone_where_transfers_end_short)
{
	fail_in_a_merged_request(rig, BAD_FILE_WRITE, BAD_FILE_SHORT_WRITES, one_bad);
}

MATRIX_TEST(isolation, read_of_a_bad_block_fails_alone)
{
	fail_in_a_merged_request(rig, BAD_FILE_READ, BAD_FILE_WHOLE, one_bad);
}

MATRIX_TEST(isolation, read_of_a_bad_block_fails_alone_where_transfers_end_short)
{
	fail_in_a_merged_request(rig, BAD_FILE_READ, BAD_FILE_SHORT_READS, one_bad);
}

MATRIX_TEST(isolation, write_of_a_bad_block_fails_alone_through_the_page_cache)
{
	fail_in_a_merged_request(rig, BAD_FILE_WRITE, BAD_FILE_CACHED, one_bad);
}

MATRIX_TEST(isolation, read_of_a_bad_block_fails_alone_through_the_page_cache)
{
	fail_in_a_merged_request(rig, BAD_FILE_READ, BAD_FILE_CACHED, one_bad);
}

MATRIX_TEST(isolation, write_of_a_block_without_room_fails_alone)
{
	fail_in_a_merged_request(rig, BAD_FILE_WRITE, BAD_FILE_WHOLE, one_without_room);
	fail_in_a_merged_request(rig, BAD_FILE_WRITE, BAD_FILE_SHORT_WRITES, one_without_room);
	fail_in_a_merged_request(rig, BAD_FILE_WRITE, BAD_FILE_CACHED, one_without_room);
}

static void fail_in_each_way(struct rig *rig, const struct bad *bad)
{
	fail_in_a_merged_request(rig, BAD_FILE_WRITE, BAD_FILE_WHOLE, bad);
	fail_in_a_merged_request(rig, BAD_FILE_WRITE, BAD_FILE_SHORT_WRITES, bad);
	fail_in_a_merged_request(rig, BAD_FILE_READ, BAD_FILE_WHOLE, bad);
	fail_in_a_merged_request(rig, BAD_FILE_READ, BAD_FILE_SHORT_READS, bad);
}

NONE_TEST(isolation, bad_blocks_at_both_ends_and_side_by_side_fail_alone)
{
	static const struct bad bad[] = { { 0, EIO },  { 1, EIO },     { 20, EIO }, { 22, EIO },
					  { 23, EIO }, { N - 1, EIO }, { 0, 0 } };

	fail_in_each_way(rig, bad);
}

NONE_TEST(isolation, each_event_has_the_error_of_its_own_block)
{
	static const struct bad bad[] = { { 3, ENOSPC }, { 11, EDQUOT }, { 12, EROFS },
					  { 40, EIO },   { 41, EPERM },  { 60, ETIMEDOUT },
					  { 0, 0 } };

	fail_in_each_way(rig, bad);
}

NONE_TEST(isolation, where_every_block_is_bad_every_event_fails)
{
	struct bad bad[N + 1] = { { 0, 0 } };

	for (uint32_t i = 0; i < N; i++)
		bad[i] = (struct bad){ i, i % 2 == 0 ? EIO : ENOSPC };
	fail_in_each_way(rig, bad);
}

/* What was split has left nothing behind: once the block has been mended, the same events are one
 * request again, which goes well. */
NONE_TEST(isolation, events_that_were_split_merge_again_when_submitted_again)
{
	struct bad_file file;
	struct job *jobs;

	bad_file_open(&file, N, BAD_FILE_WHOLE);
	make_bad(&file, one_bad);
	rig_open(rig, NULL);
	jobs = prep_blocks(rig, &file, N, BAD_FILE_WRITE);
	run_merged(rig, &file, jobs, N, N);
	check_eq(jobs[BAD].result, -EIO);
	bad_file_mend(&file);
	run_merged(rig, &file, jobs, N, N);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].calls, 2);
		check_eq(jobs[i].result, BLOCK);
	}
	check_eq(rig_stats(rig).split, 1);
	check_eq(pattern_differs(bad_file_bytes(&file), N * BLOCK, 0, OTHER_SEED), -1);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&file);
}

/* Blocks 0, {1 2 3 4}, 5: of the vector the third is bad, in the middle of an element or at the
 * beginning of one. What the vector ends with when it runs alone, it ends with among neighbours. */
static void fail_in_a_vector(struct rig *rig, enum bad_file_op op, enum bad_file_mode mode,
			     uint32_t n_second)
{
	const uint64_t expected_done = mode != BAD_FILE_WHOLE ? 2 * BLOCK : 0;
	struct bad_file file;
	struct job *jobs = rig_jobs(rig, 4);
	uint8_t *buffer = rig_buffer(rig, 8 * BLOCK);
	uint8_t *third = buffer + (2 + n_second) * BLOCK;
	struct iovec iov[4] = { { buffer, BLOCK },
				{ NULL, 0 },
				{ buffer + 2 * BLOCK, n_second * BLOCK },
				{ third, (3 - n_second) * BLOCK } };
	struct ioe_event *const vectors[] = { &jobs[1].event, &jobs[3].event };

	bad_file_open(&file, N, mode);
	bad_file_fail(&file, 3, EIO, EIO);
	pattern_fill(bad_file_bytes(&file), N * BLOCK, 0, RIG_SEED);
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 2; i++) {
		struct ioe_event *plain = &jobs[2 * i].event;
		uint8_t *plain_buffer = buffer + (6 + i) * BLOCK;

		if (op == BAD_FILE_READ) {
			ioe_prep_read(plain, file.fd, plain_buffer, BLOCK, i * 5 * BLOCK);
			ioe_prep_readv(vectors[i], file.fd, iov, 4, BLOCK);
		} else {
			ioe_prep_write(plain, file.fd, plain_buffer, BLOCK, i * 5 * BLOCK);
			ioe_prep_writev(vectors[i], file.fd, iov, 4, BLOCK);
		}
	}
	run_merged(rig, &file, jobs, 3, 6);
	check_eq(jobs[0].result, BLOCK);
	check_eq(jobs[1].result, -EIO);
	check_eq(jobs[1].done, expected_done);
	check_eq(jobs[2].result, BLOCK);
	if (op == BAD_FILE_READ) {
		check_eq(pattern_differs(buffer + 6 * BLOCK, BLOCK, 0, RIG_SEED), -1);
		check_eq(pattern_differs(buffer + 7 * BLOCK, BLOCK, 5 * BLOCK, RIG_SEED), -1);
		check_eq(pattern_differs(buffer, expected_done / 2, BLOCK, RIG_SEED), -1);
		check_eq(pattern_differs(buffer + 2 * BLOCK, expected_done / 2, 2 * BLOCK,
					 RIG_SEED),
			 -1);
		check_eq(bytes_differ(n_second == 1 ? third : third - BLOCK, BLOCK, 0xa5), -1);
	}
	check_eq(rig_do(rig, &jobs[3]), -EIO);
	check_eq(jobs[3].done, expected_done);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&file);
}

NONE_TEST(isolation, vector_of_which_the_second_half_is_bad_keeps_its_count)
{
	for (uint32_t n_second = 1; n_second <= 2; n_second++) {
		fail_in_a_vector(rig, BAD_FILE_WRITE, BAD_FILE_SHORT_WRITES, n_second);
		fail_in_a_vector(rig, BAD_FILE_READ, BAD_FILE_SHORT_READS, n_second);
		fail_in_a_vector(rig, BAD_FILE_WRITE, BAD_FILE_WHOLE, n_second);
		fail_in_a_vector(rig, BAD_FILE_READ, BAD_FILE_WHOLE, n_second);
	}
}

/* The same where the block is bad once only: what is left of the vector and the event behind it
 * are gone on with where the first request has ended. */
static void go_on_in_a_vector(struct rig *rig, enum bad_file_op op, uint32_t n_second, uint32_t bad)
{
	struct bad_file file;
	struct job *jobs = rig_jobs(rig, 3);
	uint8_t *buffer = rig_buffer(rig, 6 * BLOCK);
	struct iovec iov[4] = { { buffer + BLOCK, BLOCK },
				{ NULL, 0 },
				{ buffer + 2 * BLOCK, n_second * BLOCK },
				{ buffer + (2 + n_second) * BLOCK, (3 - n_second) * BLOCK } };

	bad_file_open(&file, N, op == BAD_FILE_READ ? BAD_FILE_SHORT_READS : BAD_FILE_SHORT_WRITES);
	bad_file_fail_once(&file, bad, EIO);
	rig_open(rig, NULL);
	if (op == BAD_FILE_READ) {
		pattern_fill(bad_file_bytes(&file), 6 * BLOCK, 0, RIG_SEED);
		ioe_prep_read(&jobs[0].event, file.fd, buffer, BLOCK, 0);
		ioe_prep_readv(&jobs[1].event, file.fd, iov, 4, BLOCK);
		ioe_prep_read(&jobs[2].event, file.fd, buffer + 5 * BLOCK, BLOCK, 5 * BLOCK);
	} else {
		pattern_fill(buffer, 6 * BLOCK, 0, RIG_SEED);
		ioe_prep_write(&jobs[0].event, file.fd, buffer, BLOCK, 0);
		ioe_prep_writev(&jobs[1].event, file.fd, iov, 4, BLOCK);
		ioe_prep_write(&jobs[2].event, file.fd, buffer + 5 * BLOCK, BLOCK, 5 * BLOCK);
	}
	run_merged(rig, &file, jobs, 3, 6);
	for (uint32_t i = 0; i < 3; i++)
		check_eq(jobs[i].result, i == 1 ? 4 * BLOCK : BLOCK);
	check_eq(rig_stats(rig).split, 0);
	check_eq(bad_file_log(&file, 0).result, bad * BLOCK);
	check_eq(pattern_differs(buffer, 6 * BLOCK, 0, RIG_SEED), -1);
	check_eq(pattern_differs(bad_file_bytes(&file), 6 * BLOCK, 0, RIG_SEED), -1);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&file);
}

NONE_TEST(isolation, vector_in_which_a_merged_request_ends_short_is_gone_on_with)
{
	for (uint32_t bad = 2; bad <= 4; bad++) {
		for (uint32_t n_second = 1; n_second <= 2; n_second++) {
			go_on_in_a_vector(rig, BAD_FILE_READ, n_second, bad);
			go_on_in_a_vector(rig, BAD_FILE_WRITE, n_second, bad);
		}
	}
}

/* P3: one event of eight has no callback and is waited for; before, at and behind the bad block. */
static void wait_in_the_middle(struct rig *rig, enum bad_file_mode mode)
{
	enum { EVENTS = 8, BAD_ONE = 4 };
	struct bad_file file;

	bad_file_open(&file, N, mode);
	bad_file_fail(&file, BAD_ONE, EIO, EIO);
	rig_open(rig, NULL);
	for (uint32_t silent = 0; silent < EVENTS; silent++) {
		struct job *jobs = prep_blocks(rig, &file, EVENTS, BAD_FILE_READ);
		const uint64_t n_merged = rig_stats(rig).merged_requests;
		struct look look;

		look_begin(&look, rig, &file);
		for (uint32_t i = 0; i < EVENTS; i++) {
			if (i == silent)
				check_eq(ioe_submit(rig->engine, &jobs[i].event), 0);
			else
				rig_submit(rig, &jobs[i]);
		}
		check_eq(ioe_wait(rig->engine, &jobs[silent].event),
			 silent == BAD_ONE ? -EIO : BLOCK);
		rig_wait_all(rig);
		check_eq(look_end(&look).merged_requests - n_merged, 1);
		for (uint32_t i = 0; i < EVENTS; i++) {
			const struct ioe_event *event = &jobs[i].event;

			check_eq(jobs[i].calls, i == silent ? 0 : 1);
			check_eq(event->result, i == BAD_ONE ? -EIO : BLOCK);
			check_eq(event->done, i == BAD_ONE ? 0 : BLOCK);
			check_eq(bytes_differ((uint8_t *)event->buffer + BLOCK, BLOCK, 0xa5), -1);
			if (i != BAD_ONE)
				check_eq(pattern_differs(event->buffer, BLOCK, i * BLOCK, RIG_SEED),
					 -1);
		}
	}
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&file);
}

NONE_TEST(isolation, p03_event_without_callback_beside_a_bad_block)
{
	wait_in_the_middle(rig, BAD_FILE_WHOLE);
	wait_in_the_middle(rig, BAD_FILE_SHORT_READS);
}
