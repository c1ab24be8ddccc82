/* SPDX-License-Identifier: MIT
 * driver.c - the loop, the thread that runs it, and when it sleeps.
 *
 * Sleeping (the other half of channel.h's argument): a driver sleeps inside commit() only after it
 * has read `command` (seen), staged all that can be staged, declared itself parked, and looked at
 * the channel and at `command` once more. Whoever pushes or commands does so first and looks at
 * `parked` after it, both seq_cst: one of the two sees the other.
 *
 * Spinning: before it sleeps, and with everything staged handed to the kernel, a driver may look
 * for work for a while, if
 *   - work has been coming soon: the moving average of the time it was without work, spun or
 *     slept, is below spin_ns. There are two of them: after a round that has staged something it
 *     waits for the kernel; after one that has only ended events, for those whose events
 *     they were, who come back sooner or later than a completion;
 *   - and nobody else wants the CPU: producers that have slept for want of room do, a
 *     sched_yield() that took long has run another thread, and a clock that jumps while spinning
 *     tells of preemption. Then the next sleeps do not spin.
 *
 * Invariants, Threads, Ownership: driver.h. */
#include "engine/driver.h"

#include "engine/context.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Records for fds: so many that when they run out, more than depth of them have an event that is
 * in the kernel or could be (README.md, "Records"). */
#define RECORDS_PER_DEPTH 2u
#define RECORDS_EXTRA     64u
/* Entries of the pool of iovecs for each unit of depth. */
#define IOV_PER_DEPTH 64u

/* A kernel that takes nothing is asked again after so long; one that has broken, too. */
#define COMMIT_PAUSE_NS INT64_C(200000)
#define BROKEN_PAUSE_NS IOE__NS_PER_MS

/* A clock that jumped by more than this: somebody else has had the CPU. */
#define PREEMPTED_NS INT64_C(5000)
#define SPIN_BACKOFF 64u /* sleeps without spinning after that */
#define SPIN_LOOKS   16u /* looks between two readings of the clock */
#define IDLE_WEIGHT  8   /* of the moving average */
#define IDLE_CAP_NS  INT64_C(1000000)

uint32_t ioe__driver_seen(const struct ioe__driver *driver)
{
	return __atomic_load_n(&driver->command, __ATOMIC_SEQ_CST);
}

