/* SPDX-License-Identifier: MIT
 * test_late.c - completions that come late, in another order, twice, or long after their time: made
 *               by the seam (PITFALLS P13, P25, P33; law 6). */
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"

#ifdef IOE_TEST_SEAM

enum { N = 32, UNIT = 4096, FOR_GOOD = 1000000 };

static uint32_t n_held, n_let_go, n_reversed;

static uint32_t load(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add(uint32_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

/* Reads of [0, n * UNIT), each a request. */
static uint8_t *prep_reads(struct rig *rig, struct job *jobs, uint32_t n)
{
	const int fd = rig_file(rig, n * UNIT);
	uint8_t *buffer = rig_buffer(rig, n * UNIT);

	for (uint32_t i = 0; i < n; i++) {
		ioe_prep_read(&jobs[i].event, fd, buffer + i * UNIT, UNIT, i * UNIT);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
	}
	return buffer;
}

static void check_reads(const struct job *jobs, uint32_t n, const uint8_t *buffer)
{
	for (uint32_t i = 0; i < n; i++) {
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, UNIT);
	}
	check_eq(pattern_differs(buffer, n * UNIT, 0, RIG_SEED), -1);
}

/* ---- Late -------------------------------------------------------------------------------- */

static uint32_t hold_for_seven(const struct ioe__completion *completion,
			       const struct seam_request *request)
{
	(void)completion;
	(void)request;
	add(&n_held);
	return 7;
}

/* Nothing else is going on that would wake the driver. */
MATRIX_TEST(late, completion_that_is_held_back_comes)
{
	struct job *job = rig_jobs(rig, 1);
	uint8_t *buffer = prep_reads(rig, job, 1);

	seam_on_hold = hold_for_seven;
	seam_watch();
	rig_open(rig, NULL);
	check_eq(rig_do(rig, job), UNIT);
	check_reads(job, 1, buffer);
	check_eq(load(&n_held), 1);
	check_eq(rig_stats(rig).in_flight, 0);
	check_eq(rig_stats(rig).stale_completions, 0);
}

/* The first is held back until all others have come. */
static uint32_t hold_the_first(const struct ioe__completion *completion,
			       const struct seam_request *request)
{
	(void)completion;
	if (request->offset == 0) {
		add(&n_held);
		return FOR_GOOD;
	}
	if (load(&n_let_go) + 1 == N - 1)
		seam_let_go();
	add(&n_let_go);
	return 0;
}

/* Two slots: one is taken by the late one all the time. */
MATRIX_TEST(late, late_completion_holds_up_nobody_else)
{
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);
	uint8_t *buffer = prep_reads(rig, jobs, N);

	config.depth_max = 2;
	config.n_workers = 1; /* callbacks in the order in which the driver hands over */
	seam_on_hold = hold_the_first;
	seam_watch();
	rig_open(rig, &config);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	check_reads(jobs, N, buffer);
	check_eq(load(&n_held), 1);
	check_eq(rig_stats(rig).in_flight_max, 2);
	/* The last few may come in one batch. */
	check_op(jobs[0].order, >=, N - 4);
}

static struct random hold_random;

static uint32_t hold_for_some(const struct ioe__completion *completion,
			      const struct seam_request *request)
{
	const uint32_t n = (uint32_t)random_below(&hold_random, 6);

	(void)completion;
	(void)request;
	if (n > 0)
		add(&n_held);
	return n;
}

static uint32_t n_early_syncs;
static uint64_t bytes_ended;

static uint32_t count_bytes(struct ioe__completion *completions, uint32_t n, uint32_t room)
{
	(void)room;
	for (uint32_t i = 0; i < n; i++)
		bytes_ended += completions[i].result > 0 ? (uint64_t)completions[i].result : 0;
	return n;
}

static void look_at_sync(struct ioe__request *request)
{
	if (request->op == IOE_OP_FSYNC && bytes_ended < N * UNIT)
		add(&n_early_syncs);
}

/* The kernel has done the writes; the engine does not know it yet. */
MATRIX_TEST(late, p13_barrier_sync_waits_for_late_writes)
{
	const int fd = rig_file(rig, 0);
	uint8_t *buffer = rig_buffer(rig, N * UNIT);
	struct job *jobs = rig_jobs(rig, N + 1);

	hold_random = random_open(1);
	seam_on_hold = hold_for_some;
	seam_on_batch = count_bytes;
	seam_on_stage = look_at_sync;
	seam_watch();
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_write(&jobs[i].event, fd, buffer + i * UNIT, UNIT, i * UNIT);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
	}
	ioe_prep_fsync(&jobs[N].event, fd);
	jobs[N].event.flags = IOE_EVENT_BARRIER;
	check_eq(rig_batch(rig, jobs, N + 1, false), N + 1);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].result, UNIT);
	check_eq(jobs[N].result, 0);
	check_eq(n_early_syncs, 0);
	check_op(load(&n_held), >=, N / 4);
}

/* Pairs of writes to one place: whether one is under way there, and by which slots. */
static bool is_written[N];
static uint32_t place_of_slot[256];
static uint32_t n_written, n_together;

static void begin_write(struct ioe__request *request)
{
	const uint32_t place = (uint32_t)(request->offset / UNIT);

	place_of_slot[request->slot % 256] = place;
	n_together += is_written[place];
	is_written[place] = true;
	n_written++;
}

