/* SPDX-License-Identifier: MIT
 * test_latency.c - ioe_stats.latency: which stage an event's time is told of. Bounds are from below
 *                  by readings of the clock inside the stage, or from above by some around all of
 *                  them: none depends on speed. */
#include "tests/lib/rig.h"

#include <string.h>
#include <unistd.h>

/* In as many events of one thread one is timed at the least; and its first one is. */
enum { GAP = 64 };

#define NAP_NS INT64_C(2000000)

/* Some time by the clock, in one piece: at least NAP_NS. */
static int64_t nap(void)
{
	const struct timespec ms = { 0, 1000000 };
	const int64_t start = clock_now_ns();
	int64_t spent;

	do {
		nanosleep(&ms, NULL);
		spent = clock_now_ns() - start;
	} while (spent < NAP_NS);
	return spent;
}

static void check_latency(const struct ioe_latency *latency, uint64_t n)
{
	uint64_t n_seen = 0, least_ns = 0;
	uint32_t last = 0;

	check_eq(latency->n, n);
	for (uint32_t i = 0; i < IOE_LATENCY_BUCKETS; i++) {
		n_seen += latency->histogram[i];
		least_ns += latency->histogram[i] * (i > 0 ? UINT64_C(1) << i : 0);
		if (latency->histogram[i] > 0)
			last = i;
	}
	check_eq(n_seen, n);
	check_op(latency->sum_ns, >=, least_ns);
	check_op(latency->sum_ns, >=, latency->max_ns);
	check_op(latency->max_ns * n, >=, latency->sum_ns);
	if (last > 0)
		check_op(latency->max_ns, >=, UINT64_C(1) << last);
	check_eq(latency->max_ns >> (last + 1), 0);
}

static bool is_all_0(const struct ioe_stats *stats, uint32_t from)
{
	static const struct ioe_latency none[8];

	return memcmp(&stats->latency[from], &none[from], (8 - from) * sizeof(none[0])) == 0;
}

MATRIX_TEST(latency, each_timed_event_is_counted_once_in_each_stage)
{
	enum { N = 1024 };
	struct job *jobs = rig_jobs(rig, N);
	struct ioe_stats stats;
	uint64_t n;

	rig_open(rig, NULL);
	stats = rig_stats(rig);
	cr_assert(is_all_0(&stats, 0));
	rig_prep_nops(jobs, N);
	check_eq(rig_batch(rig, jobs, N / 2, false), N / 2);
	for (uint32_t i = N / 2; i < N; i++)
		rig_submit(rig, &jobs[i]);
	check_eq(ioe_engine_drain(rig->engine), 0);
	stats = rig_stats(rig);
	n = stats.latency[IOE_LATENCY_CHANNEL].n;
	/* About one of 32. */
	check_op(n, >=, N / 48);
	check_op(n, <=, N / 24);
	for (uint32_t i = 0; i < IOE_LATENCY_END; i++)
		check_latency(&stats.latency[i], n);
	cr_assert(is_all_0(&stats, IOE_LATENCY_END));
}

MATRIX_TEST(latency, events_without_callback_have_no_stage_after_the_kernel)
{
	struct ioe_event events[2 * GAP], *list[2 * GAP];
	struct ioe_stats stats;
	uint64_t n;

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 2 * GAP; i++) {
		ioe_prep_nop(&events[i]);
		list[i] = &events[i];
	}
	check_eq(ioe_submit_batch(rig->engine, list, 2 * GAP), 2 * GAP);
	for (uint32_t i = 0; i < 2 * GAP; i++)
		check_eq(ioe_wait(rig->engine, &events[i]), 0);
	check_eq(ioe_engine_drain(rig->engine), 0);
	stats = rig_stats(rig);
	n = stats.latency[IOE_LATENCY_CHANNEL].n;
	check_op(n, >=, 2);
	for (uint32_t i = IOE_LATENCY_CHANNEL; i <= IOE_LATENCY_KERNEL; i++)
		check_latency(&stats.latency[i], n);
	cr_assert(is_all_0(&stats, IOE_LATENCY_WORKER));
}

