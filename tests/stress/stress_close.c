/* SPDX-License-Identifier: MIT
 * stress_close.c - P35: one thread submits, the callback signals, another thread closes at once;
 *                  the first may still be between its push and its last look at the engine. */
#include "tests/lib/fail.h"
#include "tests/lib/stress.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

/* What the two threads share; each round has an engine of its own. */
static struct {
	uint64_t round; /* written by the closer: go */
	struct ioe_engine *engine;
	uint64_t n_rounds;
	uint64_t n_wrong;
	struct ioe_event event;
	uint64_t called; /* callbacks so far */
	uint64_t left;   /* rounds whose submit has returned */
} shared;

static void on_end(struct ioe_event *event)
{
	if (event->result != 0)
		__atomic_add_fetch(&shared.n_wrong, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&shared.called, 1, __ATOMIC_RELEASE);
}

static void wait_for(const uint64_t *counter, uint64_t value)
{
	for (uint32_t i = 0; __atomic_load_n(counter, __ATOMIC_ACQUIRE) < value; i++)
		if (i % 64 == 63)
			sched_yield();
}

static void *submit_each_round(void *arg)
{
	(void)arg;
	for (uint64_t round = 1; round <= shared.n_rounds; round++) {
		int ret;

		wait_for(&shared.round, round);
		ret = ioe_submit(shared.engine, &shared.event);
		if (ret != 0)
			__atomic_add_fetch(&shared.n_wrong, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&shared.left, round, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void run(const struct ioe_config *config, uint64_t n_rounds)
{
	struct ioe_engine *engine;
	pthread_t submitter;

	/* Whether there is such a backend at all. */
	if (!stress_open(config, &engine))
		return;
	must(ioe_engine_close(engine, IOE_CLOSE_DRAIN) == 0, "close");
	memset(&shared, 0, sizeof(shared));
	shared.n_rounds = n_rounds;
	must(pthread_create(&submitter, NULL, submit_each_round, NULL) == 0, "pthread_create");
	for (uint64_t round = 1; round <= n_rounds; round++) {
		must(ioe_engine_open(config, &shared.engine) == 0, "open");
		ioe_prep_nop(&shared.event);
		shared.event.callback = on_end;
		if (config->threading == IOE_THREADING_NONE)
			must(ioe_engine_run(shared.engine, 0, 0) == 0, "run");
		__atomic_store_n(&shared.round, round, __ATOMIC_RELEASE);
		if (config->threading == IOE_THREADING_NONE)
			must(ioe_engine_run(shared.engine, 1, -1) == 1, "run");
		else
			wait_for(&shared.called, round);
		/* The submit call may not have returned yet: it began before. */
		must(ioe_engine_close(shared.engine,
				      round % 2 == 0 ? IOE_CLOSE_DRAIN : IOE_CLOSE_CANCEL) == 0,
		     "close");
		must(__atomic_load_n(&shared.called, __ATOMIC_ACQUIRE) == round,
		     "%llu callbacks in %llu rounds", (unsigned long long)shared.called,
		     (unsigned long long)round);
		/* The next round's event and engine are the same memory. */
		wait_for(&shared.left, round);
	}
	pthread_join(submitter, NULL);
	must(shared.n_wrong == 0, "%llu wrong results", (unsigned long long)shared.n_wrong);
	stress_done(n_rounds, "rounds");
}

int main(int argc, char **argv)
{
	/* 100 k rounds in all, under sanitizers as well: that is what they are for. Opening costs
	 * most of the time, and on aio closing (25 ms). */
	static const struct {
		uint32_t backend, threading;
		uint64_t n_rounds;
	} table[] = {
		{ IOE_BACKEND_URING, IOE_THREADING_NONE, 50000 },
		{ IOE_BACKEND_URING, IOE_THREADING_INLINE, 20000 },
		{ IOE_BACKEND_URING, IOE_THREADING_POOL, 9800 },
		{ IOE_BACKEND_THREADS, IOE_THREADING_NONE, 10000 },
		{ IOE_BACKEND_THREADS, IOE_THREADING_INLINE, 10000 },
		{ IOE_BACKEND_AIO, IOE_THREADING_NONE, 100 },
		{ IOE_BACKEND_AIO, IOE_THREADING_INLINE, 100 },
	};

	stress_begin(argc, argv);
	for (uint32_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ioe_config config = { .size = sizeof(config),
					     .backend = table[i].backend,
					     .threading = table[i].threading,
					     .n_helpers = 1,
					     .depth_max = 2,
					     .channel_capacity = 2 };

		if (table[i].threading == IOE_THREADING_POOL)
			config.n_workers = 1;
		if (stress_scenario("%s %s", stress_backends[table[i].backend],
				    stress_threadings[table[i].threading]))
			run(&config, stress_scaled_full(table[i].n_rounds));
	}
	return stress_end();
}
