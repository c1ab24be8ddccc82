/* SPDX-License-Identifier: MIT
 * test_submit.c - the system call that submits takes a part of what is staged, or nothing: made by
 *                 the seam, on the backends that have such a call (PITFALLS P14 P17). */
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"

#include <unistd.h>

#ifdef IOE_TEST_SEAM

enum { N = 8, UNIT = 4096 };

/* What the hook does: the next n_refusals calls are answered with refusal, or, if that is not
 * negative, take so many of what they are given; of those only that take less by it. */
static int refusal;
static uint32_t n_refusals;
static uint32_t n_calls, n_injected;

static int refuse(uint32_t n)
{
	const int answer = __atomic_load_n(&refusal, __ATOMIC_RELAXED);

	__atomic_add_fetch(&n_calls, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&n_refusals, __ATOMIC_RELAXED) == 0 || answer >= (int)n)
		return (int)n;
	__atomic_sub_fetch(&n_refusals, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&n_injected, 1, __ATOMIC_RELAXED);
	return answer;
}

static void arm(int answer, uint32_t n)
{
	__atomic_store_n(&n_refusals, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&refusal, answer, __ATOMIC_RELAXED);
	__atomic_store_n(&n_refusals, n, __ATOMIC_RELAXED);
}

static uint32_t injected(void)
{
	return __atomic_load_n(&n_injected, __ATOMIC_RELAXED);
}

static void open_refusing(struct rig *rig, uint32_t depth)
{
	struct ioe_config config = rig_config(rig);

	/* As many slots as requests at a time: one that leaks is missed. */
	config.depth_max = depth;
	seam_on_submit = refuse;
	seam_watch();
	rig_open(rig, &config);
}

static int direct_file(struct rig *rig, uint32_t n_units)
{
	return rig_keep_fd(rig, place_file(PLACE_DISK_DIRECT, n_units * UNIT, RIG_SEED, 0));
}

static void prep_reads(struct job *jobs, uint32_t n, int fd, uint8_t *buffer)
{
	memset(buffer, 0, n * UNIT);
	for (uint32_t i = 0; i < n; i++) {
		ioe_prep_read(&jobs[i].event, fd, buffer + i * UNIT, UNIT, i * UNIT);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
	}
}

/* Each has ended once in each of so many rounds, and well. */
static void check_reads(const struct job *jobs, uint32_t n, uint32_t n_rounds,
			const uint8_t *buffer)
{
	for (uint32_t i = 0; i < n; i++) {
		check_eq(jobs[i].calls, n_rounds);
		check_eq(jobs[i].result, UNIT);
	}
	check_eq(pattern_differs(buffer, n * UNIT, 0, RIG_SEED), -1);
}

/* The first k of a batch go, the rest with the next call; none twice, none not at all. */
KERNEL_TEST(submit_part, batch_is_taken_in_two_parts_of_each_size)
{
	const int fd = direct_file(rig, N);
	uint8_t *buffer = rig_buffer(rig, N * UNIT);
	struct job *jobs = rig_jobs(rig, N);

	open_refusing(rig, N);
	for (uint32_t k = 0; k < N; k++) {
		prep_reads(jobs, N, fd, buffer);
		arm((int)k, 1);
		check_eq(rig_batch(rig, jobs, N, false), N);
		rig_wait_all(rig);
		check_eq(injected(), k + 1);
		check_reads(jobs, N, k + 1, buffer);
	}
	check_eq(rig_stats(rig).in_flight, 0);
	check_eq(rig_stats(rig).stale_completions, 0);
}

KERNEL_TEST(submit_part, requests_are_taken_one_at_a_time)
{
	enum { MANY = 256 };
	const int fd = direct_file(rig, MANY);
	uint8_t *buffer = rig_buffer(rig, MANY * UNIT);
	struct job *jobs = rig_jobs(rig, MANY);

	open_refusing(rig, 16);
	prep_reads(jobs, MANY, fd, buffer);
	arm(1, UINT32_MAX);
	check_eq(rig_batch(rig, jobs, MANY, false), MANY);
	rig_wait_all(rig);
	check_op(injected(), >=, N);
	check_reads(jobs, MANY, 1, buffer);
	check_eq(rig_stats(rig).requests, MANY);
}

