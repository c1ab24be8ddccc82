/* SPDX-License-Identifier: MIT
 * submit.c - from the caller to the channels: route, reserve, accept, push.
 *
 * Order of things (law 1 and law 10): everything that could refuse an event is asked before the
 * event is changed; then credit is reserved; then the event is accepted and linked; the push makes
 * it the driver's. From there on only the engine is touched, and last of all the gate. In a
 * callback on the driver itself there is neither credit nor gate: submit_own().
 *
 * Invariants: a call accepts a prefix of its events; what it reserved is pushed or given back.
 * Threads:    any.
 * Ownership:  events are borrowed from acceptance on. */
#include "engine/engine.h"

#include "engine/context.h"

/* The events of one call that go to one driver. */
struct part {
	uint32_t n_wanted;
	uint32_t n_reserved;
	uint32_t n_used;
	struct ioe__node *first;
	struct ioe__node *last;
	int64_t now_ns; /* read for those that are timed, or 0 */
};

/* The first of n turns, if any of these events takes its driver by turn. Only then: all threads
 * write to the same word. */
static uint32_t take_turns(struct ioe_engine *engine, struct ioe_event *const events[], uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (events[i]->op == IOE_OP_NOP)
			return __atomic_fetch_add(&engine->nop_turn, n, __ATOMIC_RELAXED);
	return 0;
}

/* By fd, so that order, merging and barriers of one fd stay on one driver; turn is for events
 * without fd. */
static uint32_t route(const struct ioe_engine *engine, const struct ioe_event *event, uint32_t turn)
{
	return (event->op == IOE_OP_NOP ? turn : (uint32_t)event->fd) % engine->n_drivers;
}

static int check(const struct ioe_event *event)
{
	if (event == NULL)
		return -EINVAL;
	if (ioe__event_is_held(event))
		return -EBUSY;
	return ioe__event_check(event);
}

static inline void accept(const struct ioe__driver *driver, struct ioe_event *event,
			  int64_t *now_ns)
{
	ioe__event_accept(event, driver->config.threading == IOE_THREADING_NONE);
	if (driver->config.timing)
		ioe__timing_accept(event, now_ns);
}

static inline void append(struct part *part, struct ioe_event *event,
			  const struct ioe__driver *driver)
{
	accept(driver, event, &part->now_ns);
	event->ioe__node.next = NULL;
	if (part->n_used == 0)
		part->first = &event->ioe__node;
	else
		part->last->next = &event->ioe__node;
	part->last = &event->ioe__node;
	part->n_used++;
}

/* Push what was accepted, give back what was not used, and leave. The engine may be gone when
 * this returns. */
static void publish(struct ioe__driver *driver, struct part *part)
{
	struct ioe__channel *channel = &driver->channel;
	const uint32_t n_unused = part->n_reserved - part->n_used;

	if (part->n_used > 0)
		ioe__channel_push(channel, part->first, part->last);
	if (n_unused > 0) {
		ioe__channel_unreserve(channel, n_unused);
		/* For a drain that has seen the credit taken: look again. */
		ioe__work_owner_poke(driver->config.account);
		ioe__driver_command(driver, IOE__COMMAND_KICK);
	}
	ioe__channel_leave(channel);
}

/* In a callback on the driver itself: what it submits to that is there already. Nobody else is in
 * the way, no credit is needed (law 9), and the driver, which close waits for, cannot go away. */
static int64_t submit_own(struct ioe__driver *driver, struct ioe_event *const events[], uint32_t n)
{
	int64_t now_ns = 0;
	uint32_t i = 0;

	if (ioe__channel_is_closing(&driver->channel))
		return -ESHUTDOWN;
	for (; i < n && !ioe__event_is_held(events[i]); i++) {
		accept(driver, events[i], &now_ns);
		ioe__pending_add(driver, events[i]);
	}
	return i > 0 ? (int64_t)i : -EBUSY;
}

