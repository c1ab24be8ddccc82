/* SPDX-License-Identifier: MIT
 * pattern_step.c - the next IO of a stepped pattern.
 *
 * Offsets, lengths, mixes and syncs are as fio's (get_next_offset(), get_next_buflen() and
 * get_rw_ddir() of its io_u.c), but that random choices are functions of the seed and of the IO's
 * number.
 * Invariants: see pattern.h. Passes over the files follow each other until the limits of the
 *             pattern are reached.
 * Threads:    any; the pattern's lock.
 * Ownership:  none.
 */
#include "tools/bench/pattern.h"

/* What is drawn for one IO: each has a stream of random numbers of its own. */
enum draw { DRAW_BLOCK, DRAW_SIZE, DRAW_IS_RANDOM };

static uint64_t draw(const struct pattern *pattern, enum draw what)
{
	return permutation_mix(permutation_mix(pattern->seed + (uint64_t)what) ^ pattern->n);
}

/* A multiple of the least size, between the least and the largest. */
static uint64_t draw_size(const struct pattern *pattern, const struct bench_sizes *sizes)
{
	uint64_t random, bytes;

	if (sizes->min_bytes == sizes->max_bytes)
		return sizes->min_bytes;
	random = draw(pattern, DRAW_SIZE);
	if (sizes->n_splits) {
		uint32_t percent = pattern_percent(random), below = 0;

		for (uint64_t i = 0; i < sizes->n_splits; i++) {
			below += (uint32_t)sizes->splits[i].percent;
			if (percent < below)
				return sizes->splits[i].bytes;
		}
		return sizes->max_bytes;
	}
	bytes = sizes->min_bytes + pattern_scale(random, sizes->max_bytes - sizes->min_bytes + 1);
	return pattern->options->bs_unaligned ? bytes : bytes - bytes % sizes->min_bytes;
}

/* The largest size that fits into room, at most wanted; 0: none. */
static uint64_t fit_size(const struct pattern *pattern, const struct bench_sizes *sizes,
			 uint64_t wanted, uint64_t room)
{
	uint64_t best = 0;

	if (wanted <= room)
		return wanted;
	if (!sizes->n_splits) {
		if (room < sizes->min_bytes)
			return 0;
		return pattern->options->bs_unaligned ? room : room - room % sizes->min_bytes;
	}
	for (uint64_t i = 0; i < sizes->n_splits; i++) {
		uint64_t bytes = sizes->splits[i].bytes;

		if (sizes->splits[i].percent && bytes <= room && bytes > best)
			best = bytes;
	}
	return best;
}

static bool is_taken(const struct pattern_file *file, uint64_t unit)
{
	return file->map[unit / 64] >> (unit % 64) & 1;
}

/* The first free unit at or after this one, going round; there is one. */
static uint64_t next_free(const struct pattern_file *file, uint64_t unit, uint64_t n_units)
{
	while (is_taken(file, unit)) {
		if (unit % 64 == 0 && file->map[unit / 64] == UINT64_MAX)
			unit += 64;
		else
			unit++;
		if (unit >= n_units)
			unit = 0;
	}
	return unit;
}

/* As fio: what is taken already ends an IO early. */
static uint64_t take_mapped(struct pattern *pattern, struct pattern_file *file, uint64_t *bytes)
{
	const uint64_t unit_bytes = pattern->unit_bytes;
	const uint64_t n_units = file->area.length_bytes / unit_bytes;
	uint64_t unit, n = 0;

	if (!file->n_free)
		pattern_begin_pass(pattern, file);
	unit = next_free(file, pattern_scale(draw(pattern, DRAW_BLOCK), n_units), n_units);
	while (n * unit_bytes < *bytes && unit + n < n_units && !is_taken(file, unit + n)) {
		file->map[(unit + n) / 64] |= 1ull << ((unit + n) % 64);
		file->n_free--;
		n++;
	}
	*bytes = n * unit_bytes < *bytes ? n * unit_bytes : *bytes;
	return unit * unit_bytes;
}

/* A random unit where there is no map; with one that is take_mapped(). */
static uint64_t draw_unit(struct pattern *pattern, struct pattern_file *file, int direction)
{
	const struct bench_options *options = pattern->options;
	const uint64_t n_units = file->area.length_bytes / pattern->unit_bytes;

	if (options->random_distribution[direction].kind != DISTRIBUTION_RANDOM)
		return distribution_block(&file->distribution[direction], file->n_drawn++);
	if (!options->norandommap && pattern->is_one_size &&
	    pattern->unit_bytes == pattern->block_bytes)
		return pattern_permuted(&file->permutation, pattern->seed, file->n_drawn++);
	return pattern_scale(draw(pattern, DRAW_BLOCK), n_units);
}

static uint64_t random_offset(struct pattern *pattern, struct pattern_file *file, int direction,
			      uint64_t *bytes)
{
	uint64_t offset, room;

	if (file->map)
		return take_mapped(pattern, file, bytes);
	offset = draw_unit(pattern, file, direction) * pattern->unit_bytes;
	room = file->area.length_bytes - offset;
	if (*bytes > room) {
		*bytes = fit_size(pattern, &pattern->sizes[direction], *bytes, room);
		if (!*bytes) { /* not even the least size: moved back so far that it fits */
			*bytes = pattern->sizes[direction].min_bytes;
			offset = file->area.length_bytes - *bytes;
			offset -= offset % pattern->unit_bytes;
		}
	}
	return offset;
}

