/* SPDX-License-Identifier: MIT
 * test_merge.c - merging makes fewer requests and is invisible otherwise (laws 4 and 5). */
#include "tests/lib/random.h"
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCK = 4096, N = 64 };

/* N adjoining reads of a block each, in one batch, before the owner runs: one drained batch. */
static void read_adjoining(struct rig *rig, const struct ioe_config *config, uint32_t flags,
			   bool shuffled)
{
	const int fd = rig_file(rig, N * BLOCK);
	struct job *jobs = rig_jobs(rig, N);
	struct random random = random_open(21);

	rig_open(rig, config);
	rig_push(rig);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_read(&jobs[i].event, fd, rig_buffer(rig, BLOCK), BLOCK, i * BLOCK);
		jobs[i].event.flags = flags;
	}
	if (shuffled)
		rig_shuffle(jobs, N, &random);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].result, BLOCK);
		check_eq(pattern_differs(jobs[i].event.buffer, BLOCK, jobs[i].event.offset,
					 RIG_SEED),
			 -1);
	}
}

NONE_TEST(merge, adjoining_reads_of_a_batch_are_one_request)
{
	struct ioe_stats stats;

	read_adjoining(rig, NULL, 0, false);
	stats = rig_stats(rig);
	check_eq(stats.requests, 1);
	check_eq(stats.merged_requests, 1);
	check_eq(stats.merged_events, N);
	check_eq(stats.bytes_read, N * BLOCK);
	check_eq(stats.events_finished, N);
}

NONE_TEST(merge, events_out_of_order_are_merged_too)
{
	read_adjoining(rig, NULL, 0, true);
	check_eq(rig_stats(rig).requests, 1);
}

NONE_TEST(merge, limit_of_events_is_kept)
{
	struct ioe_config config = rig_config(rig);

	config.merge_max_events = 8;
	read_adjoining(rig, &config, 0, false);
	check_eq(rig_stats(rig).requests, N / 8);
}

NONE_TEST(merge, limit_of_bytes_is_kept)
{
	struct ioe_config config = rig_config(rig);

	/* P9: the total counts, not the event: 3 blocks and a half make 3. */
	config.merge_max_bytes = 3 * BLOCK + BLOCK / 2;
	read_adjoining(rig, &config, 0, false);
	check_eq(rig_stats(rig).requests, (N + 2) / 3);
}

NONE_TEST(merge, no_merge_and_no_resume_events_stay_alone)
{
	read_adjoining(rig, NULL, IOE_EVENT_NO_MERGE, false);
	check_eq(rig_stats(rig).requests, N);
	check_eq(rig_stats(rig).merged_requests, 0);
	rig_close(rig, IOE_CLOSE_DRAIN);
	read_adjoining(rig, NULL, IOE_EVENT_NO_RESUME, false);
	check_eq(rig_stats(rig).requests, N);
}

NONE_TEST(merge, engine_without_merging_makes_a_request_of_each)
{
	struct ioe_config config = rig_config(rig);

	config.flags = IOE_ENGINE_NO_MERGE;
	read_adjoining(rig, &config, 0, false);
	check_eq(rig_stats(rig).requests, N);
	rig_close(rig, IOE_CLOSE_DRAIN);
	config = rig_config(rig);
	config.merge_max_bytes = IOE_CONFIG_OFF;
	read_adjoining(rig, &config, 0, false);
	check_eq(rig_stats(rig).requests, N);
	rig_close(rig, IOE_CLOSE_DRAIN);
	config = rig_config(rig);
	config.merge_max_events = 1;
	read_adjoining(rig, &config, 0, false);
	check_eq(rig_stats(rig).requests, N);
	check_eq(rig_stats(rig).merged_events, 0);
}

