/* SPDX-License-Identifier: MIT
 * verify_error.c - what is wrong with a block, and saying so.
 *
 * A block that is whole by its own header, but not the one expected, is of another generation,
 * offset, seed, size or method. Otherwise it is laid beside the block it should be, sector by
 * sector: each is right, or zeros, or whole but of another generation or offset, or something else.
 * Invariants: a block is only called torn if every sector of it is one that somebody wrote.
 * Threads:    any.
 * Ownership:  the block that is made for comparison is freed before returning.
 */
#include "tools/bench/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum sector { SECTOR_RIGHT, SECTOR_ZERO, SECTOR_OLD, SECTOR_FOREIGN, SECTOR_DIFFERENT, SECTORS };

struct sectors {
	uint32_t n[SECTORS];
	uint32_t n_all;
	/* What the first one that is whole but wrong says, or that it is zeros. */
	bool is_known;
	bool is_zeros;
	uint64_t offset;
	uint64_t generation;
	/* Of those that are different. */
	uint64_t n_bits;
	uint64_t n_bytes;
};

/* A block, and the one that it should be. */
struct sides {
	const struct verify *verify;
	const struct verify_expected *expected;
	const unsigned char *block;
	unsigned char *right;
	unsigned char *other;         /* room for one more */
	const unsigned char *nearest; /* right, or what a sector that is different claims to be */
	uint32_t bytes;
	uint64_t generation; /* of right */
};

static bool is_zero(const unsigned char *bytes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

static uint64_t count_bits(const unsigned char *a, const unsigned char *b, uint32_t n)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < n; i++)
		bits += (uint64_t)__builtin_popcount((unsigned)(a[i] ^ b[i]));
	return bits;
}

static bool is_whole(const void *block, uint32_t bytes, const struct verify_header *header)
{
	return header->bytes == bytes && header->method != BENCH_VERIFY_NONE &&
	       header->method != BENCH_VERIFY_PATTERN &&
	       header->checksum == verify_checksum(header->method, block, bytes);
}

/* Which offset and generation the sector at byte i says it is of; false: it says nothing that hangs
 * together. */
static bool sector_says(const unsigned char *block, uint32_t bytes, uint32_t i, uint64_t seed,
			uint64_t *ret_offset, uint64_t *ret_generation)
{
	struct verify_header header;
	struct verify_stamp stamp;

	if (!i) {
		if (!verify_header_get(block, bytes, &header) || header.seed != seed)
			return false;
		*ret_offset = header.offset;
		*ret_generation = header.generation;
		return true;
	}
	if (bytes - i < sizeof(stamp))
		return false;
	memcpy(&stamp, block + i, sizeof(stamp));
	if (stamp.tag != verify_tag(stamp.offset, seed, stamp.generation))
		return false;
	*ret_offset = stamp.offset;
	*ret_generation = stamp.generation;
	return true;
}

static uint32_t sector_bytes(const struct sides *sides, uint32_t i)
{
	uint32_t left = sides->bytes - i;

	return left < VERIFY_SECTOR_BYTES ? left : VERIFY_SECTOR_BYTES;
}

/* Is the sector at byte i just what the block of that offset and generation has there? The
 * checksum is left out: it hangs on the rest of that block. */
static bool sector_is_of(const struct sides *sides, uint32_t i, uint64_t offset,
			 uint64_t generation)
{
	const uint32_t from = i ? 0 : (uint32_t)sizeof(struct verify_header);

	verify_fill(sides->verify, sides->other, sides->bytes, offset - i, sides->expected->seed,
		    generation);
	return !memcmp(sides->block + i + from, sides->other + i + from,
		       sector_bytes(sides, i) - from);
}

static void remember(struct sectors *sectors, uint64_t offset, uint64_t generation, bool is_zeros)
{
	if (sectors->is_known)
		return;
	sectors->is_known = true;
	sectors->is_zeros = is_zeros;
	sectors->offset = offset;
	sectors->generation = generation;
}

static enum sector look_at(struct sides *sides, uint32_t i, struct sectors *sectors)
{
	const struct verify_expected *expected = sides->expected;
	uint64_t offset, generation;
	bool is_own;