/* Events that all go to one driver: the number accepted, >= 1, or -errno. */
static int64_t submit_to_one(struct ioe__driver *driver, struct ioe_event *const events[],
			     uint32_t n, enum ioe__reserve how)
{
	struct part part = { 0 };
	uint32_t n_used;
	int64_t k;

	if (how == IOE__RESERVE_FORCE && driver == ioe__driving)
		return submit_own(driver, events, n);
	k = ioe__channel_reserve(&driver->channel, n, how);
	if (k < 0)
		return k;
	part.n_reserved = (uint32_t)k;
	/* The same event twice in one call is found here. */
	while (part.n_used < part.n_reserved && !ioe__event_is_held(events[part.n_used]))
		append(&part, events[part.n_used], driver);
	n_used = part.n_used;
	publish(driver, &part);
	return n_used > 0 ? (int64_t)n_used : -EBUSY;
}

/* Reserve for each driver what its events need, as far as there is room. */
static int reserve_all(struct ioe_engine *engine, struct part *parts, enum ioe__reserve how)
{
	for (uint32_t d = 0; d < engine->n_drivers; d++) {
		int64_t k;

		if (parts[d].n_wanted == 0)
			continue;
		k = ioe__channel_reserve(&engine->drivers[d]->channel, parts[d].n_wanted, how);
		if (k > 0) {
			parts[d].n_reserved = (uint32_t)k;
		} else if (k != -EAGAIN) {
			while (d-- > 0)
				if (parts[d].n_reserved > 0)
					publish(engine->drivers[d], &parts[d]);
			return (int)k;
		}
	}
	return 0;
}

/* Events for several drivers, without blocking: the number accepted, >= 1, or -errno. */
static int64_t submit_to_several(struct ioe_engine *engine, struct ioe_event *const events[],
				 uint32_t n, enum ioe__reserve how)
{
	const uint32_t turn = take_turns(engine, events, n);
	struct part parts[IOE__DRIVERS_MAX] = { { 0 } };
	const uint32_t n_drivers = engine->n_drivers;
	int64_t ret = -EAGAIN;
	uint32_t i;
	int error;

	for (i = 0; i < n; i++)
		parts[route(engine, events[i], turn + i)].n_wanted++;
	error = reserve_all(engine, parts, how);
	if (error < 0)
		return error;
	/* A prefix: the first event without room ends it, though others had some. */
	for (i = 0; i < n; i++) {
		struct part *part = &parts[route(engine, events[i], turn + i)];

		if (part->n_used == part->n_reserved)
			break;
		if (ioe__event_is_held(events[i])) {
			ret = -EBUSY;
			break;
		}
		append(part, events[i], engine->drivers[0]);
	}
	/* The last leave may be the engine's end: read nothing of it afterwards. */
	for (uint32_t d = 0; d < n_drivers; d++)
		if (parts[d].n_reserved > 0)
			publish(engine->drivers[d], &parts[d]);
	return i > 0 ? (int64_t)i : ret;
}

/* Some of the events, >= 1, or -errno; WAIT sleeps only if none can be taken. */
static int64_t submit_some(struct ioe_engine *engine, struct ioe_event *const events[], uint32_t n,
			   enum ioe__reserve how)
{
	int64_t k;
	uint32_t d;

	if (engine->n_drivers == 1)
		return submit_to_one(engine->drivers[0], events, n, how);
	if (n > 1) {
		k = submit_to_several(engine, events, n,
				      how == IOE__RESERVE_WAIT ? IOE__RESERVE_TRY : how);
		if (k != -EAGAIN || how != IOE__RESERVE_WAIT)
			return k;
	}
	/* Not by turn of a nop that waits: any driver will do. */
	d = route(engine, events[0], take_turns(engine, events, 1));
	return submit_to_one(engine->drivers[d], events, 1, how);
}