NONE_TEST(merge, adjoining_writes_are_one_request)
{
	const int fd = rig_file(rig, 0);
	uint8_t *buffer = rig_buffer(rig, N * BLOCK);
	struct job *jobs = rig_jobs(rig, N);

	pattern_fill(buffer, N * BLOCK, 0, RIG_SEED);
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++)
		ioe_prep_write(&jobs[i].event, fd, buffer + i * BLOCK, BLOCK, i * BLOCK);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	check_eq(rig_stats(rig).requests, 1);
	check_eq(file_differs(fd, 0, N * BLOCK, RIG_SEED), -1);
}

NONE_TEST(merge, vectors_and_plain_events_merge)
{
	const int fd = rig_file(rig, 6 * BLOCK);
	uint8_t *buffer = rig_buffer(rig, 6 * BLOCK);
	const struct iovec iov[3] = { { buffer + BLOCK, BLOCK },
				      { NULL, 0 },
				      { buffer + 2 * BLOCK, 2 * BLOCK } };
	struct job *jobs = rig_jobs(rig, 3);

	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, fd, buffer, BLOCK, 0);
	ioe_prep_readv(&jobs[1].event, fd, iov, 3, BLOCK);
	ioe_prep_read(&jobs[2].event, fd, buffer + 4 * BLOCK, 2 * BLOCK, 4 * BLOCK);
	check_eq(rig_batch(rig, jobs, 3, false), 3);
	rig_wait_all(rig);
	check_eq(jobs[0].result, BLOCK);
	check_eq(jobs[1].result, 3 * BLOCK);
	check_eq(jobs[2].result, 2 * BLOCK);
	check_eq(pattern_differs(buffer, 6 * BLOCK, 0, RIG_SEED), -1);
	check_eq(rig_stats(rig).requests, 1);
}

/* P3: 4 x 512 bytes, the end of the file in the second, one event without callback. */
MATRIX_TEST(merge, p03_end_of_file_inside_a_merged_read)
{
	const int fd = rig_file(rig, 600);
	struct job *jobs = rig_jobs(rig, 4);
	uint8_t *buffer = rig_buffer(rig, 4 * 512);
	struct ioe_event *const events[] = { &jobs[0].event, &jobs[1].event, &jobs[2].event,
					     &jobs[3].event };
	static const int64_t expected[] = { 512, 88, 0, 0 };

	rig_needs_file(rig, RIG_END);
	rig_open(rig, NULL);
	for (uint32_t silent = 0; silent < 4; silent++) {
		memset(buffer, 0xa5, 4 * 512);
		for (uint32_t i = 0; i < 4; i++)
			ioe_prep_read(&jobs[i].event, fd, buffer + 512 * i, 512, 512 * i);
		check_eq(ioe_submit_batch(rig->engine, events, 4), 4);
		for (uint32_t i = 0; i < 4; i++)
			check_eq(ioe_wait(rig->engine, events[(i + silent) % 4]),
				 expected[(i + silent) % 4]);
		for (uint32_t i = 0; i < 4; i++)
			check_eq(jobs[i].event.done, expected[i]);
		check_eq(pattern_differs(buffer, 600, 0, RIG_SEED), -1);
		check_eq(bytes_differ(buffer + 600, 4 * 512 - 600, 0xa5), -1);
	}
}

/* P3: with and without callback side by side in a request. */
MATRIX_TEST(merge, p03_event_without_callback_in_a_merged_read)
{
	const int fd = rig_file(rig, 4 * 512);
	struct job *jobs = rig_jobs(rig, 3);
	struct ioe_event silent;
	uint8_t *buffer = rig_buffer(rig, 4 * 512);

	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, fd, buffer, 512, 0);
	ioe_prep_read(&silent, fd, buffer + 512, 512, 512);
	ioe_prep_read(&jobs[1].event, fd, buffer + 1024, 512, 1024);
	ioe_prep_read(&jobs[2].event, fd, buffer + 1536, 512, 1536);
	rig_submit(rig, &jobs[0]);
	check_eq(ioe_submit(rig->engine, &silent), 0);
	rig_submit(rig, &jobs[1]);
	rig_submit(rig, &jobs[2]);
	rig_wait_all(rig);
	check_eq(ioe_wait(rig->engine, &silent), 512);
	check_eq(pattern_differs(buffer, 4 * 512, 0, RIG_SEED), -1);
}

