/* SPDX-License-Identifier: MIT
 * main.c - what `make check` runs a fuzz target with, where there may be no clang: its corpus, and
 *          random inputs.
 *   PROGRAM          tests/fuzz/corpus/PROGRAM, then IOE_FUZZ_RUNS inputs (5000), of numbers that
 *                    IOE_SEED gives again
 *   PROGRAM FILE...  those inputs, each once: to replay what libFuzzer found
 * Invariants: none.
 * Threads:    main.
 * Ownership:  the target sees each input in memory of just its size. */
#include "tests/lib/fail.h"
#include "tests/lib/process.h"
#include "tests/lib/random.h"

#include <errno.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 4096 };

static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1); /* malloc(0) may be NULL */

	must(copy != NULL, "no memory");
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static size_t run_file(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t size;

	must(file != NULL, "%s: %s", path, strerror(errno));
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	snprintf(support_context, sizeof(support_context), "%s %s", program_invocation_name, path);
	run(data, size);
	return size;
}

/* From where the tests are run: the top of the tree. */
static uint32_t run_corpus(void)
{
	char pattern[256];
	uint32_t n;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "tests/fuzz/corpus/%s/*", program_invocation_short_name);
	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	for (n = 0; n < found.gl_pathc; n++)
		(void)run_file(found.gl_pathv[n]);
	globfree(&found);
	return n;
}

/* Bytes drawn by all values make little of a format; so does one that is all zeros. Each input
 * has its own share of small values. */
static void run_random(struct random *random)
{
	static uint8_t data[INPUT_MAX];
	const size_t size = random_below(random, random_below(random, 8) == 0 ? INPUT_MAX : 256);
	const uint64_t limit = UINT64_C(1) << random_between(random, 1, 8);
	const uint64_t wild_of_16 = random_below(random, 17);

	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)random_below(
			random, random_below(random, 16) < wild_of_16 ? 256 : limit);
	run(data, size);
}

int main(int argc, char **argv)
{
	const uint64_t n = process_number("IOE_FUZZ_RUNS", 5000);
	struct random random = random_open(1);
	uint32_t n_kept;

	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		printf("%s: %zu bytes\n", argv[i], run_file(argv[i]));
	if (argc > 1)
		return 0;
	n_kept = run_corpus();
	snprintf(support_context, sizeof(support_context), "IOE_SEED=%llu %s",
		 (unsigned long long)random_seed(), program_invocation_name);
	for (uint64_t i = 0; i < n; i++)
		run_random(&random);
	printf("%u inputs of the corpus, %llu random ones\n", n_kept, (unsigned long long)n);
	return 0;
}