/* NONE. The owner drives instead of sleeping, without callbacks. As long as nobody is the owner,
 * the thread that opened the engine goes beyond the capacity: if it is the only one, nobody else
 * will make room, and to make it the owner here could take the engine from a thread about to run
 * it. */
static int64_t submit_none(struct ioe_engine *engine, struct ioe_event *const events[], uint32_t n)
{
	struct ioe__driver *driver = engine->drivers[0];

	while (ioe__engine_is_owner(engine)) {
		const uint32_t seen = ioe__driver_seen(driver);
		const int64_t k = submit_some(engine, events, n, IOE__RESERVE_TRY);

		if (k != -EAGAIN)
			return k;
		ioe__driver_step(driver, -1, seen);
	}
	if (engine->opener == ioe__thread_number() && !ioe__engine_has_owner(engine))
		return submit_some(engine, events, n, IOE__RESERVE_FORCE);
	return submit_some(engine, events, n, IOE__RESERVE_WAIT);
}

static int64_t submit(struct ioe_engine *engine, struct ioe_event *const events[], uint32_t n,
		      bool block)
{
	uint32_t n_good = 0;
	int64_t total = 0;
	int error = 0;

	if (__atomic_load_n(&engine->broken, __ATOMIC_RELAXED) != 0)
		return -EIO;
	while (n_good < n && error == 0) {
		error = check(events[n_good]);
		if (error == 0)
			n_good++;
	}
	while (total < n_good) {
		struct ioe_event *const *rest = events + total;
		const uint32_t n_rest = n_good - (uint32_t)total;
		int64_t k;

		if (!block)
			k = submit_some(engine, rest, n_rest, IOE__RESERVE_TRY);
		else if (ioe__in_callback())
			k = submit_some(engine, rest, n_rest, IOE__RESERVE_FORCE);
		else if (ioe__engine_is_none(engine))
			k = submit_none(engine, rest, n_rest);
		else
			k = submit_some(engine, rest, n_rest, IOE__RESERVE_WAIT);
		if (k < 0)
			return total > 0 ? total : k;
		total += k;
		/* The try form takes what fits at one look. */
		if (!block && k < n_rest)
			return total;
	}
	return total > 0 ? total : error;
}

/* In a callback of the engine's only driver, on that: the same, by the shortest way. */
static int submit_one_own(struct ioe_engine *engine, struct ioe_event *event)
{
	int ret = 0;

	if (__atomic_load_n(&engine->broken, __ATOMIC_RELAXED) != 0)
		return -EIO;
	ret = check(event);
	if (ret < 0)
		return ret;
	ret = (int)submit_own(engine->drivers[0], &event, 1);
	return ret < 0 ? ret : 0;
}

int ioe_submit(struct ioe_engine *engine, struct ioe_event *event)
{
	int64_t ret;

	if (engine == NULL)
		return -EINVAL;
	if (ioe__driving != NULL && engine->n_drivers == 1 && engine->drivers[0] == ioe__driving)
		return submit_one_own(engine, event);
	ret = submit(engine, &event, 1, true);
	return ret < 0 ? (int)ret : 0;
}

int ioe_try_submit(struct ioe_engine *engine, struct ioe_event *event)
{
	int64_t ret;

	if (engine == NULL)
		return -EINVAL;
	ret = submit(engine, &event, 1, false);
	return ret < 0 ? (int)ret : 0;
}

static int submit_batch(struct ioe_engine *engine, struct ioe_event *const events[], uint32_t n,
			bool block)
{
	if (engine == NULL || n > INT32_MAX || (events == NULL && n > 0))
		return -EINVAL;
	return n == 0 ? 0 : (int)submit(engine, events, n, block);
}

int ioe_submit_batch(struct ioe_engine *engine, struct ioe_event *const events[], uint32_t n)
{
	return submit_batch(engine, events, n, true);
}

int ioe_try_submit_batch(struct ioe_engine *engine, struct ioe_event *const events[], uint32_t n)
{
	return submit_batch(engine, events, n, false);
}