/* Law 4: only the guilty one fails. */
DATA_TEST(merge, bad_buffer_in_a_merged_request_fails_alone)
{
	enum { EVENTS = 8, BAD = 5 };
	const int fd = rig_file(rig, EVENTS * BLOCK);
	uint8_t *buffer = rig_buffer(rig, EVENTS * BLOCK);
	void *nowhere = mmap(NULL, BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct job *jobs = rig_jobs(rig, 2 * EVENTS);

	cr_assert(nowhere != MAP_FAILED);
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < EVENTS; i++)
		ioe_prep_read(&jobs[i].event, fd, i == BAD ? nowhere : buffer + i * BLOCK, BLOCK,
			      i * BLOCK);
	check_eq(rig_batch(rig, jobs, EVENTS, false), EVENTS);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < EVENTS; i++) {
		check_eq(jobs[i].result, i == BAD ? -EFAULT : BLOCK);
		check_eq(jobs[i].done, i == BAD ? 0 : BLOCK);
		if (i != BAD)
			check_eq(pattern_differs(buffer + i * BLOCK, BLOCK, i * BLOCK, RIG_SEED),
				 -1);
	}
	pattern_fill(buffer, EVENTS * BLOCK, 0, 5);
	for (uint32_t i = 0; i < EVENTS; i++)
		ioe_prep_write(&jobs[EVENTS + i].event, fd, i == BAD ? nowhere : buffer + i * BLOCK,
			       BLOCK, i * BLOCK);
	check_eq(rig_batch(rig, jobs + EVENTS, EVENTS, false), EVENTS);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < EVENTS; i++)
		check_eq(jobs[EVENTS + i].result, i == BAD ? -EFAULT : BLOCK);
	check_eq(file_differs(fd, 0, BAD * BLOCK, 5), -1);
	check_eq(file_differs(fd, BAD * BLOCK, BLOCK, RIG_SEED), -1);
	check_eq(file_differs(fd, (BAD + 1) * BLOCK, (EVENTS - BAD - 1) * BLOCK, 5), -1);
	munmap(nowhere, BLOCK);
}

NONE_TEST(merge, failed_merged_request_is_counted_as_split)
{
	struct job *jobs = rig_jobs(rig, 4);
	const int file = rig_file(rig, 4 * BLOCK);
	const int fd = rig_keep_fd(rig, file_reopen(file, O_WRONLY));
	uint8_t *buffer = rig_buffer(rig, 4 * BLOCK);

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 4; i++)
		ioe_prep_read(&jobs[i].event, fd, buffer + i * BLOCK, BLOCK, i * BLOCK);
	check_eq(rig_batch(rig, jobs, 4, false), 4);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < 4; i++)
		check_eq(jobs[i].result, -EBADF);
	check_eq(rig_stats(rig).split, 1);
	check_eq(rig_stats(rig).requests, 5);
}

/* P11: the merge key. */
MATRIX_TEST(merge, p11_mixed_files_operations_and_flags_in_one_batch)
{
	enum { FILES = 3, EVENTS = 90, FILE_SIZE = 64 * BLOCK };
	struct job *jobs = rig_jobs(rig, EVENTS);
	struct random random = random_open(22);
	int fds[FILES];

	for (uint32_t i = 0; i < FILES; i++)
		fds[i] = rig_keep_fd(rig, place_file(PLACE_DISK, FILE_SIZE, i, 0));
	rig_open(rig, NULL);
	/* Files read and written at adjoining places: reads in the lower half, writes above. */
	for (uint32_t i = 0; i < EVENTS; i++) {
		const uint32_t f = i % FILES;
		const uint64_t at = i / FILES * BLOCK;
		uint8_t *buffer = rig_buffer(rig, BLOCK);

		if (i % 2 == 0) {
			ioe_prep_read(&jobs[i].event, fds[f], buffer, BLOCK, at);
		} else {
			pattern_fill(buffer, BLOCK, at, f + 100);
			ioe_prep_write(&jobs[i].event, fds[f], buffer, BLOCK, at);
		}
		if (random_below(&random, 4) == 0)
			jobs[i].event.flags = IOE_EVENT_NO_MERGE;
	}
	check_eq(rig_batch(rig, jobs, EVENTS, false), EVENTS);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < EVENTS; i++) {
		const uint32_t f = i % FILES;
		const uint64_t at = i / FILES * BLOCK;

		check_eq(jobs[i].result, BLOCK);
		if (i % 2 == 0)
			check_eq(pattern_differs(jobs[i].event.buffer, BLOCK, at, f), -1);
		else
			check_eq(file_differs(fds[f], at, BLOCK, f + 100), -1);
	}
}

