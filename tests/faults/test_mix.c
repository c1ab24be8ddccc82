/* SPDX-License-Identifier: MIT
 * test_mix.c - all kinds of faults at random, on several drivers at the same time: each kind
 *              happens, and none shows (laws 1 to 4). */
#include "tests/lib/rig.h"
#include "tests/lib/spoil.h"

#include <fcntl.h>

#ifdef IOE_TEST_SEAM

enum { N = 64, UNIT = 4096, FILES = 4, ROUNDS_MIN = 4, ROUNDS_MAX = 3000 };

static uint32_t unit_at(uint64_t offset)
{
	(void)offset;
	return UNIT;
}

/* One batch: neighbours of one or two units, of several files, in any order. What each writes is
 * that of its place, and so is what it reads. */
static void prep_batch(struct job *jobs, const int fds[], uint8_t *buffer, struct random *random,
		       bool writes)
{
	uint64_t at[FILES] = { 0 };

	memset(buffer, 0, N * 2 * UNIT);
	for (uint32_t i = 0; i < N; i++) {
		const uint32_t file = (uint32_t)random_below(random, FILES);
		const uint64_t length = random_between(random, 1, 2) * UNIT;
		uint8_t *bytes = buffer + (uint64_t)i * 2 * UNIT;

		if (writes) {
			pattern_fill(bytes, length, at[file], RIG_SEED);
			ioe_prep_write(&jobs[i].event, fds[file], bytes, length, at[file]);
		} else {
			ioe_prep_read(&jobs[i].event, fds[file], bytes, length, at[file]);
		}
		at[file] += length;
	}
	rig_shuffle(jobs, N, random);
}

/* Only what has a guilty block has failed, and all of that; returns how many. */
static uint32_t check_batch(const struct job *jobs, bool writes)
{
	uint32_t n_failed = 0;

	for (uint32_t i = 0; i < N; i++) {
		const struct ioe_event *event = &jobs[i].event;
		const bool guilty = spoil_is_guilty(event->offset, event->length);

		check_eq(jobs[i].result, guilty ? -EIO : (int64_t)event->length);
		n_failed += guilty;
		if (!guilty && !writes)
			check_eq(pattern_differs(event->buffer, event->length, event->offset,
						 RIG_SEED),
				 -1);
	}
	return n_failed;
}

static void open_files(struct rig *rig, int fds[])
{
	for (uint32_t i = 0; i < FILES; i++)
		fds[i] = rig_keep_fd(rig, place_file(i % 2 == 0 ? PLACE_DISK : PLACE_DISK_DIRECT,
						     N * 2 * UNIT, RIG_SEED, 0));
}

MATRIX_TEST(mix, every_kind_of_fault_happens_and_none_shows)
{
	struct random random = random_open(1);
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);
	uint8_t *buffer = rig_buffer(rig, N * 2 * UNIT);
	uint32_t round = 0, n_failed = 0;
	int fds[FILES];

	open_files(rig, fds);
	if (rig->row.threading != IOE_THREADING_NONE)
		config.n_drivers = 2;
	config.merge_max_bytes = 8 * UNIT;
	spoil_watch((uint64_t)N * 2 * UNIT, unit_at);
	/* No two events touch the same bytes: cuts may be anywhere. */
	spoil_grain(1);
	spoil_begin(random_seed(), 3, 8);
	rig_open(rig, &config);
	for (; round < ROUNDS_MIN || spoil_missing(rig->row.backend) < SPOIL_KINDS; round++) {
		const bool writes = round % 2 == 0;

		cr_assert(round < ROUNDS_MAX, "no fault of this kind in %u rounds: %s", round,
			  spoil_name(spoil_missing(rig->row.backend)));
		prep_batch(jobs, fds, buffer, &random, writes);
		check_eq(rig_batch(rig, jobs, N, false), N);
		rig_wait_all(rig);
		n_failed += check_batch(jobs, writes);
	}
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(rig_stats(rig).errors, n_failed);
	check_eq(rig_stats(rig).stale_completions,
		 spoil_count(SPOIL_DUPLICATE) + spoil_count(SPOIL_STALE));
	check_eq(rig_stats(rig).in_flight, 0);
}

#endif
