/* SPDX-License-Identifier: MIT
 * engine.c - open, drive, drain and close an engine.
 *
 * Draining: accepted(t) is the credit reserved on the channels, and what callbacks have given their
 * own drivers; finished(t) the account; both only grow (credit given back by a refusal aside, which
 * never was an event). drain reads finished first, then accepted: if they are equal, then at the
 * moment between the two reads
 * finished >= what was read = accepted later >= accepted then >= finished: no event was unfinished.
 * What a callback gave its driver may not be seen yet; but then that callback is not in finished,
 * since it is accounted after it has returned, and what is in finished has been accepted for all to
 * see. Take the first such callback of a chain of them: its event is seen as accepted, so that the
 * two are not equal.
 *
 * Closing: 1 close the gates (submitters are refused, sleeping ones sent away); 2 wait until no
 * submitter is inside: nobody pushes or wakes any more; 3 send threads away that are in drain;
 * 4 STOP, and CANCEL if asked: drivers end when they are empty; 5 join them; 6 wait for the
 * callbacks and detach from the workers: nobody looks at the account any more; 7 free.
 *
 * Invariants, Threads, Ownership: engine.h. */
#include "engine/engine.h"

#include "engine/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a poke of the account adds is invisible to sums of credit. */
_Static_assert(IOE__WORK_POKE == IOE__CHANNEL_COUNT_MASK + 1, "counts are compared below pokes");

/* How long close sleeps between looks for threads that are on their way out of drain. */
#define GUEST_POLL_NS INT64_C(20000)

#define STRING_OF(x)                 #x
#define VERSION(major, minor, patch) STRING_OF(major) "." STRING_OF(minor) "." STRING_OF(patch)

const char *ioe_version(void)
{
	return VERSION(IOE_VERSION_MAJOR, IOE_VERSION_MINOR, IOE_VERSION_PATCH);
}

/* ---- Pools of workers ---- */

int ioe_workers_open(uint32_t n_workers, struct ioe_workers **ret_workers)
{
	if (n_workers < 1 || n_workers > 256 || ret_workers == NULL)
		return -EINVAL;
	return ioe__workers_open(n_workers, "ioe-wrk", ret_workers);
}

int ioe_workers_close(struct ioe_workers *workers)
{
	if (workers == NULL)
		return 0;
	if (ioe__in_callback())
		return -EDEADLK;
	return ioe__workers_close(workers);
}

/* ---- Open ---- */

/* The engine whose account the node's owner is. */
static struct ioe_engine *engine_of(struct ioe__work_owner *owner)
{
	return (struct ioe_engine *)((char *)owner - offsetof(struct ioe_engine, account));
}

static void run_callback(struct ioe__node *node)
{
	struct ioe_event *event = ioe__event_of(node);

	/* The next one's lines are in the driver's cache: let them come while this callback runs.
	 * Another worker may have it, and its memory may be gone: a prefetch does not mind. */
	__builtin_prefetch(ioe__event_next(event));
	__builtin_prefetch(node->next);
	ioe__context = IOE__CONTEXT_WORKER;
	if (ioe__event_is_timed(event))
		ioe__timing_account_call(&engine_of(node->owner)->calls[ioe__worker_index()],
					 event);
	else
		ioe__event_call(event);
	ioe__context = IOE__CONTEXT_PLAIN;
}

static int open_calls(struct ioe_engine *engine)
{
	const size_t size = ioe__workers_n(engine->workers) * sizeof(*engine->calls);

	if ((engine->config.flags & IOE_ENGINE_NO_TIMING) != 0)
		return 0;
	engine->calls = aligned_alloc(IOE__CACHE_LINE, size);
	if (engine->calls == NULL)
		return -ENOMEM;
	memset(engine->calls, 0, size);
	return 0;
}

static int open_workers(struct ioe_engine *engine)
{
	int ret;

	if (engine->config.threading != IOE_THREADING_POOL)
		return 0;
	engine->workers = engine->config.workers;
	if (engine->workers == NULL) {
		ret = ioe__workers_open(engine->config.n_workers, "ioe-wrk", &engine->workers);
		if (ret < 0)
			return ret;
		engine->owns_workers = true;
	}
	ioe__workers_attach(engine->workers, &engine->account);
	return open_calls(engine);
}

