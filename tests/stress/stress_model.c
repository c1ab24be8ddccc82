/* SPDX-License-Identifier: MIT
 * stress_model.c - everything at once against a model of bytes: random reads and writes, plain and
 *                  vectored, buffered and O_DIRECT, merged, with barriers, waits and callbacks that
 *                  submit again, while requests end short, interrupted, twice, or with errors by
 *                  block; and a close at any moment. IOE_SEED replays the choices.
 *
 * Each slot has a region of the file to itself, neighbours of other slots': what merging mixes up
 * shows. A region of guilty numbers fails always, and must not take its neighbours with it. */
#include "tests/lib/fail.h"
#include "tests/lib/memory.h"
#include "tests/lib/place.h"
#include "tests/lib/random.h"
#include "tests/lib/seam.h"
#include "tests/lib/stress.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 3, SLOTS = 32, REGION = 8192, UNIT = 512, UNITS = REGION / UNIT, IOV = 6 };
enum { GUILTY_MODULUS = 19, GUILTY_REST = 7 };

struct slot {
	struct ioe_event event;
	struct ioe_engine *engine;
	struct random random;
	uint32_t region;
	uint32_t first, n; /* units of the region the event is about */
	bool writes;
	bool busy;            /* with the engine, or about to be */
	uint8_t generation;   /* what is being written */
	int16_t model[UNITS]; /* the byte each unit is full of; -1: not known */
	uint8_t *buffer;
	struct iovec iov[IOV];
};

static struct slot slots[THREADS][SLOTS];
static int buffered_fd, direct_fd;
static struct random fault_random; /* the driver's thread's */
static uint64_t n_accepted, n_ended;
static bool closing;

static bool is_guilty(uint64_t region)
{
	return region % GUILTY_MODULUS == GUILTY_REST;
}

/* ---- Faults ------------------------------------------------------------------------------ */

static void shorten(struct ioe__request *request)
{
	const bool transfers = request->op == IOE_OP_READ || request->op == IOE_OP_WRITE;

	if (transfers && request->n_iov == 0 && request->length > UNIT &&
	    random_below(&fault_random, 6) == 0)
		request->length =
			random_between(&fault_random, 1, request->length / UNIT - 1) * UNIT;
}

static void spoil(struct ioe__completion *completion, const struct seam_request *request)
{
	if (request->op != IOE_OP_READ && request->op != IOE_OP_WRITE)
		return;
	for (uint64_t at = request->offset; at < request->offset + request->length; at += UNIT)
		if (is_guilty(at / REGION)) {
			completion->result = -EIO;
			return;
		}
	switch (random_below(&fault_random, 16)) {
	case 0:
		completion->result = -EINTR;
		break;
	case 1:
		completion->result = -EAGAIN;
		break;
	case 2:
	case 3:
		if (completion->result > UNIT)
			completion->result =
				(int64_t)random_between(&fault_random, 1,
							(uint64_t)completion->result / UNIT - 1) *
				UNIT;
		break;
	default:
		break;
	}
}

static uint32_t repeat(struct ioe__completion *completions, uint32_t n, uint32_t room)
{
	if (n < room && random_below(&fault_random, 4) == 0) {
		completions[n] = completions[random_below(&fault_random, n)];
		n++;
	}
	return n;
}

/* ---- Events ------------------------------------------------------------------------------ */

/* Compare the outcome with the model, bring the model up to date, and give the slot back. */
static void check(struct slot *slot)
{
	const struct ioe_event *event = &slot->event;
	const bool ended_well = event->result == (int64_t)slot->n * UNIT;

	must(__atomic_load_n(&slot->busy, __ATOMIC_ACQUIRE), "region %u: called twice",
	     slot->region);
	if (event->result == -ECANCELED)
		must(__atomic_load_n(&closing, __ATOMIC_RELAXED), "cancelled while open");
	else if (is_guilty(slot->region))
		must(event->result == -EIO, "guilty region %u: %lld", slot->region,
		     (long long)event->result);
	else
		must(ended_well, "region %u: %lld of %u", slot->region, (long long)event->result,
		     slot->n * UNIT);
	for (uint32_t i = 0; i < slot->n; i++) {
		int16_t *byte = &slot->model[slot->first + i];

		if (slot->writes)
			*byte = (int16_t)(ended_well ? slot->generation : -1);
		else if (ended_well && *byte >= 0)
			must(bytes_differ(slot->buffer + (size_t)i * UNIT, UNIT, (uint8_t)*byte) <
				     0,
			     "region %u, unit %u is not %d", slot->region, slot->first + i, *byte);
	}
	__atomic_add_fetch(&n_ended, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->busy, false, __ATOMIC_RELEASE);
}