MATRIX_TEST(latency, no_timing_leaves_all_of_it_0)
{
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, 2 * GAP);
	struct ioe_stats stats;

	config.flags = IOE_ENGINE_NO_TIMING;
	rig_open(rig, &config);
	rig_prep_nops(jobs, 2 * GAP);
	check_eq(rig_batch(rig, jobs, 2 * GAP, false), 2 * GAP);
	check_eq(ioe_engine_drain(rig->engine), 0);
	stats = rig_stats(rig);
	check_eq(stats.events_finished, 2 * GAP);
	cr_assert(is_all_0(&stats, 0));
	check_eq(stats.elapsed_ns, 0);
	check_eq(stats.in_flight_ns, 0);
}

static void take_a_nap(struct job *job)
{
	(void)job;
	(void)nap();
}

MATRIX_TEST(latency, callback_is_what_callbacks_have_taken)
{
	struct job *jobs = rig_jobs(rig, GAP);
	struct ioe_latency latency;

	rig_open(rig, NULL);
	rig_prep_nops(jobs, GAP);
	for (uint32_t i = 0; i < GAP; i++)
		jobs[i].then = take_a_nap;
	check_eq(rig_batch(rig, jobs, GAP, false), GAP);
	check_eq(ioe_engine_drain(rig->engine), 0);
	latency = rig_stats(rig).latency[IOE_LATENCY_CALLBACK];
	check_op(latency.n, >=, 1);
	check_latency(&latency, latency.n);
	check_op(latency.sum_ns, >=, latency.n * NAP_NS);
	for (uint32_t i = 0; INT64_C(2) << i <= NAP_NS; i++)
		check_eq(latency.histogram[i], 0);
}

NONE_TEST(latency, channel_is_the_time_before_the_owner_comes)
{
	struct job *jobs = rig_jobs(rig, GAP);
	struct ioe_latency latency;
	int64_t spent;

	rig_open(rig, NULL);
	rig_push(rig);
	rig_prep_nops(jobs, GAP);
	check_eq(rig_batch(rig, jobs, GAP, false), GAP);
	check_eq(rig_stats(rig).latency[IOE_LATENCY_CHANNEL].n, 0);
	spent = nap();
	rig_wait_all(rig);
	latency = rig_stats(rig).latency[IOE_LATENCY_CHANNEL];
	check_op(latency.n, >=, 1);
	check_op(latency.sum_ns, >=, latency.n * (uint64_t)spent);
}

/* A callback that stays until the test lets it go. */
struct stay {
	int has_started;
	int may_go;
};

static void stay(struct job *job)
{
	const struct timespec brief = { 0, 200000 };
	struct stay *stay = job->data;

	__atomic_store_n(&stay->has_started, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&stay->may_go, __ATOMIC_SEQ_CST) == 0)
		nanosleep(&brief, NULL);
}

static bool has_started(void *arg)
{
	return __atomic_load_n(&((struct stay *)arg)->has_started, __ATOMIC_SEQ_CST) != 0;
}

static bool have_ended(void *arg)
{
	return rig_stats(arg).events_finished == 1 + GAP;
}

/* A callback that does not return: on INLINE it has the driver, which takes nothing out of the
 * channel; in POOL the only worker. */
DRIVER_TEST(latency, what_waits_for_a_slow_callback_is_told_of_where_it_waits)
{
	const bool is_pool = rig->row.threading == IOE_THREADING_POOL;
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, 1 + GAP);
	struct ioe_stats before, stats;
	struct stay first = { 0, 0 };
	uint32_t stage = is_pool ? IOE_LATENCY_WORKER : IOE_LATENCY_CHANNEL;
	int64_t spent;

	config.n_workers = is_pool ? 1 : 0;
	rig_open(rig, &config);
	rig_prep_nops(jobs, 1 + GAP);
	jobs[0].then = stay;
	jobs[0].data = &first;
	rig_submit(rig, &jobs[0]);
	rig_wait_for(rig, has_started, &first, "the first callback");
	before = rig_stats(rig);
	check_eq(before.latency[stage].n, 1);
	check_eq(before.latency[IOE_LATENCY_CALLBACK].n, 0);
	check_eq(rig_batch(rig, jobs + 1, GAP, false), GAP);
	if (is_pool)
		rig_wait_for(rig, have_ended, rig, "the others");
	spent = nap();
	__atomic_store_n(&first.may_go, 1, __ATOMIC_SEQ_CST);
	rig_wait_all(rig);
	check_eq(ioe_engine_drain(rig->engine), 0);
	stats = rig_stats(rig);
	check_op(stats.latency[stage].n, >=, 2);
	check_op(stats.latency[stage].sum_ns - before.latency[stage].sum_ns, >=,
		 (stats.latency[stage].n - 1) * (uint64_t)spent);
	check_op(stats.latency[IOE_LATENCY_CALLBACK].sum_ns, >=, spent);
	check_eq(stats.latency[IOE_LATENCY_CALLBACK].n, stats.latency[stage].n);
}

