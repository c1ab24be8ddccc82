/* SPDX-License-Identifier: MIT
 * test_merge_counts.c - how many requests and system calls events become that are all there before
 *                       the owner first runs: one drained batch.
 * Invariants: none.
 * Threads:    producers of their own, which have ended before the owner runs.
 * Ownership:  the rig's; in traced children the child's. */
#include "tests/lib/rig.h"
#include "tests/lib/trace.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

enum { BLOCK = 4096, N = 1024, FEW = 64, THREADS = 8, BATCH = 16 };
/* Beyond those of the requests: the first run, the last looks at the completions. */
enum { CALLS_EXTRA = 4 };

/* Blocks `first`, `first` + THREADS, ...: neighbours are always other threads'. */
struct producer {
	pthread_t thread;
	struct rig *rig;
	struct job *jobs; /* of all */
	uint32_t first;
};

static void *submit_every_eighth(void *arg)
{
	const struct producer *producer = arg;
	struct ioe_event *events[BATCH];
	uint32_t n = 0;

	for (uint32_t i = producer->first; i < N; i += THREADS) {
		events[n++] = &producer->jobs[i].event;
		if (n < BATCH)
			continue;
		must(ioe_submit_batch(producer->rig->engine, events, n) == (int)n, "submit");
		n = 0;
	}
	return NULL;
}

static void on_end(struct ioe_event *event)
{
	struct job *job = event->arg;

	job->calls++;
	job->result = event->result;
}

static void submit_from_threads(struct rig *rig, struct job *jobs)
{
	struct producer producers[THREADS];

	for (uint32_t i = 0; i < N; i++) {
		jobs[i].event.callback = on_end;
		jobs[i].event.arg = &jobs[i];
	}
	for (uint32_t t = 0; t < THREADS; t++) {
		producers[t] = (struct producer){ .rig = rig, .jobs = jobs, .first = t };
		must(pthread_create(&producers[t].thread, NULL, submit_every_eighth,
				    &producers[t]) == 0,
		     "pthread_create");
	}
	for (uint32_t t = 0; t < THREADS; t++)
		must(pthread_join(producers[t].thread, NULL) == 0, "pthread_join");
}

static void run_all(struct rig *rig, struct job *jobs)
{
	for (uint32_t finished = 0; finished < N;) {
		const int n = ioe_engine_run(rig->engine, 1, RIG_PATIENCE_NS);

		must(n > 0, "run: %d of %u finished", n, finished);
		finished += (uint32_t)n;
	}
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, BLOCK);
	}
}

static void check_counts(struct rig *rig, uint64_t merge_max_bytes)
{
	const struct ioe_stats stats = rig_stats(rig);

	check_op(stats.requests, <=, (uint64_t)N * BLOCK / merge_max_bytes + 8);
	/* Helpers, which aio has to ask in memory, wake the driver in their own time. */
	if (stats.helped == 0)
		check_op(stats.system_calls, <=, stats.requests + CALLS_EXTRA);
	check_eq(stats.events_finished, N);
}

NONE_TEST(merge, reads_of_eight_threads_with_neighbours_on_others_are_few_requests)
{
	static const uint32_t limits[] = { 64 << 10, 256 << 10, 1 << 20 };
	const int fd = rig_file(rig, (uint64_t)N * BLOCK);
	uint8_t *buffer = rig_buffer(rig, (uint64_t)N * BLOCK);

	for (uint32_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++) {
		struct ioe_config config = rig_config(rig);
		struct job *jobs = rig_jobs(rig, N);

		config.merge_max_bytes = limits[k];
		rig_open(rig, &config);
		/* In memory from the last to the first: no two are neighbours there. */
		for (uint64_t i = 0; i < N; i++)
			ioe_prep_read(&jobs[i].event, fd, buffer + (N - 1 - i) * BLOCK, BLOCK,
				      i * BLOCK);
		submit_from_threads(rig, jobs);
		run_all(rig, jobs);
		check_counts(rig, limits[k]);
		for (uint64_t i = 0; i < N; i++)
			check_eq(pattern_differs(jobs[i].event.buffer, BLOCK, i * BLOCK, RIG_SEED),
				 -1);
		rig_close(rig, IOE_CLOSE_DRAIN);
	}
}

