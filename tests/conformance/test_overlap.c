/* SPDX-License-Identifier: MIT
 * test_overlap.c - law 6: overlapping events that were taken up together keep their order. */
#include "engine/backend.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"

#include <unistd.h>

enum { STAGED_MAX = 4096 };

static struct {
	uint64_t offset, length;
	uint8_t op;
} staged[STAGED_MAX];
static uint32_t n_staged;

static void record_stage(struct ioe__request *request)
{
	if (n_staged < STAGED_MAX) {
		staged[n_staged].offset = request->offset;
		staged[n_staged].length = request->length;
		staged[n_staged].op = request->op;
		n_staged++;
	}
}

/* Every second write goes out by halves. */
static void shorten_writes(struct ioe__request *request)
{
	record_stage(request);
	if (request->op == IOE_OP_WRITE && request->n_iov == 0 && n_staged % 2 == 0 &&
	    request->length >= 8192)
		request->length = request->length / 2 / 4096 * 4096;
}

/* A model of the file: which job wrote each unit last. */
enum { UNITS = 32, JOBS = 40 };

static void prep_random_writes(struct rig *rig, struct job *jobs, int fd, uint64_t unit,
			       struct random *random, uint8_t model[UNITS])
{
	memset(model, 0, UNITS);
	for (uint32_t i = 0; i < JOBS; i++) {
		const uint64_t at = random_below(random, UNITS - 4);
		const uint64_t n = random_between(random, 1, 4);
		uint8_t *buffer = rig_buffer(rig, n * unit);

		memset(buffer, (int)i + 1, n * unit);
		memset(model + at, (int)i + 1, n);
		ioe_prep_write(&jobs[i].event, fd, buffer, n * unit, at * unit);
	}
}

static void check_model(int fd, uint64_t unit, const uint8_t model[UNITS])
{
	uint8_t *content = aligned_buffer(UNITS * unit);
	const int plain = file_reopen(fd, 0);

	check_eq(pread(plain, content, UNITS * unit, 0), UNITS * unit);
	for (uint32_t i = 0; i < UNITS; i++)
		check_eq(bytes_differ(content + i * unit, unit, model[i]), -1);
	close(plain);
	free(content);
}

static void write_over_and_over(struct rig *rig, uint32_t depth)
{
	struct ioe_config config = rig_config(rig);
	struct random random = random_open(11);
	uint8_t *zeros = rig_buffer(rig, UNITS * rig->unit);
	const int fd = rig_file(rig, 0);
	uint8_t model[UNITS];

	config.depth_max = depth;
	rig_open(rig, &config);
	memset(zeros, 0, UNITS * rig->unit);
	for (uint32_t round = 0; round < 3; round++) {
		struct job *jobs = rig_jobs(rig, JOBS), *clean = rig_jobs(rig, 1);

		ioe_prep_write(&clean->event, fd, zeros, UNITS * rig->unit, 0);
		check_eq(rig_do(rig, clean), UNITS * rig->unit);
		prep_random_writes(rig, jobs, fd, rig->unit, &random, model);
		check_eq(rig_batch(rig, jobs, JOBS, false), JOBS);
		rig_wait_all(rig);
		check_model(fd, rig->unit, model);
	}
}

/* With one request in the kernel at a time, the order in which requests are given to it is the
 * order in which they run: the file tells. */
DATA_TEST(overlap, at_depth_one_the_last_of_overlapping_writes_wins)
{
	write_over_and_over(rig, 1);
}

/* Deeper, helpers and devices run requests in any order, but for those that overlap. */
DATA_TEST(overlap, the_last_of_overlapping_writes_wins)
{
	write_over_and_over(rig, 0);
}

