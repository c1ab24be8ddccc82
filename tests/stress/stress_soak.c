/* SPDX-License-Identifier: MIT
 * stress_soak.c - hours of it, if asked (`make soak MINUTES=n`): 16 threads against the model
 *                 (lib/storm), with faults, in turns of each backend and threading mode. What they
 *                 read is checked round by round while the engine of the turn lives on; memory,
 *                 threads and files are looked at when it has been closed.
 *
 * Without IOE_SOAK_MINUTES every turn is two small rounds, so that this does not rot.
 *
 * Invariants: between turns there is no engine: the same threads and fds as at the start, and as
 *             much memory in the second half of the time as in the first, but for SLACK_BYTES.
 * Threads, Ownership: storm.h. */
#include "tests/check.h"
#include "tests/lib/fail.h"
#include "tests/lib/model.h"
#include "tests/lib/process.h"
#include "tests/lib/random.h"
#include "tests/lib/spoil.h"
#include "tests/lib/storm.h"
#include "tests/lib/stress.h"

#include <stdio.h>

enum { PRODUCERS = 16, THREADINGS = 3, COMBINATIONS = 3 * THREADINGS };
enum { ROUND_OPS = 4000, SMALL_ROUND_OPS = 300, SMALL_ROUNDS = 2, PATIENCE_S = 120 };

/* As short as this many turns of each combination ask for, within these bounds. */
enum { TURNS_OF_EACH = 3, TURN_S_MIN = 2, TURN_S_MAX = 20 };

/* Resident memory goes up and down by what the allocator keeps of rounds that differ; a million
 * events that leave 2 bytes each behind would be more. */
#define SLACK_BYTES (UINT64_C(1) << 20)

#define NS_PER_S INT64_C(1000000000)

static struct {
	bool is_small;
	int64_t start_ns, end_ns, turn_ns;
	int64_t next_line_ns;
	uint64_t n_rounds, n_events, n_bytes;
	uint64_t resident_max[2]; /* between turns, by the halves of the time */
	uint32_t n_turns, n_threads, n_fds;
} soak;

static uint64_t n_faults(void)
{
	uint64_t n = 0;

	for (enum spoil_kind kind = 0; kind < SPOIL_KINDS; kind++)
		n += spoil_count(kind);
	return n;
}

static void say(int64_t now_ns)
{
	printf("%5lld s: %3u turns, %5llu rounds, %9llu events, %7llu MiB, %9llu faults, "
	       "resident %6llu kB, %3u threads, %3u fds\n",
	       (long long)((now_ns - soak.start_ns) / NS_PER_S), soak.n_turns,
	       (unsigned long long)soak.n_rounds, (unsigned long long)soak.n_events,
	       (unsigned long long)(soak.n_bytes >> 20), (unsigned long long)n_faults(),
	       (unsigned long long)(process_resident_bytes() >> 10), process_n_threads(),
	       process_n_fds());
}

static void count_round(void)
{
	const int64_t now_ns = clock_now_ns();
	uint64_t n_bytes;

	soak.n_events += storm_end(&n_bytes);
	soak.n_bytes += n_bytes;
	soak.n_rounds++;
	if (!soak.is_small && now_ns >= soak.next_line_ns) {
		say(now_ns);
		soak.next_line_ns += 60 * NS_PER_S;
	}
}

/* The last round of an engine ends with its close. */
static void close_in_flight(struct ioe_engine *engine, struct random *random)
{
	const bool cancel = random_below(random, 2) == 0;

	storm_closing();
	must(ioe_engine_close(engine, cancel ? IOE_CLOSE_CANCEL : IOE_CLOSE_DRAIN) == 0, "close");
	count_round();
}