NONE_TEST(merge, writes_of_eight_threads_with_neighbours_on_others_are_few_requests)
{
	const int fd = rig_file(rig, 0);
	uint8_t *buffer = rig_buffer(rig, (uint64_t)N * BLOCK);
	struct job *jobs = rig_jobs(rig, N);
	struct ioe_config config = rig_config(rig);

	config.merge_max_bytes = 128 << 10;
	rig_open(rig, &config);
	for (uint64_t i = 0; i < N; i++) {
		uint8_t *block = buffer + (N - 1 - i) * BLOCK;

		pattern_fill(block, BLOCK, i * BLOCK, RIG_SEED);
		ioe_prep_write(&jobs[i].event, fd, block, BLOCK, i * BLOCK);
	}
	submit_from_threads(rig, jobs);
	run_all(rig, jobs);
	check_counts(rig, config.merge_max_bytes);
	check_eq(file_differs(fd, 0, (uint64_t)N * BLOCK, RIG_SEED), -1);
}

/* ---- As the kernel sees it --------------------------------------------------------------- */

static const char *const options[] = {
	"-e",
	"trace=io_uring_enter,io_submit,preadv,preadv2",
	NULL,
};

/* FEW adjoining reads, apart in memory, direct, so that aio does them itself. */
static void read_few(void *arg)
{
	struct rig rig;
	struct job *jobs;
	struct ioe_config config;
	uint8_t *buffer;
	int fd;

	rig_init(&rig, arg);
	config = rig_config(&rig);
	config.merge_max_bytes = FEW * BLOCK;
	jobs = rig_jobs(&rig, FEW);
	buffer = rig_buffer(&rig, (uint64_t)2 * FEW * BLOCK);
	fd = rig_file(&rig, FEW * BLOCK);
	rig_open(&rig, &config);
	for (uint64_t i = 0; i < FEW; i++)
		ioe_prep_read(&jobs[i].event, fd, buffer + 2 * i * BLOCK, BLOCK, i * BLOCK);
	must(rig_batch(&rig, jobs, FEW, false) == FEW, "batch");
	rig_wait_all(&rig);
	for (uint32_t i = 0; i < FEW; i++)
		must(jobs[i].result == BLOCK, "read %u: %lld", i, (long long)jobs[i].result);
	rig_deinit(&rig);
}

static struct trace trace_of(uint32_t backend)
{
	struct rig_row row = { "traced", backend, IOE_THREADING_NONE, PLACE_DISK_DIRECT };
	struct trace trace;

	trace_run(&trace, options, read_few, &row);
	return trace;
}

Test(merge, on_threads_adjoining_reads_are_one_preadv)
{
	struct trace trace = trace_of(IOE_BACKEND_THREADS);

	check_eq(trace_count(&trace, "preadv2") + trace_count(&trace, "preadv"), 1);
	trace_close(&trace);
}

Test(merge, on_aio_adjoining_reads_are_one_submit)
{
	struct trace trace = trace_of(IOE_BACKEND_AIO);

	/* The other one, at open, arms the wake. */
	check_eq(trace_count_text(&trace, "io_submit", "IOCB_CMD_PREADV"), 1);
	check_op(trace_count(&trace, "io_submit"), <=, 2);
	trace_close(&trace);
}

Test(merge, on_uring_adjoining_reads_are_few_enters)
{
	struct trace trace = trace_of(IOE_BACKEND_URING);

	/* One tells at open whether the ring may be used. */
	check_op(trace_count(&trace, "io_uring_enter"), <=, 2 + CALLS_EXTRA);
	trace_close(&trace);
}
