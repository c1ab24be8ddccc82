/* SPDX-License-Identifier: MIT
 * test_pace.c - the intended start of each IO, and time to think.
 * Invariants: none.
 * Threads:    those of a test are joined by it.
 * Ownership:  none. */
#include <math.h>
#include <pthread.h>

#include "tests/check.h"
#include "tools/bench/pace.h"
#include "tools/sys.h"

static struct pace pace;

static void setup(struct pace_config config)
{
	pace_init(&pace, &config);
}

Test(pace, bytes_per_second_count_what_was_taken_before)
{
	setup((struct pace_config){ .bytes_per_second = { 1u << 20, 0 } });
	cr_assert(pace_is_limited(&pace, 0));
	cr_assert(!pace_is_limited(&pace, 1));
	for (uint64_t i = 0; i < 256; i++)
		check_eq(pace_take(&pace, 0, 4096), i * 4096 * NS_PER_SECOND / (1u << 20));
	check_eq(pace_take(&pace, 0, 1u << 20), NS_PER_SECOND);
	check_eq(pace_take(&pace, 0, 512), 2 * NS_PER_SECOND);
	check_eq(pace_next_ns(&pace, 1), 0);
}

Test(pace, ios_per_second_do_not_look_at_sizes)
{
	setup((struct pace_config){ .ios_per_second = { 0, 3 } });
	check_eq(pace_take(&pace, 1, 1u << 30), 0);
	check_eq(pace_take(&pace, 1, 1), 333333333);
	check_eq(pace_take(&pace, 1, 1), 666666666);
	/* No rounding adds up. */
	check_eq(pace_take(&pace, 1, 1), NS_PER_SECOND);
}

Test(pace, a_long_job_does_not_overflow)
{
	setup((struct pace_config){ .bytes_per_second = { 1ull << 40, 0 } });
	check_eq(pace_take(&pace, 0, 1ull << 60), 0);
	check_eq(pace_take(&pace, 0, 1), (1ull << 20) * NS_PER_SECOND);
}

/* Mean and deviation of an exponential are the same; and none of the gaps hangs on the one before:
 * the share of gaps shorter than the mean is 1 - 1/e, also behind a short one. */
Test(pace, poisson_has_exponential_gaps_of_the_same_mean)
{
	const uint64_t n = 100000;
	double sum = 0, squares = 0, mean, deviation;
	uint64_t last, n_short = 0, n_short_behind = 0, n_behind = 0;
	bool was_short = false;

	setup((struct pace_config){ .ios_per_second = { 1000, 0 }, .is_poisson = true, .seed = 1 });
	last = pace_take(&pace, 0, 4096);
	check_eq(last, 0);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t due = pace_take(&pace, 0, 4096);
		double gap = (double)(due - last);
		bool is_short = gap < 1e6;

		check_op(due, >=, last);
		sum += gap;
		squares += gap * gap;
		n_short += is_short;
		n_behind += was_short;
		n_short_behind += was_short && is_short;
		was_short = is_short;
		last = due;
	}
	mean = sum / (double)n;
	deviation = sqrt(squares / (double)n - mean * mean);
	/* Three standard errors: 1 % and 1.4 %, of the shares 0.5 % and 0.6 %. */
	cr_assert_float_eq(mean, 1e6, 0.01e6, "mean %g", mean);
	cr_assert_float_eq(deviation, 1e6, 0.015e6, "deviation %g", deviation);
	cr_assert_float_eq((double)n_short / (double)n, 1 - exp(-1), 0.005);
	cr_assert_float_eq((double)n_short_behind / (double)n_behind, 1 - exp(-1), 0.006);
}

Test(pace, poisson_follows_from_the_seed_and_keeps_a_rate_of_bytes)
{
	uint64_t first[100], last = 0;
	int same = 0;

	for (uint64_t seed = 1; seed <= 3; seed++) {
		setup((struct pace_config){ .bytes_per_second = { 4096000, 0 },
					    .io_bytes = { 4096, 4096 },
					    .is_poisson = true,
					    .seed = seed == 2 ? 1 : seed });
		for (int i = 0; i < 100; i++) {
			uint64_t due = pace_take(&pace, 0, 4096);

			if (seed == 1)
				first[i] = due;
			if (seed == 2)
				check_eq(due, first[i]);
			same += seed == 3 && due == first[i];
		}
	}
	check_op(same, <=, 1); /* both begin at 0 */
	/* Blocks of twice the size come half as often. */
	for (int i = 0; i < 100000; i++)
		last = pace_take(&pace, 0, 8192);
	cr_assert_float_eq((double)last, 200e9, 3e9, "%llu", (unsigned long long)last);
}