static bool some_are_taken(void *arg)
{
	return rig_stats(arg).latency[IOE_LATENCY_CHANNEL].n >= 2;
}

MATRIX_TEST(latency, pending_is_the_time_before_a_slot_is_free)
{
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, 1 + GAP);
	struct ioe_latency latency;
	int64_t spent;
	int fds[2];
	char byte;

	rig_pipe(rig, fds);
	config.depth_max = 1;
	config.n_helpers = 1;
	rig_open(rig, &config);
	rig_prep_nops(jobs, 1 + GAP);
	ioe_prep_read(&jobs[0].event, fds[0], &byte, 1, 0);
	rig_submit(rig, &jobs[0]);
	rig_wait_in_flight(rig, 1);
	/* One publish: they are taken together. */
	check_eq(rig_batch(rig, jobs + 1, GAP, false), GAP);
	rig_wait_for(rig, some_are_taken, rig, "the driver has taken them");
	check_eq(rig_stats(rig).latency[IOE_LATENCY_PENDING].n, 1);
	spent = nap();
	check_eq(write(fds[1], "x", 1), 1);
	rig_wait_all(rig);
	latency = rig_stats(rig).latency[IOE_LATENCY_PENDING];
	check_op(latency.n, >=, 2);
	check_op(latency.sum_ns, >=, (latency.n - 1) * (uint64_t)spent);
}

MATRIX_TEST(latency, kernel_is_the_time_without_an_answer)
{
	struct job *job = rig_jobs(rig, 1);
	struct ioe_stats stats;
	uint64_t sum_ns = 0;
	int64_t start, spent;
	char byte;
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	ioe_prep_read(&job->event, fds[0], &byte, 1, 0);
	start = clock_now_ns();
	rig_submit(rig, job);
	rig_wait_in_flight(rig, 1);
	spent = nap();
	check_eq(write(fds[1], "x", 1), 1);
	rig_wait_all(rig);
	check_eq(ioe_engine_drain(rig->engine), 0);
	stats = rig_stats(rig);
	check_op(stats.latency[IOE_LATENCY_KERNEL].sum_ns, >=, spent);
	/* What is told of one stage is not told of another, too. */
	for (uint32_t i = 0; i < IOE_LATENCY_END; i++) {
		check_latency(&stats.latency[i], 1);
		sum_ns += stats.latency[i].sum_ns;
	}
	check_op(sum_ns, <=, clock_now_ns() - start);
}

/* A read that ends in two parts: its time with the kernel is one, from the first request on. */
MATRIX_TEST(latency, kernel_goes_from_the_first_request_to_the_last)
{
	struct job *job = rig_jobs(rig, 1);
	struct ioe_latency latency;
	int64_t spent;
	char bytes[2];
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	ioe_prep_read(&job->event, fds[0], bytes, 2, 0);
	rig_submit(rig, job);
	rig_wait_in_flight(rig, 1);
	spent = nap();
	check_eq(write(fds[1], "x", 1), 1);
	spent += nap();
	check_eq(rig_stats(rig).latency[IOE_LATENCY_KERNEL].n, 0);
	check_eq(write(fds[1], "y", 1), 1);
	rig_wait_all(rig);
	check_eq(job->result, 2);
	latency = rig_stats(rig).latency[IOE_LATENCY_KERNEL];
	check_latency(&latency, 1);
	check_op(latency.sum_ns, >=, spent);
	check_eq(rig_stats(rig).latency[IOE_LATENCY_PENDING].n, 1);
}

static void look_at_stats(struct job *job)
{
	*(struct ioe_stats *)job->data = rig_stats(job->rig);
}