static void on_end(struct ioe_event *event);

/* Cut the buffer into a vector, with elements of no length among them. */
static uint32_t cut(struct slot *slot)
{
	uint32_t left = slot->n, n = 0;
	uint8_t *at = slot->buffer;

	while (n < IOV - 1 && left > 0) {
		const uint32_t units = (uint32_t)random_below(&slot->random, left + 1);

		slot->iov[n++] = (struct iovec){ units > 0 ? at : NULL, (size_t)units * UNIT };
		at += (size_t)units * UNIT;
		left -= units;
	}
	slot->iov[n++] = (struct iovec){ at, (size_t)left * UNIT };
	return n;
}

static void prep(struct slot *slot)
{
	struct random *random = &slot->random;
	struct ioe_event *event = &slot->event;
	const int fd = random_below(random, 3) == 0 ? direct_fd : buffered_fd;
	uint64_t offset;

	slot->first = random_below(random, 2) == 0 ? 0 : (uint32_t)random_below(random, UNITS);
	slot->n = slot->first == 0 && random_below(random, 2) == 0 ?
			  UNITS :
			  (uint32_t)random_between(random, 1, UNITS - slot->first);
	slot->writes = random_below(random, 2) == 0;
	offset = (uint64_t)slot->region * REGION + (uint64_t)slot->first * UNIT;
	slot->generation++;
	memset(slot->buffer, slot->writes ? slot->generation : 0xa5, (size_t)slot->n * UNIT);
	if (random_below(random, 2) == 0) {
		const uint32_t n_iov = cut(slot);

		if (slot->writes)
			ioe_prep_writev(event, fd, slot->iov, n_iov, offset);
		else
			ioe_prep_readv(event, fd, slot->iov, n_iov, offset);
	} else if (slot->writes) {
		ioe_prep_write(event, fd, slot->buffer, (uint64_t)slot->n * UNIT, offset);
	} else {
		ioe_prep_read(event, fd, slot->buffer, (uint64_t)slot->n * UNIT, offset);
	}
	if (random_below(random, 10) == 0)
		event->flags |= IOE_EVENT_BARRIER;
	if (random_below(random, 10) == 0)
		event->flags |= IOE_EVENT_NO_MERGE;
	event->arg = slot;
	event->callback = on_end;
	__atomic_store_n(&slot->busy, true, __ATOMIC_RELEASE);
}

static void on_end(struct ioe_event *event)
{
	struct slot *slot = event->arg;
	int ret;

	/* The slot is the producers' again when it is no longer busy: choose before. */
	const bool again = random_below(&slot->random, 4) == 0;

	check(slot);
	if (!again || __atomic_exchange_n(&slot->busy, true, __ATOMIC_ACQ_REL))
		return;
	prep(slot);
	__atomic_add_fetch(&n_accepted, 1, __ATOMIC_RELAXED);
	ret = ioe_submit(slot->engine, event);
	if (ret == 0)
		return;
	must(ret == -ESHUTDOWN, "submit in a callback: %d", ret);
	__atomic_sub_fetch(&n_accepted, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->busy, false, __ATOMIC_RELEASE);
}

struct producer {
	pthread_t thread;
	struct slot *slots;
	struct random random;
	uint64_t rounds;
	bool drives; /* NONE */
};

/* Take free slots from a random one on, submit them as one batch, and wait for those without
 * callback. */
static void *produce(void *arg)
{
	struct producer *producer = arg;
	struct ioe_engine *engine = producer->slots[0].engine;

	for (uint64_t round = 0; round < producer->rounds; round++) {
		struct ioe_event *batch[SLOTS];
		bool waits[SLOTS];
		const uint32_t wanted = (uint32_t)random_between(&producer->random, 1, SLOTS);
		uint32_t at = (uint32_t)random_below(&producer->random, SLOTS), n = 0;

		for (uint32_t i = 0; i < wanted; i++, at = (at + 1) % SLOTS) {
			struct slot *slot = &producer->slots[at];

			if (__atomic_exchange_n(&slot->busy, true, __ATOMIC_ACQ_REL))
				continue;
			prep(slot);
			if (random_below(&slot->random, 4) == 0)
				slot->event.callback = NULL;
			/* Known now only: a callback may submit its event anew. */
			waits[n] = slot->event.callback == NULL;
			batch[n++] = &slot->event;
		}
		__atomic_add_fetch(&n_accepted, n, __ATOMIC_RELAXED);
		must(ioe_submit_batch(engine, batch, n) == (int)n, "batch of %u", n);
		for (uint32_t i = 0; i < n; i++) {
			if (!waits[i])
				continue;
			must(ioe_wait(engine, batch[i]) == batch[i]->result, "wait");
			check(batch[i]->arg);
		}
		if (producer->drives)
			must(ioe_engine_run(engine, 0, 0) >= 0, "run");
	}
	return NULL;
}

