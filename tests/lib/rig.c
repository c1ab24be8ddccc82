/* SPDX-License-Identifier: MIT
 * rig.c - see rig.h. */
#include "tests/lib/rig.h"
#include "tests/lib/bad_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Something to be freed when the engine is closed. */
struct rig_thing {
	struct rig_thing *next;
	void *memory;
	int fd;
};

static void keep(struct rig *rig, void *memory, int fd)
{
	struct rig_thing *thing = calloc(1, sizeof(*thing));

	must(thing != NULL, "no memory");
	*thing = (struct rig_thing){ rig->things, memory, fd };
	rig->things = thing;
}

void rig_init(struct rig *rig, const struct rig_row *row)
{
	pthread_condattr_t attr;

	memset(rig, 0, sizeof(*rig));
	rig->row = *row;
	rig->direct = place_is_direct(row->place);
	rig->unit = rig->direct || place_is_device(row->place) ? 4096 : 1000;
	pthread_mutex_init(&rig->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&rig->changed, &attr);
	pthread_condattr_destroy(&attr);
}

void rig_deinit(struct rig *rig)
{
	if (rig->engine != NULL)
		rig_close(rig, IOE_CLOSE_DRAIN);
	must(rig->n_finished == rig->n_submitted, "%u events accepted, %u callbacks",
	     rig->n_submitted, rig->n_finished);
	must(rig->n_twice == 0, "%u callbacks too many", rig->n_twice);
	while (rig->things != NULL) {
		struct rig_thing *thing = rig->things;

		rig->things = thing->next;
		if (thing->fd >= 0)
			close(thing->fd);
		free(thing->memory);
		free(thing);
	}
	pthread_cond_destroy(&rig->changed);
	pthread_mutex_destroy(&rig->lock);
}

void rig_run(const struct rig_row *row, void (*body)(struct rig *rig))
{
	struct rig *rig = malloc(sizeof(*rig));

	must(rig != NULL, "no memory");
	rig_init(rig, row);
	body(rig);
	rig_deinit(rig);
	free(rig);
}

struct ioe_config rig_config(const struct rig *rig)
{
	return (struct ioe_config){
		.size = sizeof(struct ioe_config),
		.backend = rig->row.backend,
		.threading = rig->row.threading,
	};
}

bool rig_locks_little(void)
{
	struct rlimit limit;

	must_sys(getrlimit(RLIMIT_MEMLOCK, &limit));
	return limit.rlim_cur < 1 << 20;
}

void rig_open(struct rig *rig, const struct ioe_config *config)
{
	const struct ioe_config plain = rig_config(rig);
	const int64_t give_up_ns = clock_now_ns() + RIG_PATIENCE_NS;
	int ret;

	must(rig->engine == NULL, "the rig has an engine already");
	/* Rings of the tests before may still hold the little there is: the kernel frees them when
	 * it finds the time, and open does not wait as long as we. */
	do {
		ret = ioe_engine_open(config != NULL ? config : &plain, &rig->engine);
	} while (ret == -ENOMEM && rig_locks_little() && clock_now_ns() < give_up_ns);
	/* The last of the chain is always there. */
	if (rig->row.backend != IOE_BACKEND_AUTO &&
	    (ret == -ENOSYS || ret == -EPERM || ret == -EACCES))
		support_skip("%s is not available here (%s)", rig->row.name, strerror(-ret));
	must(ret == 0, "ioe_engine_open: %d (%s)", ret, strerror(-ret));
}

int rig_try_backend(uint32_t backend)
{
	const struct ioe_config config = { .size = sizeof(config), .backend = backend };
	struct ioe_engine *engine;
	const int ret = ioe_engine_open(&config, &engine);

	if (ret == 0)
		must(ioe_engine_close(engine, IOE_CLOSE_DRAIN) == 0, "close");
	return ret;
}

void rig_close(struct rig *rig, uint32_t how)
{
	/* Callbacks that still run look at rig->engine. */
	const int ret = ioe_engine_close(rig->engine, how);

	must(ret == 0, "ioe_engine_close: %d (%s)", ret, strerror(-ret));
	rig->engine = NULL;
}

struct ioe_stats rig_stats(struct rig *rig)
{
	struct ioe_stats stats = { .size = sizeof(stats) };

	must(ioe_engine_stats(rig->engine, &stats) == 0, "ioe_engine_stats");
	return stats;
}

struct job *rig_jobs(struct rig *rig, uint32_t n)
{
	struct job *jobs = calloc(n, sizeof(*jobs));