static void say(char *reason, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Append to the line; what does not fit is cut. */
static void say(char *reason, const char *format, ...)
{
	const size_t n = strlen(reason);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(reason + n, IOE__REASON_MAX - n, format, args);
	va_end(args);
}

/* The reason is that of the first driver, which knows nothing of those after it. */
static void tell_of_all(struct ioe_engine *engine, uint32_t depth_max, const char *given_up)
{
	struct ioe__driver *first = engine->drivers[0];
	uint32_t least = 0;

	if (given_up != NULL) {
		char was[IOE__REASON_MAX];
		const char *notes;

		memcpy(was, first->reason, sizeof(was));
		notes = strchr(was, ';');
		first->reason[0] = '\0';
		say(first->reason, "%s: %s has no memory for %u drivers%s", first->ops->name,
		    given_up, engine->n_drivers, notes != NULL ? notes : "");
	}
	if (depth_max < engine->config.depth_max)
		say(first->reason, "; depth %u instead of %u for want of memory for %u drivers",
		    depth_max, engine->config.depth_max, engine->n_drivers);
	for (uint32_t i = 1; i < engine->n_drivers; i++)
		if (engine->drivers[i]->depth < engine->drivers[least]->depth)
			least = i;
	if (least > 0)
		say(first->reason, "; driver %u: depth %u for want of memory", least,
		    engine->drivers[least]->depth);
}

static void close_drivers(struct ioe_engine *engine)
{
	for (uint32_t i = 0; i < engine->n_drivers; i++)
		ioe__driver_command(engine->drivers[i], IOE__COMMAND_STOP);
	for (uint32_t i = 0; i < engine->n_drivers; i++)
		ioe__driver_let_end(engine->drivers[i]);
	for (uint32_t i = 0; i < engine->n_drivers; i++) {
		ioe__driver_stop(engine->drivers[i]);
		ioe__driver_free(engine->drivers[i]);
	}
	engine->n_drivers = 0;
	/* What may have broken has gone. */
	__atomic_store_n(&engine->broken, 0, __ATOMIC_RELAXED);
}

/* All of them, of one kind: with AUTO config->backend becomes that of the first. */
static int open_each(struct ioe_engine *engine, struct ioe__driver_config *config)
{
	for (uint32_t i = 0; i < engine->config.n_drivers; i++) {
		int ret;

		config->index = i;
		ret = ioe__driver_open(config, &engine->drivers[i]);
		if (ret < 0)
			return ret;
		engine->n_drivers++;
		if (config->backend == IOE_BACKEND_AUTO)
			while (ioe__backend_ops(++config->backend) != engine->drivers[0]->ops)
				;
	}
	return 0;
}

/* The first drivers may take the memory that the last ones would need (RLIMIT_MEMLOCK counts all
 * rings, fs.aio-max-nr all contexts): then all are opened again, half as deep as the first was; and
 * where that was 1, with AUTO, on the next backend. */
static int open_together(struct ioe_engine *engine, struct ioe__driver_config *config)
{
	const char *given_up = NULL;
	int ret;

	while ((ret = open_each(engine, config)) < 0) {
		const struct ioe__backend_ops *ops;
		uint32_t depth;

		if (engine->n_drivers == 0) {
			if (given_up == NULL || !ioe__backend_is_unavailable(ret) ||
			    ioe__backend_ops(++config->backend) == NULL)
				return ret;
			continue;
		}
		ops = engine->drivers[0]->ops;
		depth = engine->drivers[0]->depth;
		if (ret != -ENOMEM && (ret != -EAGAIN || !engine->shortage.of_contexts))
			return ret;
		close_drivers(engine);
		if (depth > 1) {
			config->depth_max = depth / 2;
			if (given_up == NULL)
				config->backend = engine->config.backend;
			continue;
		}
		if (engine->config.backend != IOE_BACKEND_AUTO ||
		    ioe__backend_ops(++config->backend) == NULL)
			return ret;
		given_up = ops->name;
		config->depth_max = engine->config.depth_max;
	}
	tell_of_all(engine, config->depth_max, given_up);
	return 0;
}

static int open_drivers(struct ioe_engine *engine)
{
	const struct ioe_config *config = &engine->config;
	const bool merge = (config->flags & IOE_ENGINE_NO_MERGE) == 0 &&
			   config->merge_max_bytes != IOE_CONFIG_OFF;
	struct ioe__driver_config driver_config = {
		.backend = config->backend,
		.threading = config->threading,
		.depth_max = config->depth_max,
		.n_helpers = config->n_helpers,
		.channel_capacity = config->channel_capacity,
		.limits = {
			.bytes_max = merge ? config->merge_max_bytes : 0,
			.events_max = config->merge_max_events,
			.iov_max = IOE__IOV_BLOCK_MAX,
		},
		.spin_ns = config->spin_ns == IOE_CONFIG_OFF ? 0 : config->spin_ns,
		.timing = (config->flags & IOE_ENGINE_NO_TIMING) == 0,
		.workers = engine->workers,
		.account = &engine->account,
		.broken = &engine->broken,
		.shortage = &engine->shortage,
	};

	return open_together(engine, &driver_config);
}

/* Steps 4 to 7 of closing; also for what an open that failed has built. */
static void take_down(struct ioe_engine *engine, uint32_t command)
{
	uint64_t total = 0;
	uint64_t done;

	for (uint32_t i = 0; i < engine->n_drivers; i++)
		ioe__driver_command(engine->drivers[i], command);
	if (ioe__engine_is_none(engine) && engine->n_drivers > 0) {
		struct ioe__driver *driver = engine->drivers[0];

		while (!ioe__driver_is_empty(driver))
			(void)ioe__engine_drive(engine, -1, ioe__driver_seen(driver));
	}
	for (uint32_t i = 0; i < engine->n_drivers; i++)
		ioe__driver_let_end(engine->drivers[i]);
	for (uint32_t i = 0; i < engine->n_drivers; i++) {
		total += ioe__driver_accepted(engine->drivers[i]);
		ioe__driver_stop(engine->drivers[i]);
	}
	if (engine->workers != NULL) {
		while (done = ioe__work_owner_done(&engine->account),
		       ((total - done) & IOE__CHANNEL_COUNT_MASK) != 0)
			(void)ioe__work_owner_wait(&engine->account, done, -1);
		ioe__workers_detach(engine->workers, &engine->account);
	}
	if (engine->owns_workers)
		(void)ioe__workers_close(engine->workers);
	/* Only now: callbacks that submit to be refused look at the channels. */
	for (uint32_t i = 0; i < engine->n_drivers; i++)
		ioe__driver_free(engine->drivers[i]);
	free(engine->calls);
	free(engine);
}

int ioe_engine_open(const struct ioe_config *config, struct ioe_engine **ret_engine)
{
	struct ioe_config resolved;
	struct ioe_engine *engine;
	int ret;

	if (ret_engine == NULL)
		return -EINVAL;
	ret = ioe__config_resolve(config, &resolved);
	if (ret < 0)
		return ret;
	engine = aligned_alloc(IOE__CACHE_LINE, sizeof(*engine));
	if (engine == NULL)
		return -ENOMEM;
	memset(engine, 0, sizeof(*engine));
	engine->config = resolved;
	engine->opener = ioe__thread_number();
	engine->account.run = run_callback;
	ret = open_workers(engine);
	if (ret == 0)
		ret = open_drivers(engine);
	if (ret < 0) {
		take_down(engine, IOE__COMMAND_STOP);
		return ret;
	}
	*ret_engine = engine;
	return 0;
}

const char *ioe_engine_backend(const struct ioe_engine *engine)
{
	return engine->drivers[0]->ops->name;
}

const char *ioe_engine_reason(const struct ioe_engine *engine)
{
	return engine->drivers[0]->reason;
}

/* ---- NONE: the owner ---- */

bool ioe__engine_is_owner(const struct ioe_engine *engine)
{
	return __atomic_load_n(&engine->owner, __ATOMIC_RELAXED) == ioe__thread_number();
}

bool ioe__engine_has_owner(const struct ioe_engine *engine)
{
	return __atomic_load_n(&engine->owner, __ATOMIC_RELAXED) != 0;
}

int ioe__engine_own(struct ioe_engine *engine)
{
	uint64_t nobody = 0;

	/* Acquire: pairs with nothing but open(), which the caller has ordered before us; only the
	 * thread that wins goes on. */
	if (!ioe__engine_is_owner(engine) &&
	    !__atomic_compare_exchange_n(&engine->owner, &nobody, ioe__thread_number(), false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return -EBUSY;
	ioe__driver_enable(engine->drivers[0]);
	return 0;
}

uint32_t ioe__engine_drive(struct ioe_engine *engine, int64_t wait_ns, uint32_t seen)
{
	struct ioe__driver *driver = engine->drivers[0];
	uint64_t n;

	/* Those that a submit of ours has finished, without running their callbacks. */
	(void)ioe__driver_run_callbacks(driver);
	/* All have been delivered now that have finished; not all have been reported. */
	n = driver->counters.events_finished - engine->n_reported;
	ioe__driver_step(driver, n > 0 ? 0 : wait_ns, seen);
	(void)ioe__driver_run_callbacks(driver);
	n = driver->counters.events_finished - engine->n_reported;
	engine->n_reported += n;
	return (uint32_t)n;
}

int ioe_engine_run(struct ioe_engine *engine, uint32_t n_min, int64_t timeout_ns)
{
	uint32_t n = 0;
	int64_t deadline;
	int ret;

	if (engine == NULL || !ioe__engine_is_none(engine) || timeout_ns < -1)
		return -EINVAL;
	if (ioe__in_callback())
		return -EDEADLK;
	ret = ioe__engine_own(engine);
	if (ret < 0)
		return ret;
	deadline = ioe__deadline(n_min == 0 ? 0 : timeout_ns);
	for (;;) {
		const uint32_t seen = ioe__driver_seen(engine->drivers[0]);
		const int64_t left = ioe__time_left(deadline);

		n += ioe__engine_drive(engine, left, seen);
		if (n >= n_min || left == 0)
			return n <= INT_MAX ? (int)n : INT_MAX;
	}
}

/* ---- Drain ---- */

/* Whether nothing accepted is unfinished; *ret_done is what to wait for a change of. */
static bool is_drained(const struct ioe_engine *engine, uint64_t *ret_done)
{
	const uint64_t done = ioe__work_owner_done(&engine->account);
	uint64_t accepted = 0;

	for (uint32_t i = 0; i < engine->n_drivers; i++)
		accepted += ioe__driver_accepted(engine->drivers[i]);
	*ret_done = done;
	return ((accepted - done) & IOE__CHANNEL_COUNT_MASK) == 0;
}

static int drain_none(struct ioe_engine *engine, int64_t deadline)
{
	int ret = ioe__engine_own(engine);

	if (ret < 0)
		return ret;
	for (;;) {
		const uint32_t seen = ioe__driver_seen(engine->drivers[0]);
		const int64_t left = ioe__time_left(deadline);
		uint64_t done;

		if (is_drained(engine, &done))
			return 0;
		(void)ioe__engine_drive(engine, left, seen);
		if (left == 0)
			return is_drained(engine, &done) ? 0 : -ETIMEDOUT;
	}
}

static int drain_threads(struct ioe_engine *engine, int64_t deadline)
{
	uint64_t done;

	while (!is_drained(engine, &done)) {
		const int64_t left = ioe__time_left(deadline);

		if (left == 0)
			return -ETIMEDOUT;
		/* Closing: the drivers may be gone by the time of another look. */
		if (__atomic_load_n(&engine->closing, __ATOMIC_SEQ_CST) != 0)
			return -ESHUTDOWN;
		(void)ioe__work_owner_wait(&engine->account, done, left);
	}
	return 0;
}

int ioe_engine_drain_for(struct ioe_engine *engine, int64_t timeout_ns)
{
	int ret;

	if (engine == NULL || timeout_ns < -1)
		return -EINVAL;
	if (ioe__in_callback())
		return -EDEADLK;
	if (ioe__engine_is_none(engine))
		return drain_none(engine, ioe__deadline(timeout_ns));
	__atomic_fetch_add(&engine->n_guests, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&engine->closing, __ATOMIC_SEQ_CST) != 0)
		ret = -ESHUTDOWN;
	else
		ret = drain_threads(engine, ioe__deadline(timeout_ns));
	/* Release: pairs with the acquire of close; our last touch. */
	__atomic_fetch_sub(&engine->n_guests, 1, __ATOMIC_RELEASE);
	return ret;
}

int ioe_engine_drain(struct ioe_engine *engine)
{
	return ioe_engine_drain_for(engine, -1);
}

/* ---- Close ---- */

int ioe_engine_close(struct ioe_engine *engine, uint32_t how)
{
	uint32_t command = IOE__COMMAND_STOP;

	if (how != IOE_CLOSE_DRAIN && how != IOE_CLOSE_CANCEL)
		return -EINVAL;
	if (engine == NULL)
		return 0;
	if (ioe__in_callback())
		return -EDEADLK;
	if (ioe__engine_is_none(engine)) {
		int ret = ioe__engine_own(engine);

		if (ret < 0)
			return ret;
	}
	if (how == IOE_CLOSE_CANCEL)
		command |= IOE__COMMAND_CANCEL;
	__atomic_store_n(&engine->closing, 1, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < engine->n_drivers; i++)
		ioe__channel_close(&engine->drivers[i]->channel);
	for (uint32_t i = 0; i < engine->n_drivers; i++)
		ioe__channel_wait_left(&engine->drivers[i]->channel);
	/* They look at the drivers. */
	while (__atomic_load_n(&engine->n_guests, __ATOMIC_ACQUIRE) != 0) {
		ioe__work_owner_poke(&engine->account);
		ioe__sleep_ns(GUEST_POLL_NS);
	}
	take_down(engine, command);
	return 0;
}