static struct ioe_config choose(struct random *random, uint32_t backend, uint32_t threading)
{
	static const uint32_t depths[] = { 1, 2, 7, 32, 128 };
	static const uint32_t capacities[] = { 1, 3, 16, 1024 };
	struct ioe_config config = {
		.size = sizeof(config),
		.backend = backend,
		.threading = threading,
		.depth_max = depths[random_below(random, 5)],
		.channel_capacity = capacities[random_below(random, 4)],
		.merge_max_bytes = random_below(random, 4) == 0 ? 4 * REGION : 0,
		.spin_ns = random_below(random, 2) == 0 ? IOE_CONFIG_OFF : 0,
	};

	return config;
}

static void round_of(uint32_t backend, uint32_t threading, uint64_t number)
{
	const bool none = threading == IOE_THREADING_NONE;
	struct random random = random_open(number);
	const struct ioe_config config = choose(&random, backend, threading);
	struct producer producers[THREADS];
	struct ioe_engine *engine;

	n_accepted = n_ended = 0;
	closing = false;
	fault_random = random_open(number + 1000000);
	if (!stress_open(&config, &engine))
		return;
	for (uint32_t t = 0; t < (none ? 1 : THREADS); t++) {
		for (uint32_t s = 0; s < SLOTS; s++) {
			slots[t][s].engine = engine;
			slots[t][s].random = random_open(number * THREADS * SLOTS + t * SLOTS + s);
		}
		producers[t] = (struct producer){ .slots = slots[t],
						  .random = random_open(number + t),
						  .rounds = random_between(&random, 1, 20),
						  .drives = none };
		if (none)
			(void)produce(&producers[t]);
		else
			must(pthread_create(&producers[t].thread, NULL, produce, &producers[t]) ==
				     0,
			     "pthread_create");
	}
	for (uint32_t t = 0; t < THREADS && !none; t++)
		pthread_join(producers[t].thread, NULL);
	if (random_below(&random, 3) == 0) {
		must(ioe_engine_drain(engine) == 0, "drain");
		must(n_ended == n_accepted, "drained: %llu of %llu", (unsigned long long)n_ended,
		     (unsigned long long)n_accepted);
	}
	__atomic_store_n(&closing, true, __ATOMIC_RELAXED);
	must(ioe_engine_close(engine, random_below(&random, 2) == 0 ? IOE_CLOSE_DRAIN :
								      IOE_CLOSE_CANCEL) == 0,
	     "close");
	must(n_ended == n_accepted, "closed: %llu of %llu", (unsigned long long)n_ended,
	     (unsigned long long)n_accepted);
}

int main(int argc, char **argv)
{
	const uint64_t n_rounds = stress_scaled(60);

	stress_begin(argc, argv);
	buffered_fd = place_file(PLACE_DISK, (uint64_t)THREADS * SLOTS * REGION, 1, 0);
	direct_fd = file_reopen(buffered_fd, O_RDWR | O_DIRECT);
	seam_on_stage = shorten;
	seam_on_completion = spoil;
	seam_on_batch = repeat;
	seam_watch();
	for (uint32_t t = 0; t < THREADS; t++)
		for (uint32_t s = 0; s < SLOTS; s++) {
			slots[t][s].region = t * SLOTS + s;
			slots[t][s].buffer = aligned_buffer(REGION);
			memset(slots[t][s].model, -1, sizeof(slots[t][s].model));
		}
	for (uint32_t b = IOE_BACKEND_URING; b <= IOE_BACKEND_THREADS; b++)
		for (uint32_t m = IOE_THREADING_POOL; m <= IOE_THREADING_NONE; m++) {
			if (!stress_scenario("%s %s against a model", stress_backends[b],
					     stress_threadings[m]))
				continue;
			for (uint64_t i = 0; i < n_rounds; i++)
				round_of(b, m, i * 9 + b * 3 + m);
			stress_done(n_rounds, "rounds");
		}
	return stress_end();
}
