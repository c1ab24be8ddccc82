/* SPDX-License-Identifier: MIT
 * storm.c - see storm.h. */
#include "tests/lib/storm.h"
#include "tests/lib/fail.h"
#include "tests/lib/memory.h"
#include "tests/lib/model.h"
#include "tests/lib/place.h"
#include "tests/lib/spoil.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

enum { ACTORS_MAX = STORM_PRODUCERS_MAX + 1, SLOTS = 16, IOV = 6, FDS = 4 };

#define CANARY MODEL_UNIT /* bytes behind a buffer */

/* The zones of one half of the file. */
#define APART_BYTES   4096u
#define PRIVATE_BYTES 32768u
#define HOT_BYTES     65536u
#define STREAM_BYTES  131072u

static struct {
	uint64_t private_at, hot_at, stream_at, bytes;
} half_of;

enum zone { APART, PRIVATE, HOT, STREAM, ZONES };
static const char *const zone_names[ZONES] = { "apart", "private", "hot", "stream" };

struct slot {
	struct ioe_event event;
	struct actor *actor;
	struct random random;
	uint32_t index;
	uint32_t number; /* of the operation, in the model */
	enum zone zone;
	bool busy;
	bool is_owners; /* NONE: without callback, to be waited for by the owner */
	uint32_t n_iov;
	struct iovec iov[IOV];
	uint8_t *buffer;
};

/* A producer, or the owner. */
struct actor {
	pthread_t thread;
	uint32_t index;
	struct random random;
	sem_t free;
	bool strict;
	uint32_t n_private; /* strict: in flight in its region */
	struct slot slots[SLOTS];
};

enum role { PRODUCER, OWNER, CALLBACK }; /* who submits */

/* What a batch has in common. */
struct choice {
	enum zone zone;
	uint32_t half;
	uint32_t writes_of_8;
	uint32_t runs_of_8;
	uint64_t next; /* where in the zone the event before has ended */
};

/* The producers, and behind them the owner. */
static struct actor actors[ACTORS_MAX];
static uint32_t n_producers, n_actors;
static int fds[FDS]; /* two for each half */
static uint32_t units[2];

static struct {
	struct ioe_engine *engine;
	uint32_t threading;
	bool is_roomy; /* there is room for all events there are */
	bool closing;
	uint32_t n_running;
	uint32_t weights[ZONES];
	uint32_t again_of_8, barriers_of_64;
	uint64_t cursors[2];
	uint64_t n_bytes; /* moved */
} trial;

/* ---- Slots ------------------------------------------------------------------------------- */

/* Up to n free slots; the first one is waited for. */
static uint32_t claim(struct actor *actor, struct random *random, enum role role,
		      struct slot *batch[], uint32_t n_max)
{
	uint32_t n = 0, at = (uint32_t)random_below(random, SLOTS);

	if (role == PRODUCER)
		must_sys(sem_wait(&actor->free));
	while (n < n_max && ((n == 0 && role == PRODUCER) || sem_trywait(&actor->free) == 0)) {
		/* The semaphore says that there is one. */
		while (__atomic_exchange_n(&actor->slots[at].busy, true, __ATOMIC_ACQ_REL))
			at = (at + 1) % SLOTS;
		batch[n++] = &actor->slots[at];
	}
	return n;
}

static void release(struct slot *slot)
{
	struct actor *actor = slot->actor;

	if (slot->zone == PRIVATE && actor->strict)
		__atomic_sub_fetch(&actor->n_private, 1, __ATOMIC_ACQ_REL);
	__atomic_store_n(&slot->busy, false, __ATOMIC_RELEASE);
	must_sys(sem_post(&actor->free));
}

static void check_outcome(const struct slot *slot)
{
	const struct ioe_event *event = &slot->event;
	const struct model_op *op = model_op(slot->number);
	const long long result = event->result;

	if (result == -ECANCELED) {
		must(__atomic_load_n(&trial.closing, __ATOMIC_RELAXED), "cancelled while open");
	} else if (op->kind == MODEL_OTHER) {
		must(result == 0, "sync: %lld", result);
	} else if (result < 0) {
		must(result == -EIO && spoil_is_guilty(op->offset, op->length),
		     "%s, [%llu, +%llu): %lld", op->name, (unsigned long long)op->offset,
		     (unsigned long long)op->length, result);
	} else {
		must(result > 0 && event->done == (uint64_t)result &&
			     !spoil_is_guilty(op->offset, event->done) &&
			     (event->done == op->length ||
			      (event->done < op->length && event->flags & IOE_EVENT_NO_RESUME)),
		     "%s, [%llu, +%llu): %lld, done %llu", op->name, (unsigned long long)op->offset,
		     (unsigned long long)op->length, result, (unsigned long long)event->done);
	}
}