/* rw=read:8k leaves holes, rw=read:-8k goes backwards from the end; both go round. */
static uint64_t sequential_offset(struct pattern *pattern, struct pattern_file *file, int direction,
				  uint64_t *bytes)
{
	const int64_t skip = (int64_t)pattern->options->rw_skip_bytes;
	const uint64_t end = file->area.length_bytes;
	uint64_t at = file->position[direction];

	if (at >= end && skip >= 0)
		at = 0;
	if (!at && skip < 0)
		at = end;
	if (at && skip) {
		at += (uint64_t)skip;
		if (at >= end) /* before the start, too: unsigned */
			at = skip > 0 ? 0 : end + (uint64_t)skip;
		if (at >= end) /* skips more than there is */
			at = 0;
	}
	*bytes = fit_size(pattern, &pattern->sizes[direction], *bytes, end - at);
	if (!*bytes) {
		at = 0;
		*bytes = pattern->sizes[direction].min_bytes;
	}
	return at;
}

/* rw=randread:8 jumps with every 8th IO, and goes on, or does the same again, in between. */
static uint64_t offset_of(struct pattern *pattern, struct pattern_file *file, int direction,
			  uint64_t *bytes)
{
	const struct bench_options *options = pattern->options;
	bool jumps = true;

	if (options->rw_nr > 1) {
		jumps = !pattern->n_until_jump;
		pattern->n_until_jump = (jumps ? options->rw_nr : pattern->n_until_jump) - 1;
	}
	if (!jumps && options->rw_sequencer == BENCH_SEQUENCER_IDENTICAL) {
		*bytes = fit_size(pattern, &pattern->sizes[direction], *bytes,
				  file->area.length_bytes - file->last[direction]);
		return file->last[direction];
	}
	if (jumps && bench_is_random(options) &&
	    pattern_percent(draw(pattern, DRAW_IS_RANDOM)) < options->percentage_random)
		return random_offset(pattern, file, direction, bytes);
	return sequential_offset(pattern, file, direction, bytes);
}

/* Files take turns, as with fio's file_service_type=roundrobin; one that has been gone over waits
 * for the others. */
static struct pattern_file *next_file(struct pattern *pattern, uint64_t least_bytes,
				      uint16_t *ret_index)
{
	for (uint32_t tries = 0; tries <= 2 * pattern->n_files; tries++) {
		const uint32_t i = pattern->turn;
		struct pattern_file *file = &pattern->files[i];

		pattern->turn = (i + 1) % pattern->n_files;
		if (file->left_bytes >= least_bytes) {
			*ret_index = (uint16_t)i;
			return file;
		}
		if (tries == pattern->n_files - 1) {
			for (uint32_t k = 0; k < pattern->n_files; k++)
				pattern->files[k].left_bytes = pattern->files[k].area.length_bytes;
		}
	}
	*ret_index = 0;
	return &pattern->files[0];
}

/* Every so many writes, before the next IO. */
static void note_write(struct pattern *pattern)
{
	const struct bench_options *options = pattern->options;

	pattern->n_writes++;
	pattern->is_sync_due = (options->fsync && pattern->n_writes % options->fsync == 0) ||
			       (options->fdatasync && pattern->n_writes % options->fdatasync == 0);
}

static void make_sync(struct pattern *pattern, struct job_io *io)
{
	const struct bench_options *options = pattern->options;
	const bool is_full = options->fsync && pattern->n_writes % options->fsync == 0;

	io->number = pattern->n;
	io->direction = DIRECTION_SYNC;
	io->is_datasync = !is_full;
	io->bytes = 0;
	io->offset = 0;
	io->file = pattern->last_file;
	pattern->is_sync_due = false;
}

static void make_io(struct pattern *pattern, struct job_io *io)
{
	const uint8_t direction =
		pattern->is_mixed ? pattern_mix_direction(pattern, pattern->n) : pattern->direction;
	const struct bench_sizes *sizes = &pattern->sizes[direction];
	uint64_t bytes = draw_size(pattern, sizes), offset;
	struct pattern_file *file = next_file(pattern, sizes->min_bytes, &io->file);

	offset = offset_of(pattern, file, direction, &bytes);
	file->last[direction] = offset;
	file->position[direction] = offset + bytes;
	file->left_bytes -= bytes < file->left_bytes ? bytes : file->left_bytes;
	io->number = pattern->n++;
	io->direction = direction & 0xf;
	io->is_datasync = 0;
	io->bytes = (uint32_t)bytes;
	io->offset = file->area.offset_bytes + offset;
	pattern->last_file = io->file;
	pattern->issued_bytes += bytes;
	if (direction == DIRECTION_WRITE)
		note_write(pattern);
}

bool pattern_step(struct pattern *pattern, struct job_io *io)
{
	bool more = true;

	pthread_mutex_lock(&pattern->lock);
	/* As fio: no sync after the last IO, but for end_fsync. */
	if (pattern->n >= pattern->ios_max || pattern->issued_bytes >= pattern->bytes_max)
		more = false;
	else if (pattern->is_sync_due)
		make_sync(pattern, io);
	else
		make_io(pattern, io);
	pthread_mutex_unlock(&pattern->lock);
	return more;
}
