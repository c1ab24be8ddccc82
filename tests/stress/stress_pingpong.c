/* SPDX-License-Identifier: MIT
 * stress_pingpong.c - P26: submit to an idle driver, wait for the end, again; a wake-up that is
 *                     lost shows as a stall. 200 k times in all (`make stress`: 10 M); no stall may
 *                     exceed 100 ms, but for the time in which threads of ours were kept waiting
 *                     for a CPU, or the machine itself was. */
#include "tests/check.h"
#include "tests/lib/fail.h"
#include "tests/lib/process.h"
#include "tests/lib/stress.h"

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define STALL_MAX_NS (INT64_C(100000000) * (CHECK_SANITIZED ? 10 : 1))
enum { SAMPLE_EVERY = 64 };

static sem_t ended;

static void on_end(struct ioe_event *event)
{
	(void)event;
	sem_post(&ended);
}

/* Not sem_clockwait(): ThreadSanitizer does not know it. */
static void wait_for_end(void)
{
	struct timespec until;
	int ret;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 30;
	while ((ret = sem_timedwait(&ended, &until)) != 0 && errno == EINTR)
		;
	must(ret == 0, "no callback within 30 s: a wake-up was lost");
}

/* How long the CPUs of a virtual machine have been with others, all of them together. */
static int64_t stolen_ns(void)
{
	FILE *file = fopen("/proc/stat", "re");
	long long ticks = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "cpu %*d %*d %*d %*d %*d %*d %*d %lld", &ticks) != 1)
		ticks = 0;
	fclose(file);
	return ticks * (INT64_C(1000000000) / sysconf(_SC_CLK_TCK));
}

/* How long threads of this process have been runnable without a CPU. */
static int64_t waited_for_cpu_ns(void)
{
	DIR *dir = opendir("/proc/self/task");
	int64_t total_ns = stolen_ns();

	for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		char path[320];
		long long ran_ns, waited_ns;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat", entry->d_name);
		file = entry->d_name[0] != '.' ? fopen(path, "re") : NULL;
		if (file == NULL)
			continue;
		if (fscanf(file, "%lld %lld", &ran_ns, &waited_ns) == 2)
			total_ns += waited_ns;
		fclose(file);
	}
	if (dir != NULL)
		closedir(dir);
	return total_ns;
}

static void judge(uint64_t n, int64_t longest_ns)
{
	char unit[64];

	must(longest_ns <= STALL_MAX_NS, "a stall of %lld us", (long long)longest_ns / 1000);
	snprintf(unit, sizeof(unit), "submits, longest %lld us,", (long long)longest_ns / 1000);
	stress_done(n, unit);
}

static void run(const struct ioe_config *config, uint64_t n, bool callback)
{
	struct ioe_engine *engine;
	struct ioe_event event;
	int64_t longest_ns = 0, sampled_ns = 0;

	if (!stress_open(config, &engine))
		return;
	ioe_prep_nop(&event);
	event.callback = callback ? on_end : NULL;
	for (uint64_t i = 0; i < n; i++) {
		int64_t took_ns;

		if (i % SAMPLE_EVERY == 0)
			sampled_ns = waited_for_cpu_ns();
		took_ns = clock_now_ns();
		must(ioe_submit(engine, &event) == 0, "submit");
		if (callback)
			wait_for_end();
		else
			must(ioe_wait_for(engine, &event, INT64_C(30000000000)) == 0,
			     "not ended within 30 s: a wake-up was lost");
		took_ns = clock_now_ns() - took_ns;
		if (took_ns > STALL_MAX_NS)
			took_ns -= waited_for_cpu_ns() - sampled_ns;
		longest_ns = took_ns > longest_ns ? took_ns : longest_ns;
	}
	must(ioe_engine_close(engine, IOE_CLOSE_DRAIN) == 0, "close");
	judge(n, longest_ns);
}

/* NONE: the owner sleeps in run, another thread submits. */
struct owner {
	struct ioe_engine *engine;
	uint64_t n;
	uint64_t finished;
	sem_t ready;
};

static void *own(void *arg)
{
	struct owner *owner = arg;

	must(ioe_engine_run(owner->engine, 0, 0) == 0, "run");
	sem_post(&owner->ready);
	while (owner->finished < owner->n) {
		const int ret = ioe_engine_run(owner->engine, 1, -1);

		must(ret >= 1, "run: %d", ret);
		owner->finished += (uint64_t)ret;
	}
	must(ioe_engine_close(owner->engine, IOE_CLOSE_DRAIN) == 0, "close");
	return NULL;
}

static void run_none(const struct ioe_config *config, uint64_t n)
{
	struct owner owner = { .n = n };
	struct ioe_event event;
	int64_t longest_ns = 0, sampled_ns = 0;
	pthread_t thread;

	if (!stress_open(config, &owner.engine))
		return;
	sem_init(&owner.ready, 0, 0);
	must(pthread_create(&thread, NULL, own, &owner) == 0, "pthread_create");
	while (sem_wait(&owner.ready) != 0)
		;
	ioe_prep_nop(&event);
	event.callback = on_end;
	for (uint64_t i = 0; i < n; i++) {
		int64_t took_ns;

		if (i % SAMPLE_EVERY == 0)
			sampled_ns = waited_for_cpu_ns();
		took_ns = clock_now_ns();
		must(ioe_submit(owner.engine, &event) == 0, "submit");
		wait_for_end();
		took_ns = clock_now_ns() - took_ns;
		if (took_ns > STALL_MAX_NS)
			took_ns -= waited_for_cpu_ns() - sampled_ns;
		longest_ns = took_ns > longest_ns ? took_ns : longest_ns;
	}
	pthread_join(thread, NULL);
	judge(n, longest_ns);
}

int main(int argc, char **argv)
{
	stress_begin(argc, argv);
	sem_init(&ended, 0, 0);
	for (uint32_t backend = IOE_BACKEND_URING; backend <= IOE_BACKEND_THREADS; backend++) {
		const char *name = stress_backends[backend];
		struct ioe_config config = { .size = sizeof(config), .backend = backend };

		/* Without spinning the driver is asleep at each submit. */
		config.spin_ns = IOE_CONFIG_OFF;
		config.threading = IOE_THREADING_INLINE;
		if (stress_scenario("%s inline, no spinning", name))
			run(&config, stress_scaled(25000), true);
		config.spin_ns = 5000;
		if (stress_scenario("%s inline, spinning for 5 us", name))
			run(&config, stress_scaled(15000), true);
		config.spin_ns = 0;
		config.threading = IOE_THREADING_POOL;
		if (stress_scenario("%s pool, callback", name))
			run(&config, stress_scaled(10000), true);
		if (stress_scenario("%s pool, ioe_wait", name))
			run(&config, stress_scaled(10000), false);
		config.threading = IOE_THREADING_NONE;
		if (stress_scenario("%s none, owner asleep", name))
			run_none(&config, stress_scaled(10000));
	}
	return stress_end();
}