/* An event has ended: note and check it, and give its slot back. */
static void settle(struct slot *slot)
{
	const struct model_op *op = model_op(slot->number);

	model_end(slot->number, slot->event.result, slot->event.done);
	check_outcome(slot);
	if (op->kind != MODEL_OTHER)
		__atomic_add_fetch(&trial.n_bytes, slot->event.done, __ATOMIC_RELAXED);
	if (op->kind == MODEL_READ) {
		model_see(slot->number, slot->iov, slot->n_iov);
		must(bytes_differ(slot->buffer + op->length, CANARY, 0xa5) < 0,
		     "%s: written behind the buffer", op->name);
	}
	release(slot);
}

/* ---- Events ------------------------------------------------------------------------------ */

/* The next piece of the stream. */
static void choose_next(struct random *random, uint32_t half, struct model_op *op)
{
	const uint64_t n = random_between(random, 1, 8) * units[half];
	uint64_t at = __atomic_fetch_add(&trial.cursors[half], n, __ATOMIC_RELAXED);

	op->kind = at / STREAM_BYTES % 2 == 0 ? MODEL_WRITE : MODEL_READ;
	at %= STREAM_BYTES;
	op->offset = half * half_of.bytes + half_of.stream_at + at;
	op->length = at + n < STREAM_BYTES ? n : STREAM_BYTES - at;
}

/* Where the event goes: a whole number of units; mostly small. */
static void choose_range(const struct slot *slot, struct random *random, struct choice *choice,
			 struct model_op *op)
{
	const uint64_t starts[] = { 0, half_of.private_at, half_of.hot_at };
	static const uint32_t sizes[] = { APART_BYTES, PRIVATE_BYTES, HOT_BYTES };
	const uint32_t regions[] = { slot->index * n_actors + slot->actor->index,
				     slot->actor->index, 0 };
	const uint32_t zone = choice->zone, unit = units[choice->half], size = sizes[zone] / unit;
	const bool goes_on = zone != APART && random_below(random, 8) < choice->runs_of_8;
	uint64_t first = random_below(random, 3) == 0 ? 0 : random_below(random, size);
	uint64_t n;

	if (goes_on && choice->next < size)
		first = choice->next;
	n = size - first;
	if (n > 8 && random_below(random, 8) != 0)
		n = 8;
	if (random_below(random, 3) != 0)
		n = random_between(random, 1, n);
	choice->next = first + n;
	op->offset = choice->half * half_of.bytes + starts[zone] +
		     (uint64_t)regions[zone] * sizes[zone] + first * unit;
	op->length = n * unit;
}

/* Cut the buffer into a vector, with elements of no length among them; sometimes the other way
 * round, so that memory does not go on where the file does. */
static void cut(struct slot *slot, struct random *random, uint64_t length, uint32_t unit)
{
	const uint32_t n = (uint32_t)random_between(random, 1, IOV);
	const bool turned = random_below(random, 2) == 0;
	uint64_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint64_t left = length - at;
		const uint64_t bytes =
			i + 1 == n ? left : random_below(random, left / unit + 1) * unit;
		uint8_t *start = slot->buffer + (turned ? left - bytes : at);

		slot->iov[i] = (struct iovec){ bytes > 0 ? start : NULL, bytes };
		at += bytes;
	}
	slot->n_iov = n;
}

static void on_end(struct ioe_event *event);

static void prep_transfer(struct slot *slot, struct random *random, struct model_op *op,
			  uint32_t unit)
{
	struct ioe_event *event = &slot->event;
	const bool vectored = random_below(random, 2) == 0;

	memset(slot->buffer, 0xa5, op->length + CANARY);
	slot->iov[0] = (struct iovec){ slot->buffer, op->length };
	slot->n_iov = 1;
	if (vectored)
		cut(slot, random, op->length, unit);
	if (op->kind == MODEL_WRITE)
		model_fill(slot->number, slot->iov, slot->n_iov);
	if (vectored && op->kind == MODEL_WRITE)
		ioe_prep_writev(event, op->fd, slot->iov, slot->n_iov, op->offset);
	else if (vectored)
		ioe_prep_readv(event, op->fd, slot->iov, slot->n_iov, op->offset);
	else if (op->kind == MODEL_WRITE)
		ioe_prep_write(event, op->fd, slot->buffer, op->length, op->offset);
	else
		ioe_prep_read(event, op->fd, slot->buffer, op->length, op->offset);
}

