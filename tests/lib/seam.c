/* SPDX-License-Identifier: MIT
 * seam.c - see seam.h.
 *
 * Drivers come and go, and nobody says when. One is known by its address; what is remembered of it
 * hangs on requests in flight, of which an engine that is closed has none. So whatever is found
 * with none in flight may be of another driver by now, and does no harm; and such a place is taken
 * for a new driver when there is no other. */
#include "tests/lib/seam.h"
#include "engine/driver.h"
#include "tests/lib/fail.h"

#include <pthread.h>
#include <stdlib.h>

#ifdef IOE_TEST_SEAM

enum { DRIVERS_MAX = 64 };

struct watched {
	struct seam_driver seen; /* first: what hooks see is the whole */
	/* Under lock. */
	const struct ioe__driver *driver; /* a name; it may be gone */
	const struct ioe__backend *backend;
	bool in_use; /* by a hook */
	/* Of the thread that uses it. */
	uint32_t n_slots;
	uint32_t n_in_flight; /* those held back included */
	uint32_t n_held;
	bool lets_go;
	struct seam_request *requests; /* [n_slots] */
	struct held {
		struct ioe__completion completion;
		uint32_t n_reaps; /* to come */
	} * held;                 /* [n_slots], in order of arrival */
};

void (*seam_on_stage)(struct ioe__request *request);
void (*seam_on_completion)(struct ioe__completion *completion, const struct seam_request *request);
uint32_t (*seam_on_hold)(const struct ioe__completion *completion,
			 const struct seam_request *request);
uint32_t (*seam_on_batch)(struct ioe__completion *completions, uint32_t n, uint32_t room);
int (*seam_on_submit)(uint32_t n);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct watched drivers[DRIVERS_MAX];
static __thread struct watched *here;
static uint32_t staged[256];
static uint32_t reaped;
static uint32_t batch_max;

static void add(uint32_t *counter, uint32_t n)
{
	__atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
}

/* ---- Drivers ----------------------------------------------------------------------------- */

static void forget(struct watched *watched)
{
	free(watched->seen.data);
	free(watched->requests);
	free(watched->held);
	memset(watched, 0, sizeof(*watched));
}

/* Under lock: that of the driver, or one for it. */
static struct watched *find(const struct ioe__driver *driver)
{
	struct watched *free_one = NULL;

	for (uint32_t i = 0; i < DRIVERS_MAX; i++) {
		struct watched *watched = &drivers[i];

		if (watched->driver == driver)
			return watched;
		if (!watched->in_use && watched->n_in_flight == 0 &&
		    (free_one == NULL || free_one->driver != NULL))
			free_one = watched;
	}
	must(free_one != NULL, "more than %d drivers", DRIVERS_MAX);
	forget(free_one);
	free_one->driver = driver;
	return free_one;
}

static uint32_t backend_of(const struct ioe__driver *driver)
{
	uint32_t backend = IOE_BACKEND_URING;

	while (ioe__backend_ops(backend) != driver->ops)
		backend++;
	return backend;
}

static void make_room(struct watched *watched, uint32_t n_slots)
{
	const uint32_t n = watched->n_slots;

	if (n_slots <= n)
		return;
	watched->requests = realloc(watched->requests, n_slots * sizeof(*watched->requests));
	watched->held = realloc(watched->held, n_slots * sizeof(*watched->held));
	must(watched->requests != NULL && watched->held != NULL, "no memory");
	memset(watched->requests + n, 0, (n_slots - n) * sizeof(*watched->requests));
	watched->n_slots = n_slots;
}

/* A hook begins. */
static struct watched *enter(const struct ioe__driver *driver)
{
	struct watched *watched;

	pthread_mutex_lock(&lock);
	watched = find(driver);
	watched->in_use = true;
	watched->backend = driver->backend;
	pthread_mutex_unlock(&lock);
	watched->seen.index = driver->config.index;
	watched->seen.backend = backend_of(driver);
	make_room(watched, driver->depth);
	here = watched;
	return watched;
}

/* The same by the backend: NULL if nothing of its driver is in flight. */
static struct watched *enter_by_backend(const struct ioe__backend *backend)
{
	struct watched *found = NULL;

	pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < DRIVERS_MAX && found == NULL; i++)
		if (drivers[i].backend == backend && !drivers[i].in_use &&
		    drivers[i].n_in_flight > 0)
			found = &drivers[i];
	if (found != NULL)
		found->in_use = true;
	pthread_mutex_unlock(&lock);
	here = found;
	return found;
}

static void leave(struct watched *watched)
{
	pthread_mutex_lock(&lock);
	watched->in_use = false;
	pthread_mutex_unlock(&lock);
	here = NULL;
}

struct seam_driver *seam_here(void)
{
	return &here->seen;
}

