/* SPDX-License-Identifier: MIT
 * floor_idle.c - T9: an engine that has nothing to do does nothing.
 *
 * An engine of each mode on each backend is opened and used; then all are left alone, and some time
 * after their last activity every thread that has come with them is watched: its CPU time and its
 * context switches, at the start and at the end of the watch.
 * A thread in a system call that blocks has switched away, and one that runs uses CPU, in ns by the
 * kernel's count: so no CPU and no switch means that it sat in one system call all the time and
 * began no other, which is all that "0 system calls" can mean for a thread that sleeps. It is seen
 * without a tracer, which a container may forbid.
 * Invariants: the kernel's own threads for io_uring are threads of the process, and counted.
 * Threads:    the main thread, which sleeps meanwhile; callbacks on those of the engines.
 * Ownership:  engines, events and buffer are freed before floor_idle() returns.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/interrupt.h"
#include "tools/suite/floor_parts.h"

#define EVENTS      64 /* for each engine, twice: nops and reads */
#define ALIGN_BYTES 4096
#define BLOCK_BYTES 4096
#define THREADS_MAX 256

static const uint32_t threadings[] = {
	IOE_THREADING_POOL,
	IOE_THREADING_INLINE,
	IOE_THREADING_NONE,
};

#define THREADINGS (sizeof(threadings) / sizeof(threadings[0]))
#define ENGINES    (FLOOR_BACKENDS * THREADINGS)

/* What a thread has used since it began. */
struct used {
	pid_t tid;
	uint64_t cpu_ns;
	uint64_t switches;
	char name[32];
};

struct snapshot {
	struct used threads[THREADS_MAX];
	uint32_t n;
};

struct idle {
	struct ioe_engine *engines[ENGINES];
	uint32_t n_engines;
	struct ioe_event events[2 * EVENTS];
	char *buffer;
	struct snapshot before;
	struct snapshot after;
};

static void on_done(struct ioe_event *event)
{
	(void)event;
}

/* Half nops, half reads, through every part of the engine. */
static int use(struct idle *idle, struct ioe_engine *engine, const struct target *target)
{
	struct ioe_event *batch[2 * EVENTS];
	int rc;

	for (uint32_t i = 0; i < 2 * EVENTS; i++) {
		struct ioe_event *event = &idle->events[i];
		const uint64_t blocks = target->size_bytes / BLOCK_BYTES;

		if (i % 2)
			ioe_prep_nop(event);
		else
			ioe_prep_read(event, target->fds[0], idle->buffer + (size_t)i * BLOCK_BYTES,
				      BLOCK_BYTES, i % blocks * BLOCK_BYTES);
		event->callback = on_done;
		batch[i] = event;
	}
	rc = ioe_submit_batch(engine, batch, 2 * EVENTS);
	if (rc != 2 * EVENTS)
		return rc < 0 ? rc : -EIO;
	rc = ioe_engine_drain(engine);
	for (uint32_t i = 0; !rc && i < 2 * EVENTS; i++) {
		if (idle->events[i].result < 0)
			rc = (int)idle->events[i].result;
	}
	return rc;
}

/* Every engine that can be had here, used once. What is not available is skipped. */
static int open_engines(struct floor *floor, struct idle *idle)
{
	for (size_t b = 0; b < FLOOR_BACKENDS; b++) {
		int rc = floor_backend_status(floor_backends[b].backend);

		if (rc) {
			floor_skip(floor, "idle engines", "%s is not available: %s",
				   floor_backends[b].name, strerror(-rc));
			continue;
		}
		for (size_t t = 0; t < THREADINGS; t++) {
			struct ioe_config config = {
				.size = sizeof(config),
				.backend = floor_backends[b].backend,
				.threading = threadings[t],
			};
			struct ioe_engine *engine = NULL;

			rc = ioe_engine_open(&config, &engine);
			if (!rc) {
				idle->engines[idle->n_engines++] = engine;
				rc = use(idle, engine, floor->target);
			}
			if (rc) {
				fprintf(stderr, "ioe suite: idle engine on %s: %s\n",
					floor_backends[b].name, strerror(-rc));
				return rc;
			}
		}
	}
	return 0;
}

/* The value of a line of a thread's status, "voluntary_ctxt_switches:	12". */
static uint64_t status_value(const char *text, const char *key)
{
	const char *line = strstr(text, key);

	return line ? strtoull(line + strlen(key), NULL, 10) : 0;
}

static int read_file(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t n;

	if (!file)
		return -ENOENT;
	n = fread(text, 1, size - 1, file);
	text[n] = '\0';
	(void)fclose(file);
	return n ? 0 : -ENOENT;
}