void ioe__driver_command(struct ioe__driver *driver, uint32_t command)
{
	if (command == IOE__COMMAND_KICK)
		__atomic_fetch_add(&driver->command, command, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_or(&driver->command, command, __ATOMIC_SEQ_CST);
	ioe__channel_notify(&driver->channel);
}

uint64_t ioe__driver_accepted(const struct ioe__driver *driver)
{
	const uint64_t own = __atomic_load_n(&driver->counters.events_own, __ATOMIC_RELAXED);

	return (ioe__channel_reserved(&driver->channel) + own) & IOE__CHANNEL_COUNT_MASK;
}

bool ioe__driver_is_empty(const struct ioe__driver *driver)
{
	return driver->n_unfinished == 0 && driver->arrived.first == NULL &&
	       driver->finished.first == NULL && !ioe__channel_has_work(&driver->channel);
}

/* ---- Time ---- */

/* Account the time since the last stamp at the in_flight there was then. */
static void stamp(struct ioe__driver *driver)
{
	const int64_t now = ioe__clock_ns();
	const uint64_t elapsed = (uint64_t)(now - driver->now_ns);

	driver->now_ns = now;
	if (!driver->config.timing)
		return;
	ioe__count(&driver->counters.elapsed_ns, elapsed);
	ioe__count(&driver->counters.in_flight_ns, elapsed * driver->in_flight_then);
	driver->in_flight_then = driver->in_flight;
}

/* staged: the round that was without work had staged something. */
static void note_idle(struct ioe__driver *driver, bool staged, int64_t idle_ns)
{
	if (idle_ns > IDLE_CAP_NS)
		idle_ns = IDLE_CAP_NS;
	driver->idle_ns[staged] += (idle_ns - driver->idle_ns[staged]) / IDLE_WEIGHT;
}

static bool has_news(struct ioe__driver *driver, uint32_t seen)
{
	return ioe__channel_has_work(&driver->channel) || driver->ops->pending(driver->backend) ||
	       ioe__driver_seen(driver) != seen;
}

static bool may_spin(struct ioe__driver *driver, bool staged)
{
	const int64_t spin_ns = (int64_t)driver->config.spin_ns;

	if (spin_ns == 0 || driver->idle_ns[staged] >= spin_ns)
		return false;
	if (ioe__channel_had_sleepers(&driver->channel))
		driver->spin_backoff = SPIN_BACKOFF;
	if (driver->spin_backoff > 0) {
		driver->spin_backoff--;
		return false;
	}
	return true;
}

/* Look for work from start on for a while, wait_ns at most; true if there is some. */
static bool spin(struct ioe__driver *driver, int64_t start, int64_t wait_ns, uint32_t seen)
{
	int64_t spin_ns = (int64_t)driver->config.spin_ns;
	int64_t last;

	if (wait_ns >= 0 && wait_ns < spin_ns)
		spin_ns = wait_ns;
	(void)sched_yield();
	last = ioe__clock_ns();
	if (last - start > PREEMPTED_NS) {
		driver->spin_backoff = SPIN_BACKOFF;
		return has_news(driver, seen);
	}
	while (last - start < spin_ns) {
		int64_t now;

		for (uint32_t i = 0; i < SPIN_LOOKS; i++) {
			if (has_news(driver, seen))
				return true;
			ioe__cpu_relax();
		}
		now = ioe__clock_ns();
		if (now - last > PREEMPTED_NS) {
			driver->spin_backoff = SPIN_BACKOFF;
			return false;
		}
		last = now;
	}
	return false;
}

/* ---- The loop ---- */

/* How long this round may sleep: 0 if there is or may be something to do. */
static int64_t may_sleep(const struct ioe__driver *driver, int64_t wait_ns, uint64_t n_finished)
{
	if (wait_ns == 0 || driver->counters.events_finished != n_finished)
		return 0;
	if (driver->delayed.first != NULL) {
		int64_t due_ns = (int64_t)driver->delayed.first->ioe__due_ns - ioe__clock_ns();

		if (due_ns < 1)
			due_ns = 1;
		if (wait_ns < 0 || due_ns < wait_ns)
			wait_ns = due_ns;
	}
	return wait_ns;
}

static void give_up(struct ioe__driver *driver)
{
	driver->broken = true;
	driver->failing = -EIO;
	__atomic_store_n(driver->config.broken, 1, __ATOMIC_RELAXED);
}

static void count_staged(struct ioe__driver *driver)
{
	struct ioe__driver_counters *counters = &driver->counters;

	ioe__count(&counters->requests, driver->n_staged);
	__atomic_store_n(&counters->in_flight, driver->in_flight, __ATOMIC_RELAXED);
	if (driver->in_flight > counters->in_flight_max)
		__atomic_store_n(&counters->in_flight_max, driver->in_flight, __ATOMIC_RELAXED);
	driver->n_staged = 0;
	/* What is done at once must have been in flight for a while. */
	if (driver->config.timing)
		stamp(driver);
}

/* Hand the staged requests to the kernel, and sleep there if there is nothing else to do. */
static int commit(struct ioe__driver *driver, int64_t wait_ns, uint32_t seen)
{
	const bool staged = driver->n_staged > 0;
	int64_t idle_since_ns = 0;
	int ret;

	/* (1) of wait.c. */
	ioe__assert(wait_ns == 0 || driver->wakes.words == 0);
	if (staged)
		count_staged(driver);
	if (wait_ns != 0 && may_spin(driver, staged)) {
		/* Not with requests in hand: the kernel may as well work on them meanwhile. */
		ret = staged ? driver->ops->commit(driver->backend, 0) : 0;
		if (ret < 0)
			return ret;
		/* What pending() has seen may take another system call to be there for reap(). */
		if (staged && has_news(driver, seen)) {
			/* Done at once, as nops are. */
			note_idle(driver, staged, 0);
			return driver->ops->commit(driver->backend, 0);
		}
		idle_since_ns = ioe__clock_ns();
		if (spin(driver, idle_since_ns, wait_ns, seen)) {
			note_idle(driver, staged, ioe__clock_ns() - idle_since_ns);
			return driver->ops->commit(driver->backend, 0);
		}
	}
	if (wait_ns != 0 && !ioe__channel_park(&driver->channel))
		wait_ns = 0;
	if (wait_ns == 0)
		return driver->ops->commit(driver->backend, 0);

	/* Parked: the second look at the commands (see the top). */
	if (ioe__driver_seen(driver) != seen)
		wait_ns = 0;
	else
		ioe__count(&driver->counters.parks, 1);
	stamp(driver);
	ret = driver->ops->commit(driver->backend, wait_ns);
	ioe__channel_unpark(&driver->channel);
	if (wait_ns != 0) {
		if (idle_since_ns == 0)
			idle_since_ns = driver->now_ns;
		stamp(driver);
		note_idle(driver, staged, driver->now_ns - idle_since_ns);
	}
	return ret;
}

/* How many completions to take in this round. */
static uint32_t reap_limit(const struct ioe__driver *driver)
{
	uint32_t share = driver->in_flight / IOE__REAP_SHARE;

	if (!driver->woke)
		return driver->reap_max;
	if (share < IOE__REAP_MIN)
		share = IOE__REAP_MIN;
	return share < driver->reap_max ? share : driver->reap_max;
}

static uint32_t reap(struct ioe__driver *driver)
{
	uint32_t n = driver->ops->reap(driver->backend, driver->completions, reap_limit(driver));

#ifdef IOE_TEST_SEAM
	if (ioe__seam.on_reap != NULL)
		n = ioe__seam.on_reap(driver, driver->completions, n, 2 * IOE__REAP_MAX);
#endif
	ioe__settle(driver, driver->completions, n);
	return n;
}

/* Ask the backend, once, to end what the kernel has. */
static void cancel(struct ioe__driver *driver)
{
	driver->cancelled = true;
	for (uint32_t slot = 0; slot < driver->depth; slot++)
		if (driver->requests[slot].state == IOE__REQUEST_STAGED)
			driver->ops->cancel(driver->backend, &driver->requests[slot]);
}

uint32_t ioe__driver_run_callbacks(struct ioe__driver *driver)
{
	struct ioe__event_list list = driver->finished;
	struct ioe_event *event;
	uint32_t n = 0;

	driver->finished = (struct ioe__event_list){ NULL, NULL };
	ioe__context = IOE__CONTEXT_DRIVER;
	ioe__driving = driver;
	while ((event = ioe__event_list_pop(&list)) != NULL) {
		if (ioe__event_is_timed(event))
			ioe__timing_account_call(&driver->timing.calls, event);
		else
			ioe__event_call(event);
		n++;
	}
	ioe__driving = NULL;
	ioe__context = IOE__CONTEXT_PLAIN;
	if (n > 0)
		ioe__work_owner_add_done(driver->config.account, n);
	return n;
}

/* Finished events to where their callbacks run, and the account of those without one. */
static void deliver(struct ioe__driver *driver)
{
	struct ioe__event_list *finished = &driver->finished;
	const uint64_t n = driver->n_handed_over;

	if (n > 0 || finished->first != NULL)
		driver->woke = driver->wakes.words != 0 && finished->first == NULL;
	/* First: callbacks may take long. */
	if (n > 0)
		ioe__wakes_send(&driver->wakes);
	if (finished->first != NULL && driver->config.threading == IOE_THREADING_POOL) {
		struct ioe__node *first = &finished->first->ioe__node;
		struct ioe__node *last = &finished->last->ioe__node;

		*finished = (struct ioe__event_list){ NULL, NULL };
		ioe__workers_push(driver->config.workers, first, last);
	} else if (finished->first != NULL && driver->config.threading == IOE_THREADING_INLINE) {
		(void)ioe__driver_run_callbacks(driver);
	}
	if (n > 0) {
		driver->n_handed_over = 0;
		ioe__work_owner_add_done(driver->config.account, n);
	}
}

/* Law 8, the long way round: in every slot there is a request of at least one event, or nothing. */
static void verify(const struct ioe__driver *driver)
{
#ifdef IOE_VERIFY
	uint32_t n_staged = 0;

	for (uint32_t slot = 0; slot < driver->depth; slot++) {
		const struct ioe__request *request = &driver->requests[slot];

		ioe__assert((request->state == IOE__REQUEST_STAGED) == (request->n_events > 0));
		n_staged += request->state == IOE__REQUEST_STAGED;
	}
	ioe__assert(n_staged == driver->in_flight);
	ioe__assert(driver->n_free + driver->in_flight == driver->depth);
#else
	(void)driver;
#endif
}

void ioe__driver_step(struct ioe__driver *driver, int64_t wait_ns, uint32_t seen)
{
	const uint64_t n_finished = driver->counters.events_finished;
	const uint32_t batch = driver->batch;
	const bool may_pause = wait_ns != 0;
	const bool cancelling = (seen & IOE__COMMAND_CANCEL) != 0;
	int ret;

	if (cancelling && driver->failing == 0)
		driver->failing = -ECANCELED;
	ioe__timing_forget(&driver->timing);
	ioe__pending_absorb(driver);
	if (driver->failing != 0)
		ioe__pending_fail(driver);
	else
		ioe__pending_stage(driver);
	if (cancelling && !driver->cancelled)
		cancel(driver);
	wait_ns = may_sleep(driver, wait_ns, n_finished);
	ioe__channel_restore(&driver->channel, driver->n_restore);
	driver->n_restore = 0;
	if (wait_ns != 0 || driver->batch == batch)
		ioe__channel_announce(&driver->channel);

	ret = commit(driver, wait_ns, seen);
	if (ret < 0 && ret != -EAGAIN && !driver->broken)
		give_up(driver);
	/* The kernel takes nothing and has nothing: let it be for a moment (P14). Not before those
	 * have been told whose events have ended. */
	if (reap(driver) == 0 && ret < 0 && may_pause &&
	    driver->counters.events_finished == n_finished) {
		ioe__assert(driver->wakes.words == 0); /* (1) of wait.c */
		ioe__sleep_ns(driver->broken ? BROKEN_PAUSE_NS : COMMIT_PAUSE_NS);
	}
	if (driver->config.timing)
		stamp(driver);
	verify(driver);
	deliver(driver);
}

/* ---- Open and close ---- */

static void wake_backend(void *arg)
{
	struct ioe__driver *driver = arg;

	driver->ops->wake(driver->backend);
}

void ioe__driver_free(struct ioe__driver *driver)
{
	ioe__iovpool_deinit(&driver->iovpool);
	ioe__order_deinit(&driver->order);
	ioe__overlap_deinit(&driver->overlaps);
	free(driver->plan_memory);
	free(driver->completions);
	free(driver->requests);
	free(driver->free_slots);
	free(driver);
}

/* Everything whose size is known once the backend has told its depth. */
static int alloc_slots(struct ioe__driver *driver)
{
	const uint32_t depth = driver->depth;
	uint32_t n_plan = driver->config.channel_capacity;
	int ret;

	/* Callbacks go beyond a small capacity. */
	n_plan = n_plan > IOE__PLAN_MIN ? n_plan : IOE__PLAN_MIN;
	n_plan = n_plan < IOE__PLAN_MAX ? n_plan : IOE__PLAN_MAX;
	driver->free_slots = calloc(depth, sizeof(*driver->free_slots));
	driver->requests = calloc(depth, sizeof(*driver->requests));
	driver->completions = calloc((size_t)2 * IOE__REAP_MAX, sizeof(*driver->completions));
	driver->plan_memory = aligned_alloc(
		IOE__CACHE_LINE, (ioe__merge_memory_bytes(n_plan) + IOE__CACHE_LINE - 1) /
					 IOE__CACHE_LINE * IOE__CACHE_LINE);
	if (driver->free_slots == NULL || driver->requests == NULL || driver->completions == NULL ||
	    driver->plan_memory == NULL)
		return -ENOMEM;
	ioe__merge_init(&driver->plan, driver->plan_memory, n_plan);
	ret = ioe__order_init(&driver->order, RECORDS_PER_DEPTH * depth + RECORDS_EXTRA);
	if (ret < 0)
		return ret;
	ret = ioe__overlap_init(&driver->overlaps, n_plan);
	if (ret < 0)
		return ret;
	ret = ioe__iovpool_init(&driver->iovpool, IOV_PER_DEPTH * depth);
	if (ret < 0)
		return ret;
	for (uint32_t slot = depth; slot > 0; slot--) {
		driver->requests[slot - 1].slot = slot - 1;
		driver->free_slots[driver->n_free++] = slot - 1;
	}
	return 0;
}

static uint32_t reap_max_of(const struct ioe__driver *driver)
{
	const uint32_t depth = driver->depth;
	const uint32_t share =
		depth / (depth < IOE__REAP_DEEP ? IOE__REAP_SHARE : IOE__REAP_SHARE_DEEP);

	if (driver->config.threading == IOE_THREADING_POOL || share > IOE__REAP_MAX)
		return IOE__REAP_MAX;
	return share > IOE__REAP_MIN ? share : IOE__REAP_MIN;
}

static int open_backend(struct ioe__driver *driver)
{
	struct ioe__backend_config config = {
		.depth = driver->config.depth_max,
		.n_helpers = driver->config.n_helpers,
		.driver = driver->config.index,
		.other_thread = driver->config.threading == IOE_THREADING_NONE,
		.counters = &driver->backend_counters,
		.shortage = driver->config.shortage,
	};
	int ret = ioe__backend_open(driver->config.backend, &config, driver->reason, &driver->ops,
				    &driver->backend);

	if (ret < 0)
		return ret;
	driver->depth = config.ret_depth;
	driver->reap_max = reap_max_of(driver);
	ret = alloc_slots(driver);
	if (ret < 0) {
		driver->ops->close(driver->backend);
		driver->backend = NULL;
	}
	driver->now_ns = ioe__clock_ns();
	return ret;
}

void ioe__driver_enable(struct ioe__driver *driver)
{
	if (driver->enabled)
		return;
	driver->enabled = true;
	if (driver->ops->enable(driver->backend) < 0)
		give_up(driver);
}

static void report_start(struct ioe__driver *driver, int ret)
{
	/* Release: pairs with the acquire in wait_for_start(). */
	__atomic_store_n(&driver->started, ret < 0 ? (uint32_t)-ret + 1 : 1, __ATOMIC_RELEASE);
	ioe__futex_wake(&driver->started, 1);
}

static int wait_for_start(struct ioe__driver *driver)
{
	uint32_t started;

	while ((started = __atomic_load_n(&driver->started, __ATOMIC_ACQUIRE)) == 0)
		(void)ioe__futex_wait(&driver->started, 0, -1);
	return started == 1 ? 0 : -(int)(started - 1);
}

static void *thread_main(void *arg)
{
	struct ioe__driver *driver = arg;
	int ret = open_backend(driver);

	if (ret == 0) {
		ret = driver->ops->enable(driver->backend);
		/* GCOVR_EXCL_START: no backend fails so on the thread that opened it */
		if (ret < 0)
			driver->ops->close(driver->backend);
		/* GCOVR_EXCL_STOP */
	}
	report_start(driver, ret);
	if (ret < 0)
		return NULL;
	for (;;) {
		const uint32_t seen = ioe__driver_seen(driver);

		/* After STOP nobody pushes any more: what is empty stays empty. */
		if ((seen & IOE__COMMAND_STOP) != 0 && ioe__driver_is_empty(driver))
			break;
		ioe__driver_step(driver, -1, seen);
	}
	/* Whoever said STOP may still be on its way through the backend's wake(). */
	while (__atomic_load_n(&driver->may_end, __ATOMIC_ACQUIRE) == 0)
		(void)ioe__futex_wait(&driver->may_end, 0, -1);
	driver->ops->close(driver->backend);
	return NULL;
}

static int start_thread(struct ioe__driver *driver)
{
	char name[16] = "ioe-drv";
	uint32_t index = driver->config.index;
	size_t n = strlen(name);
	int ret;

	if (index >= 10)
		name[n++] = (char)('0' + index / 10);
	name[n] = (char)('0' + index % 10);
	ret = ioe__thread_start(&driver->thread, name, thread_main, driver);
	if (ret < 0)
		return ret;
	driver->has_thread = true;
	return wait_for_start(driver);
}

int ioe__driver_open(const struct ioe__driver_config *config, struct ioe__driver **ret_driver)
{
	struct ioe__driver *driver = aligned_alloc(IOE__CACHE_LINE, sizeof(*driver));
	int ret;

	if (driver == NULL)
		return -ENOMEM;
	memset(driver, 0, sizeof(*driver));
	driver->config = *config;
	driver->idle_ns[false] = IDLE_CAP_NS;
	driver->idle_ns[true] = IDLE_CAP_NS;
	driver->view.fd = -1;
	ioe__channel_init(&driver->channel, config->channel_capacity, wake_backend, driver);
	if (config->threading == IOE_THREADING_NONE)
		ret = open_backend(driver);
	else
		ret = start_thread(driver);
	if (ret < 0) {
		if (driver->has_thread)
			(void)pthread_join(driver->thread, NULL);
		ioe__driver_free(driver);
		return ret;
	}
	*ret_driver = driver;
	return 0;
}

void ioe__driver_let_end(struct ioe__driver *driver)
{
	/* Release: pairs with the acquire at the end of thread_main(). */
	__atomic_store_n(&driver->may_end, 1, __ATOMIC_RELEASE);
	ioe__futex_wake(&driver->may_end, 1);
}

void ioe__driver_stop(struct ioe__driver *driver)
{
	if (driver->has_thread)
		(void)pthread_join(driver->thread, NULL);
	else
		driver->ops->close(driver->backend);
}
