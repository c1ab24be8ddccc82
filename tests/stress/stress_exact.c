/* SPDX-License-Identifier: MIT
 * stress_exact.c - 16 producers, exact callback counts: a million nops each on uring, 50 k reads
 *                  each on every backend, in each threading mode; at depth 1 and channel 1, with
 *                  four drivers, with four engines on one pool. */
#include "tests/lib/fail.h"
#include "tests/lib/memory.h"
#include "tests/lib/place.h"
#include "tests/lib/process.h"
#include "tests/lib/stress.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PRODUCERS = 16, WINDOW = 1024, ENGINES_MAX = 4, FILES = 8, BLOCK = 512, BLOCKS = 4096 };

struct slot {
	struct ioe_event event;
	struct producer *producer;
	uint32_t with_engine; /* 1 from before submit to the callback */
	uint8_t *buffer;
};

struct producer {
	pthread_t thread;
	struct ioe_engine *engine;
	uint64_t n_events;
	int fd; /* -1: nops */
	uint64_t first_block;
	struct slot *slots;
	uint8_t *buffers;
	uint64_t n_called __attribute__((aligned(64)));
	uint64_t n_wrong; /* callbacks that should not be, or results, or bytes */
};

struct scenario {
	struct ioe_config config;
	bool reads;
	uint64_t n_each;
	uint32_t n_engines;
};

static struct producer producers[PRODUCERS];
static int files[FILES];

static void on_end(struct ioe_event *event)
{
	struct slot *slot = event->arg;
	struct producer *producer = slot->producer;
	uint64_t wrong = 0;

	if (producer->fd < 0)
		wrong += event->result != 0;
	else
		wrong += event->result != BLOCK ||
			 pattern_differs(slot->buffer, 16, event->offset, 1) >= 0;
	/* The release hands the slot back to the producer. */
	wrong += __atomic_exchange_n(&slot->with_engine, 0, __ATOMIC_ACQ_REL) != 1;
	if (wrong > 0)
		__atomic_add_fetch(&producer->n_wrong, wrong, __ATOMIC_RELAXED);
	__atomic_add_fetch(&producer->n_called, 1, __ATOMIC_RELEASE);
}

static void *produce(void *arg)
{
	struct producer *producer = arg;

	for (uint64_t i = 0; i < producer->n_events; i++) {
		struct slot *slot = &producer->slots[i % WINDOW];

		while (__atomic_load_n(&slot->with_engine, __ATOMIC_ACQUIRE) != 0)
			sched_yield();
		if (producer->fd < 0)
			ioe_prep_nop(&slot->event);
		else
			ioe_prep_read(&slot->event, producer->fd, slot->buffer, BLOCK,
				      (producer->first_block + i) % BLOCKS * BLOCK);
		slot->event.callback = on_end;
		slot->event.arg = slot;
		__atomic_store_n(&slot->with_engine, 1, __ATOMIC_RELAXED);
		if (ioe_submit(producer->engine, &slot->event) != 0)
			__atomic_add_fetch(&producer->n_wrong, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static uint64_t called(void)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < PRODUCERS; i++)
		n += __atomic_load_n(&producers[i].n_called, __ATOMIC_ACQUIRE);
	return n;
}

static void open_producer(struct producer *producer, uint32_t index,
			  const struct scenario *scenario, struct ioe_engine *engine)
{
	memset(producer, 0, sizeof(*producer));
	producer->engine = engine;
	producer->n_events = scenario->n_each;
	producer->fd = scenario->reads ? files[index % FILES] : -1;
	producer->first_block = index * 251;
	producer->slots = calloc(WINDOW, sizeof(struct slot));
	producer->buffers = aligned_buffer((uint64_t)WINDOW * BLOCK);
	must(producer->slots != NULL, "no memory");
	for (uint32_t i = 0; i < WINDOW; i++) {
		producer->slots[i].producer = producer;
		producer->slots[i].buffer = producer->buffers + i * BLOCK;
	}
}

static void check_engine(struct ioe_engine *engine, uint64_t expected)
{
	struct ioe_stats stats = { .size = sizeof(stats) };

	must(ioe_engine_drain(engine) == 0, "drain");
	must(ioe_engine_stats(engine, &stats) == 0, "stats");
	must(stats.events_accepted == expected && stats.events_finished == expected,
	     "accepted %llu, finished %llu of %llu", (unsigned long long)stats.events_accepted,
	     (unsigned long long)stats.events_finished, (unsigned long long)expected);
	must(stats.errors == 0 && stats.in_flight == 0 && stats.cq_overflows == 0 &&
		     stats.stale_completions == 0,
	     "errors %llu, in flight %llu, overflows %llu, stale %llu",
	     (unsigned long long)stats.errors, (unsigned long long)stats.in_flight,
	     (unsigned long long)stats.cq_overflows, (unsigned long long)stats.stale_completions);
}

/* NONE: this thread is the owner and drives until all have been called back. */
static void drive(struct ioe_engine *engine, uint64_t total)
{
	while (called() < total)
		must(ioe_engine_run(engine, 1, 100000000) >= 0, "run");
}

static void run(const struct scenario *scenario)
{
	const uint64_t total = scenario->n_each * PRODUCERS;
	struct ioe_engine *engines[ENGINES_MAX] = { NULL };
	struct ioe_workers *workers = NULL;
	struct ioe_config config = scenario->config;

	if (scenario->n_engines > 1) {
		must(ioe_workers_open(2, &workers) == 0, "workers");
		config.workers = workers;
	}
	for (uint32_t i = 0; i < scenario->n_engines; i++) {
		if (stress_open(&config, &engines[i]))
			continue;
		must(i == 0, "the second engine cannot be opened");
		must(ioe_workers_close(workers) == 0, "close of the pool");
		return;
	}
	if (config.threading == IOE_THREADING_NONE)
		must(ioe_engine_run(engines[0], 0, 0) == 0, "run");
	for (uint32_t i = 0; i < PRODUCERS; i++)
		open_producer(&producers[i], i, scenario, engines[i % scenario->n_engines]);
	for (uint32_t i = 0; i < PRODUCERS; i++)
		must(pthread_create(&producers[i].thread, NULL, produce, &producers[i]) == 0,
		     "pthread_create");
	if (config.threading == IOE_THREADING_NONE)
		drive(engines[0], total);
	for (uint32_t i = 0; i < PRODUCERS; i++)
		pthread_join(producers[i].thread, NULL);
	for (uint32_t i = 0; i < scenario->n_engines; i++)
		check_engine(engines[i], total / scenario->n_engines);
	must(called() == total, "%llu callbacks of %llu", (unsigned long long)called(),
	     (unsigned long long)total);
	for (uint32_t i = 0; i < scenario->n_engines; i++)
		must(ioe_engine_close(engines[i], IOE_CLOSE_DRAIN) == 0, "close");
	must(ioe_workers_close(workers) == 0, "close of the pool");
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		must(producers[i].n_called == scenario->n_each && producers[i].n_wrong == 0,
		     "producer %u: %llu callbacks of %llu, %llu wrong", i,
		     (unsigned long long)producers[i].n_called,
		     (unsigned long long)scenario->n_each,
		     (unsigned long long)producers[i].n_wrong);
		free(producers[i].slots);
		free(producers[i].buffers);
	}
	stress_done(total, "events");
}