/* Random reads of random lengths, hitting, adjoining and overlapping one another. */
DATA_TEST(merge, random_batches_end_as_if_each_event_had_run_alone)
{
	enum { EVENTS = 120, UNITS = 40 };
	const uint64_t u = rig->unit;
	const uint64_t size = UNITS * u + (u % 4096 == 0 ? 0 : 333);
	const int fd = rig_file(rig, size);
	struct random random = random_open(23);

	rig_open(rig, NULL);
	for (uint32_t round = 0; round < 2; round++) {
		struct job *jobs = rig_jobs(rig, EVENTS);

		for (uint32_t i = 0; i < EVENTS; i++) {
			const uint64_t n = random_between(&random, 1, 3) * u;

			ioe_prep_read(&jobs[i].event, fd, rig_buffer(rig, n), n,
				      random_below(&random, UNITS + 2) * u);
		}
		check_eq(rig_batch(rig, jobs, EVENTS, false), EVENTS);
		rig_wait_all(rig);
		for (uint32_t i = 0; i < EVENTS; i++) {
			const struct ioe_event *event = &jobs[i].event;
			const uint64_t left = event->offset < size ? size - event->offset : 0;
			const uint64_t expected = event->length < left ? event->length : left;

			check_eq(event->result, expected);
			check_eq(pattern_differs(event->buffer, expected, event->offset, RIG_SEED),
				 -1);
			/* Direct reads may fill the rest of the buffer with zeros. */
			if (!rig->direct)
				check_eq(bytes_differ((uint8_t *)event->buffer + expected,
						      event->length - expected, 0xa5),
					 -1);
		}
	}
}

/* Depth 1: the first of the even blocks occupies the slot, the others wait for it; then the odd
 * blocks come. */
NONE_TEST(merge, events_that_wait_for_a_slot_merge_with_those_that_come)
{
	struct ioe_config config = rig_config(rig);
	const int fd = rig_file(rig, 2 * N * BLOCK);
	struct job *jobs = rig_jobs(rig, 2 * N);

	config.depth_max = 1;
	config.merge_max_bytes = 2 * N * BLOCK;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < 2 * N; i++) {
		const uint32_t block = i < N ? 2 * i : 2 * (i - N) + 1;

		ioe_prep_read(&jobs[i].event, fd, rig_buffer(rig, BLOCK), BLOCK, block * BLOCK);
	}
	check_eq(rig_batch(rig, jobs, N, false), N);
	cr_assert(ioe_engine_run(rig->engine, 0, 0) >= 0);
	check_eq(rig_stats(rig).requests, 1);
	check_eq(rig_batch(rig, jobs + N, N, false), N);
	rig_wait_all(rig);
	check_eq(rig_stats(rig).requests, 2);
	check_eq(rig_stats(rig).merged_events, 2 * N - 1);
	for (uint32_t i = 0; i < 2 * N; i++) {
		check_eq(jobs[i].result, BLOCK);
		check_eq(pattern_differs(jobs[i].event.buffer, BLOCK, jobs[i].event.offset,
					 RIG_SEED),
			 -1);
	}
}

