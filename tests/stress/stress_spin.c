/* SPDX-License-Identifier: MIT
 * stress_spin.c - P36: a driver that spins must not starve its producers: with 8 of them and the
 *                 default spin the rate is within 10 % of that with spin off. */
#include "tests/check.h"
#include "tests/lib/fail.h"
#include "tests/lib/process.h"
#include "tests/lib/stress.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { PRODUCERS = 8, WINDOW = 512, RUNS = 5, TRIES = 12 };

struct slot {
	struct ioe_event event;
	uint32_t with_engine;
};

struct producer {
	pthread_t thread;
	struct ioe_engine *engine;
	uint64_t n;
	struct slot slots[WINDOW];
};

static void on_end(struct ioe_event *event)
{
	struct slot *slot = event->arg;

	__atomic_store_n(&slot->with_engine, 0, __ATOMIC_RELEASE);
}

static void *produce(void *arg)
{
	struct producer *producer = arg;

	for (uint64_t i = 0; i < producer->n; i++) {
		struct slot *slot = &producer->slots[i % WINDOW];

		while (__atomic_load_n(&slot->with_engine, __ATOMIC_ACQUIRE) != 0)
			sched_yield();
		ioe_prep_nop(&slot->event);
		slot->event.callback = on_end;
		slot->event.arg = slot;
		__atomic_store_n(&slot->with_engine, 1, __ATOMIC_RELAXED);
		must(ioe_submit(producer->engine, &slot->event) == 0, "submit");
	}
	return NULL;
}

/* Events per second. */
static double measure(uint64_t spin_ns, uint64_t n)
{
	const struct ioe_config config = { .size = sizeof(config),
					   .threading = IOE_THREADING_INLINE,
					   .spin_ns = spin_ns };
	struct producer *producers = calloc(PRODUCERS, sizeof(*producers));
	struct ioe_engine *engine;
	int64_t before_ns;
	double rate;

	must(producers != NULL, "no memory");
	must(ioe_engine_open(&config, &engine) == 0, "open");
	before_ns = clock_now_ns();
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		producers[i].engine = engine;
		producers[i].n = n;
		must(pthread_create(&producers[i].thread, NULL, produce, &producers[i]) == 0,
		     "pthread_create");
	}
	for (uint32_t i = 0; i < PRODUCERS; i++)
		pthread_join(producers[i].thread, NULL);
	must(ioe_engine_drain(engine) == 0, "drain");
	rate = (double)(PRODUCERS * n) * 1e9 / (double)(clock_now_ns() - before_ns);
	must(ioe_engine_close(engine, IOE_CLOSE_DRAIN) == 0, "close");
	free(producers);
	return rate;
}

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	const uint64_t n = stress_scaled(100000);
	double ratio = 0;

	stress_begin(argc, argv);
	if (CHECK_SANITIZED)
		support_skip("rates mean nothing under a sanitizer");
	for (uint32_t try = 0; try < TRIES && ratio < 0.9; try++) {
		double spin[RUNS], off[RUNS];

		stress_scenario("8 producers, default spin against none");
		/* One after the other, so that a busy machine is busy for both. */
		for (uint32_t i = 0; i < RUNS; i++) {
			spin[i] = measure(0, n);
			off[i] = measure(IOE_CONFIG_OFF, n);
		}
		qsort(spin, RUNS, sizeof(spin[0]), by_size);
		qsort(off, RUNS, sizeof(off[0]), by_size);
		ratio = spin[RUNS / 2] / off[RUNS / 2];
		printf("spinning %.0f/s, not spinning %.0f/s: ratio %.2f\n", spin[RUNS / 2],
		       off[RUNS / 2], ratio);
	}
	must(ratio >= 0.9, "ratio %.2f, not 0.90", ratio);
	stress_done(2 * RUNS * PRODUCERS * n, "events");
	return stress_end();
}