	sides->nearest = sides->right;
	if (!memcmp(sides->block + i, sides->right + i, sector_bytes(sides, i)))
		return SECTOR_RIGHT;
	if (is_zero(sides->block + i, sector_bytes(sides, i))) {
		remember(sectors, 0, 0, true);
		return SECTOR_ZERO;
	}
	if (sides->verify->method == BENCH_VERIFY_PATTERN ||
	    !sector_says(sides->block, sides->bytes, i, expected->seed, &offset, &generation))
		return SECTOR_DIFFERENT;
	is_own = offset == expected->offset + i;
	if (is_own && generation == sides->generation)
		return SECTOR_DIFFERENT; /* so it says, but it is not the same */
	/* A stamp's tag is enough for a sector of another place: of its block nothing is known. */
	if ((is_own || !i) && !sector_is_of(sides, i, offset, generation)) {
		if (is_own && i)
			sides->nearest = sides->other;
		return SECTOR_DIFFERENT;
	}
	/* Two writes at the same time may have left sectors of either. */
	if (is_own && expected->generation_max != VERIFY_GENERATION_MAX &&
	    generation >= expected->generation_min && generation <= expected->generation_max)
		return SECTOR_RIGHT;
	remember(sectors, offset, generation, false);
	return is_own ? SECTOR_OLD : SECTOR_FOREIGN;
}

/* The first byte from i on that is not right. */
static void show(const struct sides *sides, uint32_t i, struct verify_error *error)
{
	while (i < sides->bytes && sides->block[i] == sides->nearest[i])
		i++;
	error->bad_offset = error->expected.offset + i;
	error->n_shown =
		sides->bytes - i < VERIFY_SHOWN_BYTES ? sides->bytes - i : VERIFY_SHOWN_BYTES;
	memcpy(error->expected_bytes, sides->nearest + i, error->n_shown);
	memcpy(error->found_bytes, sides->block + i, error->n_shown);
}

static void look(struct sides *sides, struct sectors *sectors, struct verify_error *error)
{
	memset(sectors, 0, sizeof(*sectors));
	for (uint32_t i = 0; i < sides->bytes; i += VERIFY_SECTOR_BYTES) {
		enum sector sector = look_at(sides, i, sectors);

		if (sector != SECTOR_RIGHT && sectors->n[SECTOR_RIGHT] == sectors->n_all)
			show(sides, i, error);
		sectors->n[sector]++;
		sectors->n_all++;
		if (sector != SECTOR_DIFFERENT)
			continue;
		sectors->n_bits +=
			count_bits(sides->block + i, sides->nearest + i, sector_bytes(sides, i));
		sectors->n_bytes += sector_bytes(sides, i);
	}
}

/* A block that is whole, but another one. False: it is not whole. */
static bool diagnose_whole(const struct verify *verify, const void *block, uint32_t bytes,
			   struct verify_error *error)
{
	struct verify_header header;

	if (verify->method == BENCH_VERIFY_PATTERN || !verify_header_get(block, bytes, &header))
		return false;
	error->found_offset = header.offset;
	error->found_seed = header.seed;
	error->found_generation = header.generation;
	error->found_bytes_long = header.bytes;
	if (header.bytes != bytes && header.offset == error->expected.offset &&
	    header.seed == error->expected.seed && header.method == verify->method) {
		/* The rest of a longer one is not at hand, so its checksum says nothing. */
		error->kind = VERIFY_OTHER_LENGTH;
		return true;
	}
	if (!is_whole(block, bytes, &header))
		return false;
	if (header.method != verify->method)
		error->kind = VERIFY_OTHER_METHOD;
	else if (header.seed != error->expected.seed)
		error->kind = VERIFY_OTHER_SEED;
	else if (header.offset != error->expected.offset)
		error->kind = VERIFY_OTHER_OFFSET;
	else if (header.generation < error->expected.generation_min)
		error->kind = VERIFY_STALE;
	else
		error->kind = VERIFY_NEWER;
	return true;
}