/* False: it has ended meanwhile. */
static bool look_at(pid_t tid, struct used *ret_used)
{
	struct used used = { .tid = tid };
	/* The clock of a thread's CPU time, as pthread_getcpuclockid() makes it of the tid: also
	 * right for a thread that is running just now, where schedstat lags. */
	const clockid_t clock = (clockid_t)(~(unsigned)tid << 3 | 6);
	struct timespec cpu;
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)tid);
	if (read_file(path, text, sizeof(text)) || sys_result(clock_gettime(clock, &cpu)) < 0)
		return false;
	used.cpu_ns = (uint64_t)cpu.tv_sec * NS_PER_SECOND + (uint64_t)cpu.tv_nsec;
	used.switches = status_value(text, "\nvoluntary_ctxt_switches:") +
			status_value(text, "\nnonvoluntary_ctxt_switches:");
	(void)sscanf(text, "Name: %31s", used.name);
	*ret_used = used;
	return true;
}

/* Every thread of the process but this one. */
static int take_snapshot(struct snapshot *ret_snapshot)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;

	if (!dir)
		return -ENOENT;
	ret_snapshot->n = 0;
	while ((entry = readdir(dir)) && ret_snapshot->n < THREADS_MAX) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid > 0 && tid != getpid() &&
		    look_at(tid, &ret_snapshot->threads[ret_snapshot->n]))
			ret_snapshot->n++;
	}
	(void)closedir(dir);
	return entry ? -E2BIG : 0;
}

static const struct used *find(const struct snapshot *snapshot, pid_t tid)
{
	for (uint32_t i = 0; i < snapshot->n; i++) {
		if (snapshot->threads[i].tid == tid)
			return &snapshot->threads[i];
	}
	return NULL;
}

/* A thread that has come or gone meanwhile has been active as well. */
static void compare(struct floor *floor, const struct snapshot *before,
		    const struct snapshot *after)
{
	uint64_t cpu_ns = 0, switches = 0, changes = 0;

	for (uint32_t i = 0; i < before->n; i++)
		changes += !find(after, before->threads[i].tid);
	for (uint32_t i = 0; i < after->n; i++) {
		const struct used *now = &after->threads[i];
		const struct used *then = find(before, now->tid);

		if (!then) {
			changes++;
			continue;
		}
		cpu_ns += now->cpu_ns - then->cpu_ns;
		switches += now->switches - then->switches;
		if (now->cpu_ns != then->cpu_ns || now->switches != then->switches)
			fprintf(stderr,
				"ioe suite: thread %s of an idle engine: %llu ns of CPU, "
				"%llu context switches\n",
				now->name, (unsigned long long)(now->cpu_ns - then->cpu_ns),
				(unsigned long long)(now->switches - then->switches));
	}
	floor_add(floor, "idle engines, all modes: CPU of their threads while watched", "ns",
		  floor_single((double)cpu_ns), 1, FLOOR_AT_MOST, 0);
	floor_add(floor, "idle engines, all modes: context switches, so system calls", "",
		  floor_single((double)switches), 1, FLOOR_AT_MOST, 0);
	floor_add(floor, "idle engines, all modes: threads begun or ended while watched", "",
		  floor_single((double)changes), 1, FLOOR_AT_MOST, 0);
	floor_add(floor, "idle engines, all modes: threads watched", "",
		  floor_single((double)before->n), 1, FLOOR_REPORTED, 0);
}

static int rest(uint64_t ns)
{
	const uint64_t until_ns = clock_now_ns() + ns;

	for (;;) {
		const uint64_t now_ns = clock_now_ns();
		struct timespec step = { 0, 10 * (long)NS_PER_MSEC };

		if (interrupt_seen())
			return -ECANCELED;
		if (now_ns >= until_ns)
			return 0;
		if (until_ns - now_ns < (uint64_t)step.tv_nsec)
			step.tv_nsec = (long)(until_ns - now_ns);
		(void)nanosleep(&step, NULL);
	}
}

static int watch(struct floor *floor, struct idle *idle)
{
	const bool quick = floor->suite->quick;
	int rc = rest(quick ? 30 * NS_PER_MSEC : 2 * NS_PER_SECOND);

	if (!rc)
		rc = take_snapshot(&idle->before);
	if (!rc)
		rc = rest(quick ? 30 * NS_PER_MSEC : NS_PER_SECOND);
	if (!rc)
		rc = take_snapshot(&idle->after);
	if (rc == -ENOENT) {
		floor_skip(floor, "idle engines", "no /proc/self/task here");
		return 0;
	} else if (rc == -E2BIG)
		fprintf(stderr, "ioe suite: more than %d threads to watch\n", THREADS_MAX);
	if (!rc)
		compare(floor, &idle->before, &idle->after);
	return rc;
}

int floor_idle(struct floor *floor)
{
	struct idle *idle = calloc(1, sizeof(*idle));
	int rc = -ENOMEM;

	if (idle)
		idle->buffer = aligned_alloc(ALIGN_BYTES, (size_t)2 * EVENTS * BLOCK_BYTES);
	if (idle && idle->buffer) {
		rc = open_engines(floor, idle);
		if (!rc && idle->n_engines)
			rc = watch(floor, idle);
	}
	for (uint32_t i = 0; idle && i < idle->n_engines; i++)
		(void)ioe_engine_close(idle->engines[i], IOE_CLOSE_DRAIN);
	if (idle)
		free(idle->buffer);
	free(idle);
	return rc;
}