static uint32_t end_writes(struct ioe__completion *completions, uint32_t n, uint32_t room)
{
	(void)room;
	for (uint32_t i = 0; i < n; i++)
		is_written[place_of_slot[completions[i].slot % 256]] = false;
	return n;
}

MATRIX_TEST(late, overlapping_write_waits_for_a_late_one)
{
	const int fd = rig_file(rig, 0);
	struct job *jobs = rig_jobs(rig, 2 * N);
	uint8_t *buffer = rig_buffer(rig, UNIT);

	hold_random = random_open(2);
	seam_on_hold = hold_for_some;
	seam_on_stage = begin_write;
	seam_on_batch = end_writes;
	seam_watch();
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 2 * N; i++) {
		ioe_prep_write(&jobs[i].event, fd, buffer, UNIT, i % N * UNIT);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
	}
	check_eq(rig_batch(rig, jobs, 2 * N, false), 2 * N);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < 2 * N; i++)
		check_eq(jobs[i].result, UNIT);
	check_eq(n_written, 2 * N);
	check_eq(n_together, 0);
	check_op(load(&n_held), >=, N / 2);
}

/* Law 2: the callback comes when the kernel has let go, and close when all have come. */
MATRIX_TEST(late, p33_close_waits_for_late_completions)
{
	enum { ROUNDS = 4 };

	seam_on_hold = hold_for_seven;
	seam_watch();
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct job *jobs = rig_jobs(rig, N);
		const bool drains = round % 2 == 0;

		(void)prep_reads(rig, jobs, N);
		rig_open(rig, NULL);
		rig_push(rig);
		check_eq(rig_batch(rig, jobs, N, false), N);
		rig_close(rig, drains ? IOE_CLOSE_DRAIN : IOE_CLOSE_CANCEL);
		for (uint32_t i = 0; i < N; i++) {
			check_eq(jobs[i].calls, 1);
			cr_assert(jobs[i].result == UNIT ||
					  (!drains && jobs[i].result == -ECANCELED),
				  "%lld", (long long)jobs[i].result);
		}
	}
	check_op(load(&n_held), >=, ROUNDS / 2 * N);
}

/* ---- In another order -------------------------------------------------------------------- */

enum { GATHERED = 16 }; /* as many as `threads` has helpers */

/* All but the last are held back until that comes: one batch. */
static uint32_t gather(const struct ioe__completion *completion, const struct seam_request *request)
{
	(void)completion;
	(void)request;
	add(&n_held);
	if (load(&n_held) < GATHERED)
		return FOR_GOOD;
	seam_let_go();
	return 0;
}

/* The events in the order of their requests, from the last to the first. */
static uint32_t reverse(struct ioe__completion *completions, uint32_t n, uint32_t room)
{
	(void)room;
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = i + 1; k < n; k++)
			if (place_of_slot[completions[i].slot] <
			    place_of_slot[completions[k].slot]) {
				const struct ioe__completion completion = completions[i];

				completions[i] = completions[k];
				completions[k] = completion;
			}
	n_reversed += n;
	return n;
}

/* Each copy of a completion in front of the real one, and behind it. */
static uint32_t reverse_twice(struct ioe__completion *completions, uint32_t n, uint32_t room)
{
	n = reverse(completions, n, room);
	memcpy(completions + n, completions, n * sizeof(*completions));
	return 2 * n;
}

static void note_place(struct ioe__request *request)
{
	place_of_slot[request->slot] = (uint32_t)(request->offset / UNIT);
}

/* Reads that each have a length of their own, all completed in one batch. */
static void read_gathered(struct rig *rig)
{
	const int fd = rig_file(rig, GATHERED * UNIT);
	uint8_t *buffer = rig_buffer(rig, GATHERED * UNIT);
	struct job *jobs = rig_jobs(rig, GATHERED);

	seam_on_stage = note_place;
	seam_on_hold = gather;
	seam_watch();
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < GATHERED; i++) {
		ioe_prep_read(&jobs[i].event, fd, buffer + i * UNIT, 100 * (i + 1), i * UNIT);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
	}
	check_eq(rig_batch(rig, jobs, GATHERED, false), GATHERED);
	rig_wait_all(rig);
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(n_reversed, GATHERED);
	for (uint32_t i = 0; i < GATHERED; i++) {
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, 100 * (i + 1));
		check_eq(pattern_differs(buffer + i * UNIT, 100 * (i + 1), i * UNIT, RIG_SEED), -1);
		/* One thread calls back in the order of completion. */
		if (rig->row.threading != IOE_THREADING_POOL)
			check_eq(jobs[i].order, GATHERED - 1 - i);
	}
	check_eq(rig_stats(rig).events_finished, GATHERED);
	check_eq(rig_stats(rig).in_flight, 0);
}

MATRIX_TEST(late, completions_in_reverse_end_each_with_its_own_result)
{
	seam_on_batch = reverse;
	read_gathered(rig);
	check_eq(rig_stats(rig).stale_completions, 0);
}

MATRIX_TEST(late, p25_completions_in_reverse_and_twice_end_each_once)
{
	seam_on_batch = reverse_twice;
	read_gathered(rig);
	check_eq(rig_stats(rig).stale_completions, GATHERED);
}

#endif