/* A block of nothing but the pattern: does it say that it is of another offset? */
static bool diagnose_pattern(const struct sides *sides, struct verify_error *error)
{
	const struct bench_pattern *pattern = sides->verify->pattern;
	uint64_t offset;

	if (sides->verify->method != BENCH_VERIFY_PATTERN || !pattern->n_offsets ||
	    pattern->offset_at[0] + sizeof(offset) > sides->bytes)
		return false;
	memcpy(&offset, sides->block + pattern->offset_at[0], sizeof(offset));
	verify_fill(sides->verify, sides->other, sides->bytes, offset, 0, 0);
	if (memcmp(sides->block, sides->other, sides->bytes) != 0)
		return false;
	error->kind = VERIFY_OTHER_OFFSET;
	error->found_offset = offset;
	return true;
}

static void diagnose_sectors(const struct sectors *sectors, struct verify_error *error)
{
	const uint32_t *n = sectors->n;

	error->n_sectors = sectors->n_all;
	error->n_bad_sectors = sectors->n_all - n[SECTOR_RIGHT];
	error->n_bits = sectors->n_bits;
	error->found_zeros = sectors->is_zeros;
	error->found_offset = sectors->offset;
	error->found_generation = sectors->generation;
	/* Of two random bytes half the bits differ; a quarter is far from that, and from few. */
	if (n[SECTOR_DIFFERENT] == error->n_bad_sectors &&
	    sectors->n_bits < sectors->n_bytes * 8 / 4)
		error->kind = VERIFY_FLIPPED;
	else if (!n[SECTOR_DIFFERENT])
		error->kind = VERIFY_TORN;
	else if (n[SECTOR_RIGHT] || n[SECTOR_OLD] || n[SECTOR_FOREIGN])
		error->kind = VERIFY_GARBLED;
	else
		error->kind = VERIFY_NO_HEADER;
}

/* Which generation to lay beside it: one that may be, and that its stamps or its header say. */
static uint64_t generation_of(const void *block, uint32_t bytes,
			      const struct verify_expected *expected)
{
	uint64_t generation, offset;

	/* The header last: a flipped bit in it would not be noticed, as it has no tag. */
	for (uint32_t i = VERIFY_SECTOR_BYTES; i < bytes + VERIFY_SECTOR_BYTES;
	     i += VERIFY_SECTOR_BYTES) {
		uint32_t at = i < bytes ? i : 0;

		if (sector_says(block, bytes, at, expected->seed, &offset, &generation) &&
		    offset == expected->offset + at && generation >= expected->generation_min &&
		    generation <= expected->generation_max)
			return generation;
	}
	return expected->generation_max == VERIFY_GENERATION_MAX ? expected->generation_min :
								   expected->generation_max;
}

static bool diagnose(struct sides *sides, struct verify_error *error)
{
	struct sectors sectors;

	sides->generation = generation_of(sides->block, sides->bytes, sides->expected);
	verify_fill(sides->verify, sides->right, sides->bytes, sides->expected->offset,
		    sides->expected->seed, sides->generation);
	sides->nearest = sides->right;
	error->generation = sides->generation;
	show(sides, 0, error);
	if (is_zero(sides->block, sides->bytes)) {
		error->kind = VERIFY_NEVER_WRITTEN;
		return true;
	}
	if (diagnose_whole(sides->verify, sides->block, sides->bytes, error) ||
	    diagnose_pattern(sides, error))
		return true;
	look(sides, &sectors, error);
	diagnose_sectors(&sectors, error);
	return error->n_bad_sectors != 0;
}

bool verify_diagnose(const struct verify *verify, const void *block, uint32_t bytes,
		     const struct verify_expected *expected, struct verify_error *ret_error)
{
	/* Without memory it is wrong all the same, but who knows how. */
	struct verify_error error = { .kind = VERIFY_GARBLED,
				      .expected = *expected,
				      .bytes = bytes,
				      .bad_offset = expected->offset };
	struct sides sides = { .verify = verify,
			       .expected = expected,
			       .block = block,
			       .right = malloc((size_t)bytes * 2),
			       .bytes = bytes };
	bool is_wrong = true;

	if (sides.right) {
		sides.other = sides.right + bytes;
		is_wrong = diagnose(&sides, &error);
	}
	free(sides.right);
	if (is_wrong)
		*ret_error = error;
	return is_wrong;
}

