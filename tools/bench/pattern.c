/* SPDX-License-Identifier: MIT
 * pattern.c - what IO number n of a job is: setting up, and the stepped kind.
 *
 * Offsets, lengths, mixes and syncs are fio's (get_next_offset(), get_next_buflen(), get_rw_ddir()
 * of its io_u.c), but that random choices are functions of the seed and of the IO's number.
 * Invariants: see pattern.h.
 * Threads:    see pattern.h.
 * Ownership:  see pattern.h.
 */
#include "tools/bench/pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool uses(const struct bench_options *options, int direction)
{
	return bench_is_mixed(options) || bench_is_write(options) == (direction == DIRECTION_WRITE);
}

struct bench_sizes pattern_sizes(const struct bench_options *options, int direction)
{
	struct bench_sizes sizes = options->sizes[direction];

	if (!sizes.max_bytes)
		sizes.min_bytes = sizes.max_bytes = options->bs_bytes;
	return sizes;
}

/* Do all IOs have this one size? */
static bool has_one_size(const struct bench_options *options, uint64_t *ret_bytes)
{
	uint64_t size = 0;

	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		const struct bench_sizes sizes = pattern_sizes(options, d);

		if (!uses(options, d))
			continue;
		if (sizes.min_bytes != sizes.max_bytes || (size && size != sizes.min_bytes))
			return false;
		size = sizes.min_bytes;
	}
	*ret_bytes = size;
	return true;
}

static uint64_t least_size(const struct bench_options *options)
{
	uint64_t least = UINT64_MAX;

	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		const struct bench_sizes sizes = pattern_sizes(options, d);

		if (uses(options, d) && sizes.min_bytes < least)
			least = sizes.min_bytes;
	}
	return least;
}

uint64_t pattern_unit_bytes(const struct bench_options *options)
{
	uint64_t least = UINT64_MAX;

	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		if (uses(options, d) && options->blockalign_bytes[d] &&
		    options->blockalign_bytes[d] < least)
			least = options->blockalign_bytes[d];
	}
	return least != UINT64_MAX ? least : least_size(options);
}

static bool has_distribution(const struct bench_options *options)
{
	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		if (uses(options, d) && options->random_distribution[d].kind != DISTRIBUTION_RANDOM)
			return bench_is_random(options);
	}
	return false;
}

static bool is_plain(const struct pattern *pattern, const struct bench_options *options)
{
	if (pattern->n_files != 1 || !pattern->is_one_size || options->rw_skip_bytes)
		return false;
	if (bench_is_write(options) && (options->fsync || options->fdatasync))
		return false;
	if (!bench_is_random(options))
		return !bench_is_mixed(options);
	return options->rw_nr <= 1 && options->percentage_random == 100 &&
	       pattern->unit_bytes == pattern->block_bytes;
}

static int init_distributions(struct distribution distributions[BENCH_DIRECTIONS],
			      const struct bench_options *options, uint64_t n_blocks,
			      uint64_t block_bytes, uint64_t seed)
{
	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		int rc = distribution_init(&distributions[d], &options->random_distribution[d],
					   n_blocks, block_bytes, seed + (uint64_t)d);

		if (rc)
			return rc;
	}
	return 0;
}

static int init_plain(struct pattern *pattern, const struct bench_options *options)
{
	const struct pattern_area *area = &pattern->files[0].area;

	pattern->start_bytes = area->offset_bytes;
	pattern->n_blocks = area->length_bytes / pattern->block_bytes;
	if (!bench_is_random(options)) {
		pattern->kind = PATTERN_SEQUENTIAL;
	} else if (has_distribution(options)) {
		pattern->kind = PATTERN_DISTRIBUTED;
		return init_distributions(pattern->distribution, options, pattern->n_blocks,
					  pattern->block_bytes, pattern->seed);
	} else if (options->norandommap) {
		pattern->kind = PATTERN_DRAWN;
	} else {
		pattern->kind = PATTERN_PERMUTED;
		permutation_init(&pattern->permutation, pattern->n_blocks, pattern->seed);
	}
	return 0;
}

/* Random IO of several sizes: no block twice in a pass, and none left out. */
static bool wants_map(const struct pattern *pattern, const struct bench_options *options)
{
	return bench_is_random(options) && !has_distribution(options) && !options->norandommap &&
	       !options->bs_unaligned &&
	       !(pattern->is_one_size && pattern->unit_bytes == pattern->block_bytes);
}

static int init_file(struct pattern *pattern, uint32_t i)
{
	const struct bench_options *options = pattern->options;
	struct pattern_file *file = &pattern->files[i];
	const uint64_t n_units = file->area.length_bytes / pattern->unit_bytes;
	const uint64_t seed = permutation_mix(pattern->seed + i);

	if (!n_units)
		return -EINVAL;
	if (has_distribution(options))
		return init_distributions(file->distribution, options, n_units, pattern->unit_bytes,
					  seed);
	permutation_init(&file->permutation, n_units, seed);
	if (wants_map(pattern, options)) {
		file->map = calloc((n_units + 63) / 64, sizeof(*file->map));
		if (!file->map)
			return -ENOMEM;
	}
	return 0;
}