#ifdef IOE_TEST_SEAM
MATRIX_TEST(overlap, order_holds_when_the_earlier_must_be_resumed)
{
	enum { UNIT = 8192 };
	struct random random = random_open(12);
	struct job *jobs = rig_jobs(rig, JOBS);
	struct ioe_config config = rig_config(rig);
	const int fd = rig_file(rig, UNITS * UNIT);
	uint8_t model[UNITS];

	config.depth_max = 1;
	rig_needs_file(rig, RIG_GROWTH);
	seam_on_stage = shorten_writes;
	seam_watch();
	check_eq(ftruncate(fd, 0), 0);
	check_eq(ftruncate(fd, UNITS * UNIT), 0);
	rig_open(rig, &config);
	prep_random_writes(rig, jobs, fd, UNIT, &random, model);
	check_eq(rig_batch(rig, jobs, JOBS, false), JOBS);
	rig_wait_all(rig);
	check_op(rig_stats(rig).resumed, >, 0);
	check_model(fd, UNIT, model);
}

static bool overlaps(uint64_t a, uint64_t a_length, uint64_t b, uint64_t b_length)
{
	return a < b + b_length && b < a + a_length;
}

/* Each request must be made of jobs that no earlier, not yet staged job overlaps. */
static void check_staged_in_order(const struct job *jobs, uint32_t n)
{
	bool is_staged[JOBS] = { false };

	for (uint32_t s = 0; s < n_staged; s++) {
		for (uint32_t i = 0; i < n; i++) {
			const struct ioe_event *event = &jobs[i].event;
			const bool inside = event->offset >= staged[s].offset &&
					    event->offset + event->length <=
						    staged[s].offset + staged[s].length;

			/* The first job inside that is not staged yet: this request's. */
			if (is_staged[i] || !overlaps(event->offset, event->length,
						      staged[s].offset, staged[s].length))
				continue;
			cr_assert(inside, "request %u [%llu, +%llu) overtakes job %u [%llu, +%llu)",
				  s, (unsigned long long)staged[s].offset,
				  (unsigned long long)staged[s].length, i,
				  (unsigned long long)event->offset,
				  (unsigned long long)event->length);
			is_staged[i] = true;
			if (event->length == staged[s].length)
				break;
			/* A merged request: take the others it is made of, which adjoin. */
			for (uint64_t at = event->offset + event->length;
			     at < staged[s].offset + staged[s].length;) {
				uint32_t k = 0;

				while (k < n && (is_staged[k] || jobs[k].event.offset != at))
					k++;
				cr_assert(k < n, "request %u holds what no job asked for", s);
				is_staged[k] = true;
				at += jobs[k].event.length;
			}
			break;
		}
	}
	for (uint32_t i = 0; i < n; i++)
		cr_assert(is_staged[i], "job %u was never staged", i);
}

/* Merging off: requests are events, and their order can be read off. */
MATRIX_TEST(overlap, overlapping_writes_are_given_to_the_kernel_in_order)
{
	struct random random = random_open(13);
	struct job *jobs = rig_jobs(rig, JOBS);
	struct ioe_config config = rig_config(rig);
	const int fd = rig_file(rig, UNITS * 1000);
	uint8_t model[UNITS];

	config.flags = IOE_ENGINE_NO_MERGE;
	seam_on_stage = record_stage;
	seam_watch();
	rig_open(rig, &config);
	prep_random_writes(rig, jobs, fd, 1000, &random, model);
	check_eq(rig_batch(rig, jobs, JOBS, false), JOBS);
	rig_wait_all(rig);
	check_eq(n_staged, JOBS);
	check_staged_in_order(jobs, JOBS);
	for (uint32_t i = 0; i < JOBS; i++)
		check_eq(jobs[i].result, jobs[i].event.length);
}

/* What has become of each job; a troubled one has come back short and has not ended. */
static enum { WAITING, STARTED, TROUBLED } states[JOBS];
static uint32_t job_of_slot[64];
static struct job *watched_jobs;
static uint32_t n_overtaken;

static void watch_stage(struct ioe__request *request)
{
	const struct job *job = request->events->arg;
	const uint32_t j = (uint32_t)(job - watched_jobs);

	job_of_slot[request->slot % 64] = j;
	for (uint32_t i = 0; i < j; i++)
		n_overtaken += states[i] == TROUBLED &&
			       overlaps(watched_jobs[i].event.offset, watched_jobs[i].event.length,
					request->offset, request->length);
	states[j] = states[j] == WAITING ? STARTED : states[j];
}