/* Barriers behind a read that hangs never reach the kernel. */
MATRIX_TEST(latency, cancelled_events_were_pending_to_the_end)
{
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, 1 + GAP);
	struct ioe_stats stats = { 0 };
	char bytes[1 + GAP];
	int fds[2];

	rig_pipe(rig, fds);
	config.n_workers = rig->row.threading == IOE_THREADING_POOL ? 1 : 0;
	rig_open(rig, &config);
	for (uint32_t i = 0; i <= GAP; i++) {
		ioe_prep_read(&jobs[i].event, fds[0], &bytes[i], 1, 0);
		jobs[i].event.flags = i > 0 ? IOE_EVENT_BARRIER : 0;
		jobs[i].then = look_at_stats;
		jobs[i].data = &stats;
	}
	rig_submit(rig, &jobs[0]);
	rig_wait_in_flight(rig, 1);
	check_eq(rig_batch(rig, jobs + 1, GAP, false), GAP);
	rig_close(rig, IOE_CLOSE_CANCEL);
	for (uint32_t i = 1; i <= GAP; i++)
		check_eq(jobs[i].result, -ECANCELED);
	/* As the last callback has seen them, the one of the read or of a barrier. */
	check_op(stats.latency[IOE_LATENCY_PENDING].n, >=, 2);
	check_eq(stats.latency[IOE_LATENCY_CHANNEL].n, stats.latency[IOE_LATENCY_PENDING].n);
	check_op(stats.latency[IOE_LATENCY_KERNEL].n, <=, 1);
}

static void submit_one(void *arg)
{
	struct job *job = arg;

	rig_submit(job->rig, job);
}

MATRIX_TEST(latency, first_event_of_each_thread_is_timed)
{
	enum { N = 8 };
	struct job *jobs = rig_jobs(rig, N);
	struct actor actors[N];

	rig_open(rig, NULL);
	rig_push(rig);
	rig_prep_nops(jobs, N);
	for (uint32_t i = 0; i < N; i++) {
		actor_start(&actors[i], submit_one, &jobs[i]);
		actor_join(&actors[i]);
	}
	rig_wait_all(rig);
	check_eq(ioe_engine_drain(rig->engine), 0);
	for (uint32_t i = 0; i < IOE_LATENCY_END; i++)
		check_latency(&rig_stats(rig).latency[i], N);
}

DRIVER_TEST(latency, drivers_are_added_up)
{
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, 4 * GAP);
	struct ioe_stats stats;

	config.n_drivers = 4;
	rig_open(rig, &config);
	rig_prep_nops(jobs, 4 * GAP);
	check_eq(rig_batch(rig, jobs, 4 * GAP, false), 4 * GAP);
	check_eq(ioe_engine_drain(rig->engine), 0);
	stats = rig_stats(rig);
	check_op(stats.latency[IOE_LATENCY_CHANNEL].n, >=, 4);
	for (uint32_t i = 0; i < IOE_LATENCY_END; i++)
		check_latency(&stats.latency[i], stats.latency[IOE_LATENCY_CHANNEL].n);
}

/* Their callbacks take turns on the same workers; those of one take their time. */
BACKEND_TEST(latency, engines_that_share_workers_have_each_its_own)
{
	enum { N = 2 * GAP };
	struct job *jobs = rig_jobs(rig, N), *others;
	struct ioe_config config = rig_config(rig);
	struct ioe_latency latency;
	struct rig other;

	check_eq(ioe_workers_open(2, &config.workers), 0);
	rig_open(rig, &config);
	rig_init(&other, &rig->row);
	config.flags = IOE_ENGINE_NO_TIMING;
	rig_open(&other, &config);
	others = rig_jobs(&other, N);
	rig_prep_nops(jobs, N);
	rig_prep_nops(others, N);
	for (uint32_t i = 0; i < N; i++) {
		jobs[i].then = take_a_nap;
		rig_submit(rig, &jobs[i]);
		rig_submit(&other, &others[i]);
	}
	rig_wait_all(&other);
	check_eq(ioe_engine_drain(other.engine), 0);
	check_eq(rig_stats(&other).latency[IOE_LATENCY_CALLBACK].n, 0);
	rig_deinit(&other);
	check_eq(ioe_engine_drain(rig->engine), 0);
	latency = rig_stats(rig).latency[IOE_LATENCY_CALLBACK];
	check_op(latency.n, >=, 2);
	check_latency(&latency, rig_stats(rig).latency[IOE_LATENCY_CHANNEL].n);
	check_op(latency.sum_ns, >=, latency.n * NAP_NS);
	rig_close(rig, IOE_CLOSE_DRAIN);
	check_eq(ioe_workers_close(config.workers), 0);
}
