/* SPDX-License-Identifier: MIT
 * stress_model.c - everything at once against a model (lib/storm, 8 threads), in rounds of an
 *                  engine each, of any sizes, with a close at any moment that drains or cancels.
 *
 * A seed is 3 rounds on each backend in each threading mode. 10 seeds are run, or those asked for.
 *
 * Invariants, Threads, Ownership: storm.h. */
#include "tests/lib/fail.h"
#include "tests/lib/model.h"
#include "tests/lib/random.h"
#include "tests/lib/spoil.h"
#include "tests/lib/storm.h"
#include "tests/lib/stress.h"

#include <stdio.h>

enum { PRODUCERS = 8, SEEDS = 10, ROUNDS = 3, PATIENCE_S = 60 };

/* Returns the number of events, 0 if the backend is not available. */
static uint32_t round_of(uint32_t backend, uint32_t threading, uint64_t seed, uint32_t round)
{
	struct random random = random_open_at(seed, (round * 4 + backend) * 3 + threading);
	const struct ioe_config config = storm_config(&random, backend, threading);
	struct ioe_engine *engine;
	uint32_t how;

	storm_choose(&random, &config);
	storm_begin(random_next(&random), (uint32_t)random_between(&random, 100, 2000));
	if (!stress_open(&config, &engine))
		return 0;
	storm_run(engine);
	if (random_below(&random, 3) == 0) {
		must(ioe_engine_drain(engine) == 0, "drain");
		must(model_n_open() == 0, "drained: %u are left", model_n_open());
	}
	how = random_below(&random, 2) == 0 ? IOE_CLOSE_DRAIN : IOE_CLOSE_CANCEL;
	storm_closing();
	must(ioe_engine_close(engine, how) == 0, "close");
	return storm_end(NULL);
}

static void run(uint32_t backend, uint32_t threading, uint64_t n_seeds)
{
	const char *b = stress_backends[backend], *t = stress_threadings[threading];
	uint64_t n_round, n = 0;

	if (!stress_scenario("%s %s against a model", b, t))
		return;
	for (uint64_t seed = random_seed(); seed < random_seed() + n_seeds; seed++)
		for (uint32_t round = 0; round < ROUNDS; round++) {
			snprintf(support_context, sizeof(support_context), "IOE_SEED=%llu (%s %s)",
				 (unsigned long long)seed, b, t);
			stress_patience(PATIENCE_S);
			n_round = round_of(backend, threading, seed, round);
			if (n_round == 0)
				return;
			n += n_round;
		}
	stress_done(n, "events");
}

int main(int argc, char **argv)
{
	stress_begin(argc, argv);
	storm_open(PRODUCERS);
	for (uint32_t b = IOE_BACKEND_URING; b <= IOE_BACKEND_THREADS; b++)
		for (uint32_t m = IOE_THREADING_POOL; m <= IOE_THREADING_NONE; m++)
			run(b, m, stress_seeds(SEEDS));
	spoil_report();
	return stress_end();
}