static void prep(struct slot *slot, struct random *random, struct choice *choice)
{
	struct model_op *op = model_op(slot->number);
	struct ioe_event *event = &slot->event;

	slot->zone = choice->zone;
	op->name = zone_names[choice->zone];
	/* Mostly the first of the two: only what has one fd merges, and has an order. */
	op->fd = fds[2 * choice->half + (random_below(random, 8) == 0)];
	op->kind = random_below(random, 8) < choice->writes_of_8 ? MODEL_WRITE : MODEL_READ;
	if (random_below(random, 64) == 0) {
		op->kind = MODEL_OTHER;
		if (random_below(random, 2) == 0)
			ioe_prep_fsync(event, op->fd);
		else
			ioe_prep_fdatasync(event, op->fd);
	} else {
		if (choice->zone == STREAM)
			choose_next(random, choice->half, op);
		else
			choose_range(slot, random, choice, op);
		prep_transfer(slot, random, op, units[choice->half]);
		if (random_below(random, 32) == 0)
			event->flags |= IOE_EVENT_NO_RESUME;
	}
	if (random_below(random, 32) == 0)
		event->flags |= IOE_EVENT_NO_MERGE;
	if (random_below(random, 64) < trial.barriers_of_64)
		event->flags |= IOE_EVENT_BARRIER;
	op->is_barrier = (event->flags & IOE_EVENT_BARRIER) != 0;
	event->arg = slot;
	event->callback = on_end;
}

static struct choice choose(struct actor *actor, struct random *random, uint32_t n)
{
	static const uint32_t writes[] = { 0, 2, 4, 6, 8, 8 };
	struct choice choice = { .half = (uint32_t)random_below(random, 2),
				 .writes_of_8 = writes[random_below(random, 6)],
				 .runs_of_8 = (uint32_t)random_below(random, 8) };
	uint32_t total = 0, none = 0;
	uint64_t at;