	must(jobs != NULL, "no memory");
	for (uint32_t i = 0; i < n; i++)
		jobs[i].rig = rig;
	keep(rig, jobs, -1);
	return jobs;
}

void *rig_buffer(struct rig *rig, uint64_t length)
{
	void *buffer = aligned_buffer(length);

	keep(rig, buffer, -1);
	return buffer;
}

int rig_keep_fd(struct rig *rig, int fd)
{
	must_sys(fd);
	keep(rig, NULL, fd);
	return fd;
}

int rig_file(struct rig *rig, uint64_t size)
{
	return rig_keep_fd(rig, place_file(rig->row.place, size, RIG_SEED, 0));
}

void rig_needs_file(const struct rig *rig, const char *what)
{
	place_needs_file(rig->row.place, what);
}

void rig_pipe(struct rig *rig, int ret_fds[2])
{
	must_sys(pipe2(ret_fds, O_CLOEXEC));
	rig_keep_fd(rig, ret_fds[0]);
	rig_keep_fd(rig, ret_fds[1]);
}

static void on_end(struct ioe_event *event)
{
	struct job *job = event->arg;
	struct rig *rig = job->rig;
	const bool was_done = ioe_event_is_done(event);

	pthread_mutex_lock(&rig->lock);
	if (++job->calls > job->submits)
		rig->n_twice++;
	job->result = event->result;
	job->done = event->done;
	job->order = rig->n_finished++;
	job->was_done = was_done;
	job->tid = gettid();
	pthread_cond_broadcast(&rig->changed);
	pthread_mutex_unlock(&rig->lock);
	if (job->then != NULL)
		job->then(job);
}

/* Count before: the callback may run before submit has returned. */
static void account(struct rig *rig, struct job *job, int n)
{
	pthread_mutex_lock(&rig->lock);
	rig->n_submitted += (uint32_t)n;
	job->submits += (uint32_t)n;
	pthread_mutex_unlock(&rig->lock);
}

int rig_submit_ret(struct rig *rig, struct job *job)
{
	int ret;

	job->event.callback = on_end;
	job->event.arg = job;
	account(rig, job, 1);
	ret = ioe_submit(rig->engine, &job->event);
	if (ret != 0)
		account(rig, job, -1);
	return ret;
}

int rig_try(struct rig *rig, struct job *job)
{
	int ret;

	job->event.callback = on_end;
	job->event.arg = job;
	account(rig, job, 1);
	ret = ioe_try_submit(rig->engine, &job->event);
	if (ret != 0)
		account(rig, job, -1);
	return ret;
}

void rig_submit(struct rig *rig, struct job *job)
{
	const int ret = rig_submit_ret(rig, job);

	must(ret == 0, "ioe_submit: %d (%s)", ret, strerror(-ret));
}

int rig_batch(struct rig *rig, struct job *jobs, uint32_t n, bool try)
{
	struct ioe_event **events = calloc(n + 1, sizeof(struct ioe_event *));
	uint32_t k;
	int ret;

	must(events != NULL, "no memory");
	for (uint32_t i = 0; i < n; i++) {
		jobs[i].event.callback = on_end;
		jobs[i].event.arg = &jobs[i];
		account(rig, &jobs[i], 1);
		events[i] = &jobs[i].event;
	}
	ret = try ? ioe_try_submit_batch(rig->engine, events, n) :
		    ioe_submit_batch(rig->engine, events, n);
	k = ret > 0 ? (uint32_t)ret : 0;
	for (uint32_t i = k; i < n; i++)
		account(rig, &jobs[i], -1);
	free(events);
	return ret;
}

void rig_prep_nops(struct job *jobs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		ioe_prep_nop(&jobs[i].event);
}

void rig_submit_again(struct job *job)
{
	uint32_t *left = job->data;

	if (*left > 0) {
		(*left)--;
		(void)!rig_submit_ret(job->rig, job);
	}
}

static bool count_reached(struct rig *rig, const struct job *job, uint32_t n)
{
	return job != NULL ? job->calls == job->submits : rig->n_finished >= n;
}