static void cut_results(struct ioe__completion *completion, const struct seam_request *request)
{
	const uint32_t j = job_of_slot[completion->slot % 64];

	if (completion->result != (int64_t)request->length)
		return;
	if (states[j] == STARTED && j % 2 == 0) {
		completion->result /= 2;
		states[j] = TROUBLED;
	} else {
		states[j] = STARTED;
	}
}

MATRIX_TEST(overlap, later_events_not_yet_started_wait_for_a_resumed_one)
{
	struct random random = random_open(14);
	struct job *jobs = rig_jobs(rig, JOBS);
	struct ioe_config config = rig_config(rig);
	const int fd = rig_file(rig, UNITS * 1000);
	uint8_t model[UNITS];

	config.flags = IOE_ENGINE_NO_MERGE;
	config.depth_max = 3;
	watched_jobs = jobs;
	seam_on_stage = watch_stage;
	seam_on_completion = cut_results;
	seam_watch();
	rig_open(rig, &config);
	prep_random_writes(rig, jobs, fd, 1000, &random, model);
	check_eq(rig_batch(rig, jobs, JOBS, false), JOBS);
	rig_wait_all(rig);
	check_op(rig_stats(rig).resumed, >=, JOBS / 2);
	check_eq(n_overtaken, 0);
	for (uint32_t i = 0; i < JOBS; i++)
		check_eq(jobs[i].result, jobs[i].event.length);
}

enum { LARGE = 1100, LARGE_UNIT = 512 }; /* more than the 1024 that are planned at a time */

/* The first unit is written by the first and by the last job: the one that has begun and not
 * ended, and whether the other one began meanwhile. */
static const struct job *first_unit_job;
static bool overtaken;
static bool refuses, refused[LARGE];

static void begin_first_unit(struct ioe__request *request)
{
	const struct job *job = request->events->arg;

	if (request->offset != 0)
		return;
	overtaken = overtaken || (first_unit_job != NULL && first_unit_job != job);
	first_unit_job = job;
}

static void end_first_unit(struct ioe__completion *completion, const struct seam_request *request)
{
	bool *known = &refused[request->offset / LARGE_UNIT];

	if (refuses && !*known) {
		*known = true;
		completion->result = -EAGAIN;
	} else if (request->offset == 0) {
		first_unit_job = NULL;
	}
}

static void write_more_than_a_plan(struct rig *rig, uint32_t depth)
{
	struct job *jobs = rig_jobs(rig, LARGE);
	struct ioe_config config = rig_config(rig);
	const int fd = rig_file(rig, LARGE * LARGE_UNIT);
	uint8_t *buffer = rig_buffer(rig, LARGE_UNIT);

	config.flags = IOE_ENGINE_NO_MERGE;
	config.depth_max = depth;
	config.channel_capacity = 1; /* as long as there is no owner, its opener goes beyond it */
	seam_on_stage = begin_first_unit;
	seam_on_completion = end_first_unit;
	seam_watch();
	rig_open(rig, &config);
	for (uint64_t i = 0; i < LARGE; i++)
		ioe_prep_write(&jobs[i].event, fd, buffer, LARGE_UNIT,
			       i + 1 < LARGE ? i * LARGE_UNIT : 0);
	check_eq(rig_batch(rig, jobs, LARGE, false), LARGE);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < LARGE; i++)
		check_eq(jobs[i].result, LARGE_UNIT);
	cr_assert(!overtaken);
}

/* What the backend has of the plan before counts ... */
NONE_TEST(overlap, order_holds_in_a_drain_larger_than_a_plan)
{
	write_more_than_a_plan(rig, 2048);
}

/* ... and so does what has come back from it. */
NONE_TEST(overlap, order_holds_in_a_drain_larger_than_a_plan_that_comes_back)
{
	refuses = true;
	write_more_than_a_plan(rig, 1024);
}
#endif