/* Bytes and IOs of the whole job. */
static void init_limits(struct pattern *pattern, const struct bench_options *options)
{
	const uint64_t loops = options->loops ? options->loops : 1;
	bool is_endless = options->time_based || options->replay;
	uint64_t total = 0, bytes;

	for (uint32_t i = 0; i < pattern->n_files; i++) {
		uint64_t length = pattern->files[i].area.length_bytes;

		is_endless = is_endless || length >= PATTERN_FILL_BYTES;
		total += pattern->is_one_size ? length - length % pattern->block_bytes : length;
	}
	bytes = total;
	if (options->io_size_bytes)
		bytes = options->io_size_bytes;
	else if (options->io_size_percent)
		bytes = total / 100 * options->io_size_percent +
			total % 100 * options->io_size_percent / 100;
	pattern->ios_max = options->number_ios ? options->number_ios : PATTERN_NO_LIMIT;
	pattern->bytes_max = PATTERN_NO_LIMIT;
	if (pattern->ios_max <= PATTERN_NO_LIMIT / loops)
		pattern->ios_max *= loops;
	/* Till the time is over, the list is at its end, or the file system is full. */
	if (is_endless)
		return;
	if (bytes <= PATTERN_NO_LIMIT / loops)
		pattern->bytes_max = bytes * loops;
	if (pattern->kind != PATTERN_STEPPED) {
		/* As fio: an IO is begun while there are bytes left. */
		uint64_t ios = pattern->bytes_max / pattern->block_bytes +
			       (pattern->bytes_max % pattern->block_bytes != 0);

		pattern->ios_max = ios < pattern->ios_max ? ios : pattern->ios_max;
	}
}

static int init_all(struct pattern *pattern, const struct bench_options *options,
		    const struct pattern_area areas[], uint32_t n_areas)
{
	int rc = n_areas ? 0 : -EINVAL;

	pattern->files = calloc(n_areas ? n_areas : 1, sizeof(*pattern->files));
	if (!pattern->files)
		return -ENOMEM;
	pattern->n_files = n_areas;
	pattern->is_one_size = has_one_size(options, &pattern->block_bytes);
	pattern->unit_bytes = pattern_unit_bytes(options);
	for (uint32_t i = 0; i < n_areas; i++) {
		pattern->files[i].area = areas[i];
		if (areas[i].length_bytes < least_size(options))
			rc = -EINVAL;
	}
	if (rc)
		return rc;
	if (is_plain(pattern, options)) {
		rc = init_plain(pattern, options);
	} else {
		pattern->kind = PATTERN_STEPPED;
		for (uint32_t i = 0; i < n_areas && !rc; i++)
			rc = init_file(pattern, i);
	}
	init_limits(pattern, options);
	pattern_rewind(pattern);
	return rc;
}

int pattern_init(struct pattern *ret_pattern, const struct bench_options *options,
		 const struct pattern_area areas[], uint32_t n_areas, uint32_t index)
{
	/* The first clone has the numbers of a job without clones. */
	const uint64_t apart = options->allrandrepeat || !index ? 0 : permutation_mix(index);
	struct pattern *pattern = ret_pattern;
	int rc = 0;

	memset(pattern, 0, sizeof(*pattern));
	pthread_mutex_init(&pattern->lock, NULL);
	pattern->options = options;
	for (int d = 0; d < BENCH_DIRECTIONS; d++)
		pattern->sizes[d] = pattern_sizes(options, d);
	pattern->is_mixed = bench_is_mixed(options);
	pattern->rwmixread = (uint32_t)options->rwmixread;
	pattern->direction = bench_is_write(options) ? DIRECTION_WRITE : DIRECTION_READ;
	pattern->seed = permutation_mix(options->randseed + apart);
	if (options->rw == BENCH_NOP) {
		pattern->kind = PATTERN_NOP;
		pattern->direction = DIRECTION_NOP;
		pattern->n_blocks = UINT64_MAX;
		pattern->bytes_max = PATTERN_NO_LIMIT;
		pattern->ios_max = options->number_ios ? options->number_ios : PATTERN_NO_LIMIT;
	} else {
		rc = init_all(pattern, options, areas, n_areas);
	}
	if (rc)
		pattern_deinit(pattern);
	return rc;
}

void pattern_deinit(struct pattern *pattern)
{
	for (uint32_t i = 0; pattern->files && i < pattern->n_files; i++)
		free(pattern->files[i].map);
	free(pattern->files);
	pattern->files = NULL;
	pthread_mutex_destroy(&pattern->lock);
}

void pattern_begin_pass(const struct pattern *pattern, struct pattern_file *file)
{
	const uint64_t n_units = file->area.length_bytes / pattern->unit_bytes;

	file->left_bytes = file->area.length_bytes;
	if (file->map) {
		memset(file->map, 0, (n_units + 63) / 64 * sizeof(*file->map));
		file->n_free = n_units;
	}
}

void pattern_rewind(struct pattern *pattern)
{
	pattern->n = 0;
	pattern->turn = 0;
	pattern->issued_bytes = 0;
	pattern->n_writes = 0;
	pattern->n_until_jump = 0;
	pattern->is_sync_due = false;
	for (uint32_t i = 0; i < pattern->n_files; i++) {
		struct pattern_file *file = &pattern->files[i];

		file->n_drawn = 0;
		memset(file->position, 0, sizeof(file->position));
		memset(file->last, 0, sizeof(file->last));
		pattern_begin_pass(pattern, file);
	}
}

void pattern_prepare(const struct pattern *pattern, struct job_io *io)
{
	io->direction = pattern->direction & 0xf;
	io->bytes = (uint32_t)pattern->block_bytes;
	io->file = 0;
	io->is_datasync = 0;
}