enum { REGION = 12 * BLOCK };

/* N writes to [from, from + REGION), each full of a number of its own; `expected` is what they
 * leave behind, one after another. */
static void write_overlapping(struct rig *rig, struct job *jobs, int fd, uint64_t from,
			      struct random *random, uint8_t *expected)
{
	for (uint32_t i = 0; i < N; i++) {
		const uint64_t length = random_between(random, 1, 3) * BLOCK;
		const uint64_t at = random_below(random, (REGION - length) / BLOCK + 1) * BLOCK;
		uint8_t *buffer = rig_buffer(rig, length);

		memset(buffer, (int)i + 1, length);
		memset(expected + at, (int)i + 1, length);
		ioe_prep_write(&jobs[i].event, fd, buffer, length, from + at);
	}
	check_eq(rig_batch(rig, jobs, N, false), N);
	cr_assert(ioe_engine_run(rig->engine, 0, 0) >= 0);
}

/* What of the first batch waits is planned again with the second, and the third. */
NONE_TEST(merge, events_that_wait_for_a_slot_keep_the_order_of_overlaps)
{
	enum { ROUNDS = 8, BATCHES = 3 };
	struct ioe_config config = rig_config(rig);
	const int fd = rig_file(rig, BATCHES * REGION);
	struct random random = random_open(22);
	uint8_t expected[BATCHES * REGION];
	uint8_t found[BATCHES * REGION];

	config.depth_max = 3;
	rig_open(rig, &config);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		check_sys(pread(fd, expected, sizeof(expected), 0));
		for (uint32_t b = 0; b < BATCHES; b++)
			write_overlapping(rig, rig_jobs(rig, N), fd, (uint64_t)b * REGION, &random,
					  expected + (size_t)b * REGION);
		rig_wait_all(rig);
		check_sys(pread(fd, found, sizeof(found), 0));
		cr_assert(memcmp(found, expected, sizeof(found)) == 0, "round %u", round);
	}
}

enum { MANY = 5000 }; /* several plans */

static void prep_many(struct rig *rig, struct job *jobs)
{
	const int fd = rig_file(rig, (uint64_t)MANY * 512);
	uint8_t *buffer = rig_buffer(rig, (uint64_t)MANY * 512);

	for (uint64_t i = 0; i < MANY; i++)
		ioe_prep_read(&jobs[i].event, fd, buffer + i * 512, 512, i * 512);
}

static void check_many(struct rig *rig, const struct job *jobs)
{
	check_eq(ioe_engine_drain(rig->engine), 0);
	for (uint64_t i = 0; i < MANY; i++) {
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, 512);
	}
	check_eq(pattern_differs(jobs[0].event.buffer, (uint64_t)MANY * 512, 0, RIG_SEED), -1);
}

/* The opener goes beyond the capacity as long as there is no owner. */
NONE_TEST(merge, drain_of_many_plans_ends)
{
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, MANY);

	config.channel_capacity = 1;
	rig_open(rig, &config);
	prep_many(rig, jobs);
	check_eq(rig_batch(rig, jobs, MANY, false), MANY);
	check_many(rig, jobs);
	/* Requests of 256 events, one more where a plan ends. */
	check_op(rig_stats(rig).requests, <=, MANY / 256 + 1 + MANY / 1024);
}

static void submit_many(struct job *trigger)
{
	must(rig_batch(trigger->rig, trigger->data, MANY, false) == MANY, "batch in a callback");
}

MATRIX_TEST(merge, batch_of_many_plans_in_a_callback_ends)
{
	struct job *trigger = rig_jobs(rig, 1), *jobs = rig_jobs(rig, MANY);

	rig_open(rig, NULL);
	prep_many(rig, jobs);
	ioe_prep_nop(&trigger->event);
	trigger->then = submit_many;
	trigger->data = jobs;
	rig_submit(rig, trigger);
	rig_wait_count(rig, 1 + MANY);
	check_many(rig, jobs);
}
