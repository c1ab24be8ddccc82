/* SPDX-License-Identifier: MIT
 * crash.c - see crash.h. */
#include "tests/crash/crash.h"
#include "tests/lib/fail.h"
#include "tests/lib/random.h"
#include "tests/lib/stress.h"

#include <stdio.h>
#include <sys/mman.h>

static const uint32_t backends[] = { IOE_BACKEND_URING, IOE_BACKEND_AIO, IOE_BACKEND_THREADS };
static const uint32_t threadings[] = { IOE_THREADING_POOL, IOE_THREADING_INLINE };
enum { N_BACKENDS = 3, N_THREADINGS = 2, N_COMBINATIONS = N_BACKENDS * N_THREADINGS };

struct acks *crash_begin(int argc, char **argv, const char *program)
{
	struct acks *acks = mmap(NULL, sizeof(*acks), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	stress_begin(argc, argv);
	must(acks != MAP_FAILED, "mmap: %s", strerror(errno));
	snprintf(support_context, sizeof(support_context), "IOE_SEED=%llu %s",
		 (unsigned long long)random_seed(), program);
	return acks;
}

/* It says so if not. */
static bool is_available(uint32_t backend)
{
	const struct ioe_config config = { .size = sizeof(config), .backend = backend };
	struct ioe_engine *engine;

	if (!stress_open(&config, &engine))
		return false;
	must(ioe_engine_close(engine, IOE_CLOSE_DRAIN) == 0, "close");
	return true;
}

void crash_combinations(uint64_t n, const char *what,
			void (*run)(uint32_t backend, uint32_t threading, uint64_t share))
{
	for (uint64_t i = 0; i < N_COMBINATIONS; i++) {
		const uint32_t backend = backends[i % N_BACKENDS];
		const uint32_t threading = threadings[i / N_BACKENDS];
		const uint64_t share = n * (i + 1) / N_COMBINATIONS - n * i / N_COMBINATIONS;

		if (share > 0 &&
		    stress_scenario("%s %s: %llu %s", stress_backends[backend],
				    stress_threadings[threading], (unsigned long long)share,
				    what) &&
		    is_available(backend))
			run(backend, threading, share);
	}
}

void crash_found_all(const struct verdict *verdict)
{
	must(verdict->n_lost == 0, "%llu of %llu records are lost; %s",
	     (unsigned long long)verdict->n_lost, (unsigned long long)verdict->n_looked_at,
	     verdict->first);
	stress_done(verdict->n_looked_at, "records found");
}

void crash_found_lies(const struct verdict *verdict, uint32_t n)
{
	must(verdict->n_lost > 0, "nothing is found to be lost after %u crashes, %llu records", n,
	     (unsigned long long)verdict->n_looked_at);
	printf("    found by crash %u: %s\n", n, verdict->first);
	stress_done(verdict->n_lost, "records lost, as they should");
}