static void run_rounds(struct ioe_engine *engine, struct random *random)
{
	const int64_t until_ns = clock_now_ns() + soak.turn_ns;
	uint32_t n_rounds = 0;

	for (;;) {
		stress_patience(PATIENCE_S);
		storm_begin(random_next(random), soak.is_small ? SMALL_ROUND_OPS : ROUND_OPS);
		storm_run(engine);
		if (soak.is_small ? ++n_rounds == SMALL_ROUNDS : clock_now_ns() >= until_ns)
			break;
		must(ioe_engine_drain(engine) == 0, "drain");
		must(model_n_open() == 0, "drained: %u are left", model_n_open());
		count_round();
	}
	close_in_flight(engine, random);
}

/* The engine is gone, and everything of it. */
static void look_between_turns(void)
{
	const uint64_t resident = process_resident_bytes();
	const bool is_second = 2 * (clock_now_ns() - soak.start_ns) > soak.end_ns - soak.start_ns;

	if (resident > soak.resident_max[is_second])
		soak.resident_max[is_second] = resident;
	must(process_wait_threads(soak.n_threads), "%u threads, %u at the start",
	     process_n_threads(), soak.n_threads);
	must(process_n_fds() == soak.n_fds, "%u fds, %u at the start", process_n_fds(), soak.n_fds);
}

/* False if the backend is not available. */
static bool turn(uint32_t backend, uint32_t threading)
{
	struct random random = random_open_at(random_seed(), soak.n_turns);
	const struct ioe_config config = storm_config(&random, backend, threading);
	struct ioe_engine *engine;

	snprintf(support_context, sizeof(support_context), "IOE_SEED=%llu (turn %u, %s %s)",
		 (unsigned long long)random_seed(), soak.n_turns, stress_backends[backend],
		 stress_threadings[threading]);
	storm_choose(&random, &config);
	if (!stress_open(&config, &engine))
		return false;
	run_rounds(engine, &random);
	soak.n_turns++;
	look_between_turns();
	return true;
}

/* Turns of all combinations until the time is up; of a small soak, one of each. */
static void run(uint64_t minutes)
{
	bool is_available[COMBINATIONS];
	uint32_t n_available = COMBINATIONS;

	memset(is_available, true, sizeof(is_available));
	soak.is_small = minutes == 0;
	soak.start_ns = clock_now_ns();
	soak.end_ns = soak.start_ns + (int64_t)minutes * 60 * NS_PER_S;
	soak.next_line_ns = soak.start_ns + 60 * NS_PER_S;
	soak.turn_ns = (soak.end_ns - soak.start_ns) / (TURNS_OF_EACH * COMBINATIONS);
	if (soak.turn_ns < TURN_S_MIN * NS_PER_S)
		soak.turn_ns = TURN_S_MIN * NS_PER_S;
	if (soak.turn_ns > TURN_S_MAX * NS_PER_S)
		soak.turn_ns = TURN_S_MAX * NS_PER_S;
	do {
		for (uint32_t c = 0; c < COMBINATIONS; c++) {
			if (!is_available[c] || (minutes > 0 && clock_now_ns() >= soak.end_ns))
				continue;
			is_available[c] = turn(IOE_BACKEND_URING + c / THREADINGS, c % THREADINGS);
			n_available -= !is_available[c];
		}
	} while (n_available > 0 && clock_now_ns() < soak.end_ns);
}

int main(int argc, char **argv)
{
	const uint64_t minutes = process_number("IOE_SOAK_MINUTES", 0);

	stress_begin(argc, argv);
	storm_open(PRODUCERS);
	soak.n_threads = process_n_threads();
	soak.n_fds = process_n_fds();
	if (!stress_scenario("soak, %llu minutes", (unsigned long long)minutes))
		return stress_end();
	run(minutes);
	say(clock_now_ns());
	spoil_report();
	if (minutes > 0 && !CHECK_SANITIZED) {
		printf("resident between turns, the most: first half %llu kB, second %llu kB\n",
		       (unsigned long long)(soak.resident_max[0] >> 10),
		       (unsigned long long)(soak.resident_max[1] >> 10));
		must(soak.resident_max[1] <= soak.resident_max[0] + SLACK_BYTES,
		     "resident memory has grown");
	}
	stress_done(soak.n_events, "events");
	if (minutes > 0)
		printf("PASS\n");
	return stress_end();
}