	for (uint32_t zone = 0; zone < ZONES; zone++)
		total += trial.weights[zone];
	at = random_below(random, total);
	while (at >= trial.weights[choice.zone])
		at -= trial.weights[choice.zone++];
	if (choice.zone == PRIVATE && actor->strict &&
	    !__atomic_compare_exchange_n(&actor->n_private, &none, n, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		choice.zone = APART;
	return choice;
}

/* ---- Submitting and waiting -------------------------------------------------------------- */

/* In one call or several; returns how many were accepted: all but for a close. */
static uint32_t submit(struct random *random, struct ioe_event *const events[], uint32_t first,
		       uint32_t n, enum role role)
{
	uint32_t n_done = 0;

	while (n_done < n) {
		const uint64_t how = random_below(random, 6);
		const uint32_t n_call = how == 0 ? 1 : n - n_done;
		int ret;

		/* What a callback submits goes in whole, and so does what the try form takes. */
		model_submit(first + n_done, n_call,
			     how == 1 || role == CALLBACK || trial.is_roomy);
		if (how == 0)
			ret = ioe_submit(trial.engine, events[n_done]);
		else if (how == 1)
			ret = ioe_try_submit_batch(trial.engine, events + n_done, n_call);
		else
			ret = ioe_submit_batch(trial.engine, events + n_done, n_call);
		if (ret == -EAGAIN && how == 1)
			continue;
		if (ret == -ESHUTDOWN && role == CALLBACK)
			break;
		if (how == 0 && ret == 0)
			ret = 1;
		must(ret > 0, "submit of %u: %d", n_call, ret);
		model_accept(first + n_done, (uint32_t)ret);
		n_done += (uint32_t)ret;
	}
	return n_done;
}

/* An event without callback. In NONE only the owner can wait for it. */
static void wait_for(struct slot *slot, enum role role)
{
	if (trial.threading == IOE_THREADING_NONE && role != OWNER) {
		__atomic_store_n(&slot->is_owners, true, __ATOMIC_RELEASE);
		return;
	}
	must(ioe_wait(trial.engine, &slot->event) == slot->event.result, "wait: not the result");
	settle(slot);
}

/* The owner: wait for what others have left to it. */
static void wait_for_others(void)
{
	for (uint32_t a = 0; a < n_producers; a++)
		for (uint32_t s = 0; s < SLOTS; s++)
			if (__atomic_exchange_n(&actors[a].slots[s].is_owners, false,
						__ATOMIC_ACQ_REL))
				wait_for(&actors[a].slots[s], OWNER);
}

/* Submit a batch of an actor's free slots. False: there is nothing more to do in this round. */
static bool act(struct actor *actor, struct random *random, enum role role)
{
	const bool may_wait = role != CALLBACK || trial.threading == IOE_THREADING_POOL;
	const uint32_t waits_of_16 = may_wait ? (uint32_t)random_below(random, 3) : 0;
	const uint64_t n_wanted =
		random_below(random, 3) == 0 ? 1 : random_between(random, 1, SLOTS);
	struct slot *batch[SLOTS];
	struct ioe_event *events[SLOTS];
	bool waits[SLOTS];
	const uint32_t n = claim(actor, random, role, batch, (uint32_t)n_wanted);
	const uint32_t first = model_claim(n);
	struct choice choice;
	uint32_t n_accepted;

	for (uint32_t i = 0; i < n && first == MODEL_NONE; i++) {
		batch[i]->zone = APART;
		release(batch[i]);
	}
	if (n == 0 || first == MODEL_NONE)
		return n == 0;
	choice = choose(actor, random, n);
	for (uint32_t i = 0; i < n; i++) {
		batch[i]->number = first + i;
		prep(batch[i], random, &choice);
		/* Known now only: the event may be another one when it has been submitted. */
		waits[i] = random_below(random, 16) < waits_of_16;
		if (waits[i])
			batch[i]->event.callback = NULL;
		events[i] = &batch[i]->event;
	}
	n_accepted = submit(random, events, first, n, role);
	for (uint32_t i = 0; i < n; i++) {
		if (i >= n_accepted)
			release(batch[i]);
		else if (waits[i])
			wait_for(batch[i], role);
	}
	return true;
}

static void on_end(struct ioe_event *event)
{
	struct slot *slot = event->arg;
	struct actor *actor = slot->actor;
	/* The slot may be another's when it has been given back: choose before. */
	const bool again = random_below(&slot->random, 8) < trial.again_of_8;
	struct random random = { random_next(&slot->random) };

	settle(slot);
	if (again)
		(void)act(actor, &random, CALLBACK);
}

static void *produce(void *arg)
{
	struct actor *actor = arg;

	/* Now and then what is read next is not in the page cache. */
	while (act(actor, &actor->random, PRODUCER))
		if (random_below(&actor->random, 32) == 0)
			must(posix_fadvise(fds[0], 0, (off_t)half_of.bytes, POSIX_FADV_DONTNEED) ==
				     0,
			     "fadvise");
	__atomic_sub_fetch(&trial.n_running, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* ---- Rounds ------------------------------------------------------------------------------ */

struct ioe_config storm_config(struct random *random, uint32_t backend, uint32_t threading)
{
	static const uint32_t depths[] = { 1, 3, 16, 128, 128 };
	static const uint32_t capacities[] = { 1, 7, 64, 4096, 4096, 4096 };
	struct ioe_config config = {
		.size = sizeof(config),
		.backend = backend,
		.threading = threading,
		.depth_max = depths[random_below(random, 5)],
		.channel_capacity = capacities[random_below(random, 6)],
		.merge_max_bytes = random_below(random, 4) == 0 ? 16384 : 0,
		.merge_max_events = random_below(random, 4) == 0 ? 3 : 0,
		.spin_ns = random_below(random, 2) == 0 ? IOE_CONFIG_OFF : 0,
	};

	return config;
}

void storm_choose(struct random *random, const struct ioe_config *config)
{
	static const uint32_t faults[] = { 0, 32, 8, 3 }, barriers[] = { 0, 2, 16 };
	const uint64_t seed = random_next(random);
	const bool one_zone = random_below(random, 3) == 0;
	uint32_t one_of;

	memset(&trial, 0, sizeof(trial));
	trial.threading = config->threading;
	trial.is_roomy = config->channel_capacity >= 8 * n_actors * SLOTS;
	for (uint32_t zone = 0; zone < ZONES; zone++)
		trial.weights[zone] = one_zone ? 0 : (uint32_t)random_between(random, 1, 4);
	trial.weights[random_below(random, ZONES)] += 4;
	trial.again_of_8 = (uint32_t)random_below(random, 5);
	trial.barriers_of_64 = barriers[random_below(random, 3)];
	one_of = faults[random_below(random, 4)];
	spoil_begin(seed, one_of, one_of > 0 && random_below(random, 2) == 0 ? 64 : 0);
}

static void open_actors(uint64_t seed)
{
	for (uint32_t a = 0; a < n_actors; a++) {
		struct actor *actor = &actors[a];

		actor->index = a;
		actor->random = random_open_at(seed, a + 1);
		actor->strict = random_below(&actor->random, 2) == 0;
		must(actor->n_private == 0, "private events are lost");
		must_sys(sem_init(&actor->free, 0, SLOTS));
		for (uint32_t s = 0; s < SLOTS; s++) {
			struct slot *slot = &actor->slots[s];

			slot->actor = actor;
			slot->index = s;
			slot->random = random_open_at(seed, 1000 + a * SLOTS + s);
			if (slot->buffer == NULL)
				slot->buffer = aligned_buffer(HOT_BYTES + CANARY);
		}
	}
}

void storm_run(struct ioe_engine *engine)
{
	struct actor *owner = &actors[n_producers];

	trial.engine = engine;
	__atomic_store_n(&trial.n_running, n_producers, __ATOMIC_RELAXED);
	for (uint32_t a = 0; a < n_producers; a++)
		must(pthread_create(&actors[a].thread, NULL, produce, &actors[a]) == 0, "thread");
	while (trial.threading == IOE_THREADING_NONE &&
	       __atomic_load_n(&trial.n_running, __ATOMIC_ACQUIRE) > 0) {
		must(ioe_engine_run(trial.engine, 1, 1000000) >= 0, "run");
		if (random_below(&owner->random, 8) == 0)
			(void)act(owner, &owner->random, OWNER);
		wait_for_others();
	}
	for (uint32_t a = 0; a < n_producers; a++)
		pthread_join(actors[a].thread, NULL);
	wait_for_others();
}

void storm_begin(uint64_t seed, uint32_t n_ops)
{
	open_actors(seed);
	trial.cursors[0] = trial.cursors[1] = 0;
	trial.n_bytes = 0;
	model_begin(2 * half_of.bytes, n_ops);
	for (uint32_t half = 0; half < 2; half++)
		model_fill_file(fds[2 * half], half * half_of.bytes, half_of.bytes);
}

void storm_closing(void)
{
	__atomic_store_n(&trial.closing, true, __ATOMIC_RELAXED);
}

uint32_t storm_end(uint64_t *ret_bytes)
{
	const char *reason;

	must(model_n_open() == 0, "%u have not ended", model_n_open());
	for (uint32_t half = 0; half < 2; half++)
		model_look_at_file(fds[2 * half], half * half_of.bytes, half_of.bytes);
	reason = model_check();
	must(reason == NULL, "%s", reason);
	for (uint32_t a = 0; a < n_actors; a++)
		must_sys(sem_destroy(&actors[a].free));
	if (ret_bytes != NULL)
		*ret_bytes = trial.n_bytes;
	return model_n_accepted();
}

static uint32_t unit_at(uint64_t offset)
{
	return units[offset >= half_of.bytes];
}

static void open_file(void)
{
	struct ioe_alignment alignment = { .size = sizeof(alignment) };

	/* Files of their own: a page of the cache that reaches over from the half that is written
	 * through it makes a direct write "collide", and then the kernel fails the next fsync with
	 * -EIO (dio_warn_stale_pagecache()). */
	for (uint32_t half = 0; half < 2; half++) {
		const int file = place_file(PLACE_DISK, 2 * half_of.bytes, 1, 0);

		/* Every block has its place on the disk before direct writes come. */
		file_make_cold(file);
		for (uint32_t i = 0; i < 2; i++)
			fds[2 * half + i] = file_reopen(file, O_RDWR | (half == 0 ? 0 : O_DIRECT));
		close(file);
	}
	must(ioe_file_alignment(fds[2], &alignment) == 0, "alignment");
	units[0] = MODEL_UNIT;
	units[1] = alignment.offset_bytes > MODEL_UNIT ? alignment.offset_bytes : MODEL_UNIT;
	must(units[1] <= APART_BYTES && alignment.memory_bytes <= units[1], "alignment: %u, %u",
	     units[1], alignment.memory_bytes);
}

void storm_open(uint32_t n)
{
	must(n <= STORM_PRODUCERS_MAX, "too many producers");
	n_producers = n;
	n_actors = n + 1;
	half_of.private_at = (uint64_t)n_actors * SLOTS * APART_BYTES;
	half_of.hot_at = half_of.private_at + (uint64_t)n_actors * PRIVATE_BYTES;
	half_of.stream_at = half_of.hot_at + HOT_BYTES;
	half_of.bytes = half_of.stream_at + STREAM_BYTES;
	open_file();
	spoil_watch(2 * half_of.bytes, unit_at);
	spoil_grain(sizeof(uint64_t)); /* a word is of one write */
}
