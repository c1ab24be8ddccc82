/* SPDX-License-Identifier: MIT
 * pattern.h - what IO number n of a job is: direction, file, offset, length.
 *
 * Two kinds. Plain: one file, one size, no syncs in between: IO n is a pure function of the options
 * and n, by arithmetic, without a lock (pattern_at()). Stepped: everything else fio can be told; a
 * state that is stepped from IO to IO under a lock (pattern_step()), so that IO n is still the same
 * in each run, whatever thread asks for it.
 * Invariants: the same options and files make the same IOs, on every engine, with any number of
 *             threads. Every IO lies inside its file's area. Random blocks come once in each pass
 *             over a file, unless norandommap or a distribution says otherwise.
 * Threads:    pattern_at() any; pattern_step() any, it locks. The rest: one thread.
 * Ownership:  pattern_deinit() frees what pattern_init() has allocated.
 */
#ifndef IOE_TOOLS_PATTERN_H
#define IOE_TOOLS_PATTERN_H

#include <pthread.h>

#include "tools/bench/bench_options.h"
#include "tools/bench/distribution.h"
#include "tools/bench/job_io.h"
#include "tools/bench/permutation.h"
#include "tools/bench/stats.h"

#define PATTERN_NO_LIMIT UINT64_MAX
/* Length of the area of fill_device. No file gets so long: the end is that there is no room. */
#define PATTERN_FILL_BYTES (1ull << 60)

enum pattern_kind {
	PATTERN_NOP,
	PATTERN_SEQUENTIAL,
	PATTERN_PERMUTED,    /* each block once in a pass */
	PATTERN_DRAWN,       /* with replacement */
	PATTERN_DISTRIBUTED, /* with replacement, some more often */
	PATTERN_STEPPED,
};

/* A part of a file that a job works in. */
struct pattern_area {
	uint64_t offset_bytes;
	uint64_t length_bytes;
};

/* Of the stepped kind: where a file is. */
struct pattern_file {
	struct pattern_area area;
	struct permutation permutation;
	struct distribution distribution[BENCH_DIRECTIONS];
	uint64_t position[BENCH_DIRECTIONS]; /* after the last IO, from the start of the area */
	uint64_t last[BENCH_DIRECTIONS];     /* start of the last IO */
	uint64_t n_drawn;
	uint64_t left_bytes; /* of this pass */
	uint64_t *map;       /* blocks that were taken in this pass; NULL: not needed */
	uint64_t n_free;
};

struct pattern {
	enum pattern_kind kind;
	bool is_mixed;
	uint8_t direction; /* where it is not mixed */
	bool is_one_size;
	uint32_t rwmixread;
	uint64_t seed;
	uint64_t start_bytes; /* of the area, of the plain kinds */
	uint64_t n_blocks;
	uint64_t block_bytes;
	struct permutation permutation;
	struct distribution distribution[BENCH_DIRECTIONS];
	uint64_t ios_max;   /* IOs in all, without syncs; PATTERN_NO_LIMIT */
	uint64_t bytes_max; /* their bytes; PATTERN_NO_LIMIT; of the plain kinds by ios_max too */

	/* Stepped; under lock from here on. */
	const struct bench_options *options;
	pthread_mutex_t lock;
	struct pattern_file *files;
	uint32_t n_files;
	uint32_t turn;         /* file of the next IO */
	uint64_t unit_bytes;   /* what offsets of random blocks are multiples of */
	uint64_t n;            /* number of the next IO */
	uint64_t issued_bytes; /* up to it */
	uint64_t n_writes;     /* up to it */
	uint64_t n_until_jump; /* rw=randread:8 */
	bool is_sync_due;
	uint16_t last_file; /* what a sync is of */
	struct bench_sizes sizes[BENCH_DIRECTIONS];
};

/* areas[0..n_areas), of each file; none for a nop. index tells the clones of a job apart: each has
 * its own random numbers. Returns 0; -EINVAL: no IO fits (no area, or smaller than an IO); -ENOMEM.
 * options must stay. */
int pattern_init(struct pattern *ret_pattern, const struct bench_options *options,
		 const struct pattern_area areas[], uint32_t n_areas, uint32_t index);
void pattern_deinit(struct pattern *pattern);

/* Sizes of the IOs of a direction; and what random offsets are multiples of. */
struct bench_sizes pattern_sizes(const struct bench_options *options, int direction);
uint64_t pattern_unit_bytes(const struct bench_options *options);

/* From the start again. Nobody is stepping. */
void pattern_rewind(struct pattern *pattern);

/* Fill *io with the next IO or sync of a stepped pattern; false: there is no more. */
bool pattern_step(struct pattern *pattern, struct job_io *io);

/* A file is gone over once more. For pattern_step.c. */
void pattern_begin_pass(const struct pattern *pattern, struct pattern_file *file);

/* What of *io is the same for all IOs of a plain pattern. */
void pattern_prepare(const struct pattern *pattern, struct job_io *io);

static inline uint64_t pattern_scale(uint64_t random, uint64_t n)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint64_t)((wide)random * n >> 64); /* not modulo: no division, no bias */
}

/* Per cent of a random number, [0, 100). */
static inline uint32_t pattern_percent(uint64_t random)
{
	return (uint32_t)pattern_scale(random, 100);
}

/* Block i of a pass: the passes differ in that the permutation is applied again, moved. */
static inline uint64_t pattern_permuted(const struct permutation *permutation, uint64_t seed,
					uint64_t n)
{
	const uint64_t n_blocks = permutation->n_blocks;
	uint64_t block, pass;

	if (n < n_blocks)
		return permutation_at(permutation, n);
	assert(n_blocks);
	pass = n / n_blocks;
	block = permutation_at(permutation, n % n_blocks);
	block += pattern_scale(permutation_mix(seed + pass), n_blocks);
	return permutation_at(permutation, block < n_blocks ? block : block - n_blocks);
}

/* The direction of IO n of a mix. */
static inline uint8_t pattern_mix_direction(const struct pattern *pattern, uint64_t n)
{
	return pattern_percent(permutation_mix(~pattern->seed ^ n)) < pattern->rwmixread ?
		       DIRECTION_READ :
		       DIRECTION_WRITE;
}

/* Fill in what IO n has of its own, of a plain pattern. n is below ios_max. */
static inline void pattern_at(const struct pattern *pattern, uint64_t n, struct job_io *io)
{
	uint64_t block = 0;

	if (pattern->kind == PATTERN_NOP)
		return;
	if (pattern->is_mixed)
		io->direction = pattern_mix_direction(pattern, n);
	switch (pattern->kind) {
	case PATTERN_SEQUENTIAL: /* from the start again after the last block */
		block = n;
		if (n >= pattern->n_blocks) {
			assert(pattern->n_blocks);
			block = n % pattern->n_blocks;
		}
		break;
	case PATTERN_PERMUTED:
		block = pattern_permuted(&pattern->permutation, pattern->seed, n);
		break;
	case PATTERN_DRAWN:
		block = pattern_scale(permutation_mix(pattern->seed ^ n), pattern->n_blocks);
		break;
	case PATTERN_DISTRIBUTED:
		block = distribution_block(&pattern->distribution[io->direction], n);
		break;
	case PATTERN_NOP:
	case PATTERN_STEPPED:
		break;
	}
	io->offset = pattern->start_bytes + block * pattern->block_bytes;
}

#endif