/* A burst of refusals; the driver asks once for each, and goes on. */
static void survive_refusals(struct rig *rig, int answer)
{
	enum { TIMES = 50 };
	const int fd = direct_file(rig, N);
	uint8_t *buffer = rig_buffer(rig, N * UNIT);
	struct job *jobs = rig_jobs(rig, N);

	open_refusing(rig, N);
	prep_reads(jobs, N, fd, buffer);
	arm(answer, TIMES);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	check_eq(injected(), TIMES);
	check_reads(jobs, N, 1, buffer);
	check_eq(rig_stats(rig).requests, N);
	check_eq(rig_stats(rig).retried, 0);
	/* Not broken, and not one call more than there is to say. */
	prep_reads(jobs, N, fd, buffer);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	check_reads(jobs, N, 2, buffer);
	check_op(__atomic_load_n(&n_calls, __ATOMIC_RELAXED), <=, TIMES + 16 * N);
}

KERNEL_TEST(submit_part, p14_eagain_of_the_submit_call_is_only_a_delay)
{
	survive_refusals(rig, -EAGAIN);
}

KERNEL_TEST(submit_part, p17_eintr_of_the_submit_call_is_only_a_delay)
{
	survive_refusals(rig, -EINTR);
}

/* io_submit() has no such answer. */
KERNEL_TEST(submit_part, p14_ebusy_of_the_submit_call_is_only_a_delay)
{
	if (rig->row.backend == IOE_BACKEND_AIO)
		cr_skip_test("io_submit() never says EBUSY");
	survive_refusals(rig, -EBUSY);
}

/* "Full" is an end of nothing that the kernel has already. */
KERNEL_TEST(submit_part, p14_completions_are_reaped_while_submits_are_refused)
{
	const int fd = direct_file(rig, N);
	uint8_t *buffer = rig_buffer(rig, N * UNIT);
	struct job *hanging = rig_jobs(rig, 1), *jobs = rig_jobs(rig, N);
	const int64_t give_up_ns = clock_now_ns() + RIG_PATIENCE_NS;
	char byte;
	int fds[2];

	rig_pipe(rig, fds);
	open_refusing(rig, N + 1);
	ioe_prep_read(&hanging->event, fds[0], &byte, 1, 0);
	rig_submit(rig, hanging);
	rig_wait_in_flight(rig, 1);
	/* The first call that the hook has seen is that for this one. */
	while (__atomic_load_n(&n_calls, __ATOMIC_RELAXED) == 0)
		cr_assert(clock_now_ns() < give_up_ns);
	prep_reads(jobs, N, fd, buffer);
	arm(-EAGAIN, UINT32_MAX);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_in_flight(rig, N + 1);
	check_eq(write(fds[1], "x", 1), 1);
	rig_wait(rig, hanging);
	check_eq(rig_count(rig), 1);
	check_op(injected(), >=, 1);
	arm(0, 0);
	rig_wait_all(rig);
	check_reads(jobs, N, 1, buffer);
}

/* What the kernel has not been given ends by the cancel, or runs: each once. */
KERNEL_TEST(submit_part, close_comes_while_submits_are_refused)
{
	const int fd = direct_file(rig, N);
	struct job *jobs = rig_jobs(rig, N);

	open_refusing(rig, N / 2);
	prep_reads(jobs, N, fd, rig_buffer(rig, N * UNIT));
	arm(-EAGAIN, 30);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_in_flight(rig, N / 2);
	rig_close(rig, IOE_CLOSE_CANCEL);
	check_op(injected(), >=, 1);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].calls, 1);
		cr_assert(jobs[i].result == UNIT || jobs[i].result == -ECANCELED, "%lld",
			  (long long)jobs[i].result);
	}
}

#endif