static void say_generations(const struct verify_expected *expected, char *text, size_t bytes)
{
	if (expected->generation_max == VERIFY_GENERATION_MAX)
		snprintf(text, bytes, "%" PRIu64 " or later", expected->generation_min);
	else if (expected->generation_min != expected->generation_max)
		snprintf(text, bytes, "%" PRIu64 " to %" PRIu64, expected->generation_min,
			 expected->generation_max);
	else
		snprintf(text, bytes, "%" PRIu64, expected->generation_min);
}

static void say_torn(const struct verify_error *error, char *text, size_t bytes)
{
	int n = snprintf(text, bytes,
			 "torn block, %u of its %u sectors are not of it: ", error->n_bad_sectors,
			 error->n_sectors);

	if (n < 0 || (size_t)n >= bytes)
		return;
	text += n;
	bytes -= (size_t)n;
	if (error->found_zeros)
		snprintf(text, bytes, "zeros");
	else if (error->found_offset / VERIFY_SECTOR_BYTES !=
		 error->bad_offset / VERIFY_SECTOR_BYTES)
		snprintf(text, bytes, "of offset %" PRIu64, error->found_offset);
	else
		snprintf(text, bytes, "of generation %" PRIu64, error->found_generation);
}

static void say_kind(const struct verify_error *error, char *text, size_t bytes)
{
	char generations[64];

	say_generations(&error->expected, generations, sizeof(generations));
	switch (error->kind) {
	case VERIFY_FLIPPED:
		snprintf(text, bytes, "%" PRIu64 " bit%s flipped", error->n_bits,
			 error->n_bits == 1 ? "" : "s");
		break;
	case VERIFY_STALE:
	case VERIFY_NEWER:
		snprintf(text, bytes, "%s block, of generation %" PRIu64 " where %s was expected",
			 error->kind == VERIFY_STALE ? "stale" : "newer", error->found_generation,
			 generations);
		break;
	case VERIFY_OTHER_OFFSET:
		snprintf(text, bytes, "block of another offset, %" PRIu64, error->found_offset);
		break;
	case VERIFY_OTHER_SEED:
		snprintf(text, bytes,
			 "block of another seed, %" PRIu64 " where %" PRIu64 " was expected",
			 error->found_seed, error->expected.seed);
		break;
	case VERIFY_OTHER_LENGTH:
		snprintf(text, bytes, "block that was written with %" PRIu64 " bytes",
			 error->found_bytes_long);
		break;
	case VERIFY_OTHER_METHOD:
		snprintf(text, bytes, "block of another method of verify");
		break;
	case VERIFY_TORN:
		say_torn(error, text, bytes);
		break;
	case VERIFY_NEVER_WRITTEN:
		snprintf(text, bytes, "never written, zeros");
		break;
	case VERIFY_NO_HEADER:
		snprintf(text, bytes, "not a block of this job, all of it is something else");
		break;
	case VERIFY_GARBLED:
		snprintf(text, bytes, "garbled, %u of its %u sectors are something else",
			 error->n_bad_sectors, error->n_sectors);
		break;
	}
}

static void say_bytes(const unsigned char *bytes, uint32_t n, char *text)
{
	*text = '\0';
	for (uint32_t i = 0; i < n; i++)
		snprintf(text + (size_t)i * 2, 3, "%02x", bytes[i]);
}

void verify_error_text(const struct verify_error *error, char *text, size_t text_bytes)
{
	char kind[128], expected[VERIFY_SHOWN_BYTES * 2 + 1], found[VERIFY_SHOWN_BYTES * 2 + 1];

	say_kind(error, kind, sizeof(kind));
	say_bytes(error->expected_bytes, error->n_shown, expected);
	say_bytes(error->found_bytes, error->n_shown, found);
	snprintf(text, text_bytes,
		 "verify: offset %" PRIu64 ", %u bytes: %s; at offset %" PRIu64
		 " expected %s, found %s",
		 error->expected.offset, error->bytes, kind, error->bad_offset, expected, found);
}