static struct scenario scenario_of(uint32_t backend, uint32_t threading, bool reads, uint64_t n)
{
	return (struct scenario){
		.config = { .size = sizeof(struct ioe_config),
			    .backend = backend,
			    .threading = threading },
		.reads = reads,
		.n_each = stress_scaled(n),
		.n_engines = 1,
	};
}

static void run_modes(uint32_t backend, uint32_t threading)
{
	const char *b = stress_backends[backend], *t = stress_threadings[threading];
	struct scenario scenario;

	if (backend == IOE_BACKEND_URING && stress_scenario("%s %s 16 producers, nops", b, t)) {
		scenario = scenario_of(backend, threading, false, 250000);
		run(&scenario);
	}
	if (stress_scenario("%s %s 16 x 50 k reads", b, t)) {
		scenario = scenario_of(backend, threading, true, 50000);
		run(&scenario);
	}
	for (uint32_t reads = 0; reads < 2; reads++) {
		if (!stress_scenario("%s %s depth 1, channel 1, %s", b, t,
				     reads ? "reads" : "nops"))
			continue;
		scenario = scenario_of(backend, threading, reads, reads ? 800 : 2000);
		scenario.config.depth_max = 1;
		scenario.config.channel_capacity = 1;
		run(&scenario);
	}
	if (threading == IOE_THREADING_NONE)
		return;
	for (uint32_t reads = 0; reads < 2; reads++) {
		if (!stress_scenario("%s %s four drivers, %s", b, t, reads ? "reads" : "nops"))
			continue;
		scenario = scenario_of(backend, threading, reads, reads ? 20000 : 50000);
		scenario.config.n_drivers = 4;
		run(&scenario);
	}
	if (threading == IOE_THREADING_POOL && stress_scenario("%s four engines, one pool", b)) {
		scenario = scenario_of(backend, threading, true, 20000);
		scenario.n_engines = 4;
		run(&scenario);
	}
}

int main(int argc, char **argv)
{
	stress_begin(argc, argv);
	for (uint32_t i = 0; i < FILES; i++)
		files[i] = place_file(PLACE_DISK, BLOCKS * BLOCK, 1, 0);
	for (uint32_t backend = IOE_BACKEND_URING; backend <= IOE_BACKEND_THREADS; backend++)
		for (uint32_t threading = 0; threading < 3; threading++)
			run_modes(backend, threading);
	return stress_end();
}
