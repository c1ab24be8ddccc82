/* SPDX-License-Identifier: MIT
 * cost_wake.c - what it costs that a thread sleeps and is woken: nothing that is done by threads
 *               which wait for each other costs less.
 * Invariants: each sleeper is woken once in a round; a round begins when all have slept again.
 * Threads:    sleepers, and the main thread, which wakes them.
 * Ownership:  all of it is static. */
#include "tests/lib/fail.h"
#include "tests/lib/process.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SLEEPERS = 8, ROUNDS = 4000, BETWEEN_NS = 30000 };

struct sleeper {
	_Alignas(128) uint32_t turn;
	pthread_t thread;
};

static struct sleeper sleepers[SLEEPERS];
static uint32_t n_awake;

static void *sleep_and_wake(void *arg)
{
	struct sleeper *sleeper = arg;

	for (uint32_t turn = 0; turn < ROUNDS; turn++) {
		while (__atomic_load_n(&sleeper->turn, __ATOMIC_ACQUIRE) == turn)
			(void)syscall(SYS_futex, &sleeper->turn, FUTEX_WAIT_PRIVATE, turn, NULL,
				      NULL, 0);
		__atomic_add_fetch(&n_awake, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static double cpu_us(void)
{
	struct rusage usage;

	must(getrusage(RUSAGE_SELF, &usage) == 0, "getrusage");
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Of the process, for each time that a sleeper is woken: the two system calls and the switches. */
static double measure(void)
{
	const struct timespec between = { .tv_nsec = BETWEEN_NS };
	const double before_us = cpu_us();

	n_awake = 0;
	for (uint32_t i = 0; i < SLEEPERS; i++) {
		sleepers[i].turn = 0;
		must(pthread_create(&sleepers[i].thread, NULL, sleep_and_wake, &sleepers[i]) == 0,
		     "pthread_create");
	}
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		for (uint32_t i = 0; i < SLEEPERS; i++) {
			__atomic_store_n(&sleepers[i].turn, round, __ATOMIC_RELEASE);
			(void)syscall(SYS_futex, &sleepers[i].turn, FUTEX_WAKE_PRIVATE, 1, NULL,
				      NULL, 0);
		}
		while (__atomic_load_n(&n_awake, __ATOMIC_ACQUIRE) < round * SLEEPERS)
			(void)nanosleep(&between, NULL);
	}
	for (uint32_t i = 0; i < SLEEPERS; i++)
		must(pthread_join(sleepers[i].thread, NULL) == 0, "pthread_join");
	return (cpu_us() - before_us) / ((double)ROUNDS * SLEEPERS);
}

int main(void)
{
	const uint64_t n_runs = process_number("IOE_COST_RUNS", 9);
	double least = 0;

	support_is_program = true;
	for (uint64_t i = 0; i < n_runs; i++) {
		const double us = measure();

		least = least == 0 || us < least ? us : least;
	}
	printf("a thread that sleeps and is woken: %.2f us of CPU\n", least);
	return 0;
}
