/* SPDX-License-Identifier: MIT
 * random.c - see random.h: splitmix64. */
#include "tests/lib/random.h"
#include "tests/lib/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static bool was_given;

/* Once for the whole run, before there are threads or children: they inherit it. */
__attribute__((constructor)) static void choose_seed(void)
{
	const char *given = getenv("IOE_SEED");
	char text[32];
	uint64_t seed;

	was_given = given != NULL && given[0] != '\0';
	if (was_given)
		return;
	must_sys(getrandom(&seed, sizeof(seed), 0));
	snprintf(text, sizeof(text), "%llu", (unsigned long long)seed);
	setenv("IOE_SEED", text, 1);
	fprintf(stderr, "IOE_SEED=%s\n", text);
}

uint64_t random_seed(void)
{
	const char *text = getenv("IOE_SEED");

	must(text != NULL, "IOE_SEED has been taken away");
	return strtoull(text, NULL, 0);
}

bool random_seed_was_given(void)
{
	return was_given;
}

struct random random_open(uint64_t stream)
{
	return random_open_at(random_seed(), stream);
}

struct random random_open_at(uint64_t seed, uint64_t stream)
{
	struct random random = { seed ^ (stream * UINT64_C(0xd1342543de82ef95)) };

	random_next(&random);
	return random;
}

uint64_t random_next(struct random *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t random_below(struct random *random, uint64_t limit)
{
	return random_next(random) % limit;
}

uint64_t random_between(struct random *random, uint64_t low, uint64_t high)
{
	return low + random_below(random, high - low + 1);
}