void seam_let_go(void)
{
	here->lets_go = true;
}

bool seam_is_in_flight(const struct ioe__completion *completion)
{
	const struct seam_request *requests = here->requests;
	const uint32_t slot = completion->slot;

	return slot < here->n_slots && requests[slot].in_flight &&
	       requests[slot].generation == completion->generation;
}

void seam_forget(void)
{
	pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < DRIVERS_MAX; i++)
		forget(&drivers[i]);
	pthread_mutex_unlock(&lock);
}

/* ---- The seam ---------------------------------------------------------------------------- */

static void on_stage(struct ioe__driver *driver, struct ioe__request *request)
{
	struct watched *watched = enter(driver);

	if (seam_on_stage != NULL)
		seam_on_stage(request);
	watched->requests[request->slot] = (struct seam_request){
		.generation = request->generation,
		.op = request->op,
		.in_flight = true,
		.flags = request->flags,
		.n_iov = request->n_iov,
		.n_events = request->n_events,
		.offset = request->offset,
		.length = request->length,
		.fd = request->fd,
		.events = request->events,
	};
	watched->n_in_flight++;
	add(&staged[request->op], 1);
	leave(watched);
}

static int on_submit(const struct ioe__backend *backend, uint32_t n)
{
	struct watched *watched;
	int ret;

	if (seam_on_submit == NULL)
		return (int)n;
	watched = enter_by_backend(backend);
	if (watched == NULL)
		return (int)n;
	ret = seam_on_submit(n);
	leave(watched);
	return ret;
}

/* Hold back what is to be; returns what is left of the batch. */
static uint32_t hold(struct watched *watched, struct ioe__completion *completions, uint32_t n)
{
	uint32_t n_left = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct ioe__completion *completion = &completions[i];
		const uint32_t n_reaps =
			seam_is_in_flight(completion) ?
				seam_on_hold(completion, &watched->requests[completion->slot]) :
				0;

		must(watched->n_held < watched->n_slots, "one request completed twice");
		if (n_reaps > 0) /* this reap is not one of them */
			watched->held[watched->n_held++] =
				(struct held){ *completion, n_reaps + 1 };
		else
			completions[n_left++] = *completion;
	}
	return n_left;
}

/* What has been held back for long enough, behind the batch. */
static uint32_t let_go(struct watched *watched, struct ioe__completion *completions, uint32_t n,
		       uint32_t room)
{
	uint32_t n_left = 0;

	for (uint32_t i = 0; i < watched->n_held; i++) {
		struct held *held = &watched->held[i];

		if (held->n_reaps > 0)
			held->n_reaps--;
		if ((held->n_reaps == 0 || watched->lets_go) && n < room)
			completions[n++] = held->completion;
		else
			watched->held[n_left++] = *held;
	}
	watched->n_held = n_left;
	watched->lets_go = false;
	return n;
}

/* The driver gets these now. */
static void hand_over(struct watched *watched, const struct ioe__completion *completions,
		      uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (seam_is_in_flight(&completions[i])) {
			watched->requests[completions[i].slot].in_flight = false;
			watched->n_in_flight--;
		}
}

static uint32_t on_reap(struct ioe__driver *driver, struct ioe__completion *completions, uint32_t n,
			uint32_t room)
{
	struct watched *watched = enter(driver);

	add(&reaped, n);
	if (n > seam_batch_max())
		__atomic_store_n(&batch_max, n, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < n && seam_on_completion != NULL; i++)
		if (completions[i].slot < watched->n_slots)
			seam_on_completion(&completions[i],
					   &watched->requests[completions[i].slot]);
	n = seam_on_hold != NULL ? hold(watched, completions, n) : n;
	n = let_go(watched, completions, n, room);
	hand_over(watched, completions, n);
	if (seam_on_batch != NULL && n > 0)
		n = seam_on_batch(completions, n, room);
	if (watched->n_held > 0)
		driver->ops->wake(driver->backend);
	leave(watched);
	return n;
}

void seam_watch(void)
{
	ioe__seam.on_stage = on_stage;
	ioe__seam.on_submit = on_submit;
	ioe__seam.on_reap = on_reap;
}

uint32_t seam_n_staged(uint8_t op)
{
	return __atomic_load_n(&staged[op], __ATOMIC_RELAXED);
}

uint32_t seam_n_reaped(void)
{
	return __atomic_load_n(&reaped, __ATOMIC_RELAXED);
}

uint32_t seam_batch_max(void)
{
	return __atomic_load_n(&batch_max, __ATOMIC_RELAXED);
}

#else

void seam_watch(void)
{
	support_skip("the library was built without IOE_TEST_SEAM");
}

void seam_forget(void)
{
}

#endif