/* Until the job has been called back as often as it was submitted, or n callbacks have run. */
static void wait_until(struct rig *rig, const struct job *job, uint32_t n)
{
	const int64_t give_up_ns = clock_now_ns() + RIG_PATIENCE_NS;
	const struct timespec until = { give_up_ns / 1000000000, give_up_ns % 1000000000 };
	bool reached;
	int error = 0;

	pthread_mutex_lock(&rig->lock);
	while (!(reached = count_reached(rig, job, n)) && error == 0) {
		if (rig->row.threading == IOE_THREADING_NONE && rig->engine != NULL) {
			pthread_mutex_unlock(&rig->lock);
			error = ioe_engine_run(rig->engine, 1, 50 * 1000000);
			error = error < 0 ? error : clock_now_ns() > give_up_ns ? ETIMEDOUT : 0;
			pthread_mutex_lock(&rig->lock);
		} else {
			error = pthread_cond_timedwait(&rig->changed, &rig->lock, &until);
		}
	}
	n = rig->n_finished;
	pthread_mutex_unlock(&rig->lock);
	must(reached, "waited in vain (%s): %u of %u callbacks have run", strerror(abs(error)), n,
	     rig->n_submitted);
}

void rig_wait(struct rig *rig, struct job *job)
{
	wait_until(rig, job, 0);
}

void rig_wait_count(struct rig *rig, uint32_t n)
{
	wait_until(rig, NULL, n);
}

void rig_wait_all(struct rig *rig)
{
	uint32_t n;

	pthread_mutex_lock(&rig->lock);
	n = rig->n_submitted;
	pthread_mutex_unlock(&rig->lock);
	wait_until(rig, NULL, n);
}

void rig_shuffle(struct job *jobs, uint32_t n, struct random *random)
{
	for (uint32_t i = n; i-- > 1;) {
		const uint32_t k = (uint32_t)random_below(random, i + 1);
		const struct ioe_event event = jobs[i].event;

		jobs[i].event = jobs[k].event;
		jobs[k].event = event;
	}
}

int64_t rig_do(struct rig *rig, struct job *job)
{
	rig_submit(rig, job);
	rig_wait(rig, job);
	return job->result;
}

uint32_t rig_count(struct rig *rig)
{
	uint32_t n;

	pthread_mutex_lock(&rig->lock);
	n = rig->n_finished;
	pthread_mutex_unlock(&rig->lock);
	return n;
}

uint32_t job_calls(struct job *job)
{
	uint32_t n;

	pthread_mutex_lock(&job->rig->lock);
	n = job->calls;
	pthread_mutex_unlock(&job->rig->lock);
	return n;
}

void rig_push(struct rig *rig)
{
	if (rig->row.threading == IOE_THREADING_NONE)
		must(ioe_engine_run(rig->engine, 0, 0) >= 0, "ioe_engine_run");
}

void rig_wait_in_flight(struct rig *rig, uint64_t n)
{
	const int64_t give_up_ns = clock_now_ns() + RIG_PATIENCE_NS;
	const struct timespec brief = { 0, 200000 };
	uint64_t now;

	for (;;) {
		rig_push(rig);
		now = rig_stats(rig).in_flight;
		if (now == n)
			return;
		must(clock_now_ns() < give_up_ns, "%llu requests in flight, not %llu",
		     (unsigned long long)now, (unsigned long long)n);
		nanosleep(&brief, NULL);
	}
}

void rig_wait_for(struct rig *rig, bool (*is_so)(void *arg), void *arg, const char *what)
{
	const int64_t give_up_ns = clock_now_ns() + RIG_PATIENCE_NS;
	const struct timespec brief = { 0, 200000 };

	for (;;) {
		rig_push(rig);
		if (is_so(arg))
			return;
		must(clock_now_ns() < give_up_ns, "waited in vain: %s", what);
		nanosleep(&brief, NULL);
	}
}

struct held {
	const struct bad_file *file;
	uint32_t n;
};

static bool are_held(void *arg)
{
	const struct held *held = arg;

	return bad_file_n_held(held->file) >= held->n;
}

void rig_wait_held(struct rig *rig, const struct bad_file *file, uint32_t n)
{
	struct held held = { file, n };

	rig_wait_for(rig, are_held, &held, "transfers that are held back");
}

static void *actor_main(void *arg)
{
	struct actor *actor = arg;

	__atomic_store_n(&actor->tid, gettid(), __ATOMIC_RELEASE);
	actor->main(actor->arg);
	return NULL;
}

void actor_start(struct actor *actor, void (*main)(void *arg), void *arg)
{
	const struct timespec brief = { 0, 100000 };

	*actor = (struct actor){ .main = main, .arg = arg };
	must(pthread_create(&actor->thread, NULL, actor_main, actor) == 0, "pthread_create");
	while (__atomic_load_n(&actor->tid, __ATOMIC_ACQUIRE) == 0)
		nanosleep(&brief, NULL);
}

void actor_join(struct actor *actor)
{
	pthread_join(actor->thread, NULL);
}