Test(pace, a_mixed_job_gives_either_direction_its_rate)
{
	uint64_t taken[2] = { 0, 0 }, now = 0;

	/* The mix wants one to one. */
	setup((struct pace_config){ .ios_per_second = { 300, 100 } });
	for (uint32_t i = 0; now < 10 * NS_PER_SECOND; i++) {
		uint32_t direction = pace_choose(&pace, i % 2, now);
		uint64_t due = pace_take(&pace, direction, 4096);

		now = due > now ? due : now;
		taken[direction]++;
	}
	check_op(taken[0], >=, 3000);
	check_op(taken[0], <=, 3001);
	check_op(taken[1], >=, 1000);
	check_op(taken[1], <=, 1001);
	/* One without a rate takes the place of one that is not due. */
	setup((struct pace_config){ .ios_per_second = { 0, 1 } });
	check_eq(pace_choose(&pace, 1, 0), 1);
	check_eq(pace_take(&pace, 1, 4096), 0);
	check_eq(pace_choose(&pace, 1, 1000), 0);
	check_eq(pace_choose(&pace, 1, NS_PER_SECOND), 1);
	/* Both late: the mix decides. */
	check_eq(pace_choose(&pace, 0, NS_PER_SECOND), 0);
}

static void *take_many(void *arg)
{
	uint64_t *due = arg;

	for (int i = 0; i < 10000; i++)
		due[i] = pace_take(&pace, 0, 4096);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

Test(pace, threads_share_one_rate)
{
	static uint64_t due[2][40000];
	pthread_t threads[4];

	for (int poisson = 0; poisson < 2; poisson++) {
		setup((struct pace_config){
			.ios_per_second = { 1000, 0 }, .is_poisson = poisson, .seed = 7 });
		for (int i = 0; i < 4; i++)
			check_eq(pthread_create(&threads[i], NULL, take_many,
						due[poisson] + 10000 * i),
				 0);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		qsort(due[poisson], 40000, sizeof(uint64_t), by_value);
	}
	for (uint64_t i = 0; i < 40000; i++)
		check_eq(due[0][i], i * NS_PER_MSEC);
	/* What one thread would have got. */
	setup((struct pace_config){ .ios_per_second = { 1000, 0 }, .is_poisson = true, .seed = 7 });
	for (uint64_t i = 0; i < 40000; i++)
		check_eq(due[1][i], pace_take(&pace, 0, 4096));
}

Test(think, a_group_begins_when_the_one_before_is_back_and_thought_about)
{
	struct think think;

	think_init(&think, 1000, 3, false);
	for (uint64_t n = 0; n < 3; n++)
		check_eq(think_due_ns(&think, n), 0);
	cr_assert_eq(think_due_ns(&think, 3), THINK_NOT_YET);
	cr_assert(!think_issued(&think, 5));
	cr_assert(!think_done(&think, 10));
	cr_assert(!think_done(&think, 20));
	cr_assert_eq(think_due_ns(&think, 3), THINK_NOT_YET);
	cr_assert(think_done(&think, 30));
	check_eq(think_due_ns(&think, 3), 1030);
	check_eq(think_due_ns(&think, 5), 1030);
	cr_assert_eq(think_due_ns(&think, 6), THINK_NOT_YET);
}

Test(think, counted_when_issued_it_does_not_wait_for_them)
{
	struct think think;

	think_init(&think, 1000, 1, true);
	check_eq(think_due_ns(&think, 0), 0);
	cr_assert(think_issued(&think, 7));
	cr_assert(!think_done(&think, 9));
	check_eq(think_due_ns(&think, 1), 1007);
	cr_assert_eq(think_due_ns(&think, 2), THINK_NOT_YET);
}

Test(think, without_a_time_nothing_waits)
{
	struct think think;

	think_init(&think, 0, 1, false);
	for (uint64_t n = 0; n < 100; n++)
		check_eq(think_due_ns(&think, n), 0);
	cr_assert(!think_done(&think, 1));
}
