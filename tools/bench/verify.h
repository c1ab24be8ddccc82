/* SPDX-License-Identifier: MIT
 * verify.h - blocks that say what they are, so that reading them back shows what went wrong.
 *
 * A block begins with a header: magic, method, length, offset, seed, generation, and a checksum of
 * all the rest. Each further 512 bytes of it, a sector, begin with a stamp: generation, offset and
 * a tag made of these and the seed. What is left is filled with numbers that follow from the tag,
 * or with the pattern. So all of a block is a function of method, offset, seed and generation: it
 * can be made again and compared, and of a block that is torn it can be said which sectors are
 * of which generation. With verify=pattern a block is the pattern alone, with no header.
 *   offset 0: magic method bytes offset seed generation checksum | filler
 *        512: generation offset tag | filler
 *       1024: generation offset tag | filler ...
 * Invariants: verify_check() of what verify_fill() made, unchanged, is 0.
 * Threads:    any; a struct verify is const after verify_init().
 * Ownership:  the pattern is borrowed; blocks are the caller's.
 */
#ifndef IOE_TOOLS_VERIFY_H
#define IOE_TOOLS_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/bench/bench_options.h"

#define VERIFY_SECTOR_BYTES 512u
/* A header and a word behind it: the least size of a block that has a header. */
#define VERIFY_BLOCK_MIN 56u
/* What of a wrong place is shown. */
#define VERIFY_SHOWN_BYTES 8u
/* verify_expected.generation_min .. generation_max: any. */
#define VERIFY_GENERATION_MAX UINT64_MAX

enum verify_kind {
	VERIFY_FLIPPED,       /* all is right but some bits */
	VERIFY_STALE,         /* whole, but of an older generation */
	VERIFY_NEWER,         /* whole, but of a generation that was not written yet */
	VERIFY_OTHER_OFFSET,  /* whole, but of another place */
	VERIFY_OTHER_SEED,    /* whole, but of another job or run */
	VERIFY_OTHER_LENGTH,  /* whole, but written with another size of blocks */
	VERIFY_OTHER_METHOD,  /* whole, but written with another verify= */
	VERIFY_TORN,          /* some sectors are right, the others whole but not those expected */
	VERIFY_NEVER_WRITTEN, /* zeros */
	VERIFY_NO_HEADER,     /* not a word of what was expected */
	VERIFY_GARBLED,       /* some sectors are right, the others something else */
};

struct verify {
	uint64_t method; /* enum bench_verify, not BENCH_VERIFY_NONE */
	const struct bench_pattern *pattern;
};

/* What a block should be. Of two writes of one block at the same time nobody knows which was last:
 * hence a range of generations. */
struct verify_expected {
	uint64_t offset;
	uint64_t seed;
	uint64_t generation_min;
	uint64_t generation_max;
};

struct verify_error {
	enum verify_kind kind;
	struct verify_expected expected;
	uint32_t bytes;
	/* The first byte that is wrong, and what stands there. */
	uint64_t bad_offset;
	uint32_t n_shown;
	unsigned char expected_bytes[VERIFY_SHOWN_BYTES];
	unsigned char found_bytes[VERIFY_SHOWN_BYTES];
	uint64_t generation; /* of what was laid beside it */
	/* FLIPPED. */
	uint64_t n_bits;
	/* What the header, or the stamp of the first bad sector, says: STALE, NEWER, OTHER_*,
	 * TORN. */
	bool found_zeros; /* TORN: it is zeros */
	uint64_t found_offset;
	uint64_t found_seed;
	uint64_t found_generation;
	uint64_t found_bytes_long;
	/* TORN, GARBLED. */
	uint32_t n_bad_sectors;
	uint32_t n_sectors;
};

/* -EINVAL: the method is pattern, and there is none. */
int verify_init(struct verify *verify, uint64_t method, const struct bench_pattern *pattern);

/* The least size of a block of this method. */
uint32_t verify_block_min(uint64_t method);

/* Make the block of this place and generation. bytes >= verify_block_min(). */
void verify_fill(const struct verify *verify, void *block, uint32_t bytes, uint64_t offset,
		 uint64_t seed, uint64_t generation);

/* 0, or -EILSEQ and what is wrong with it. */
int verify_check(const struct verify *verify, const void *block, uint32_t bytes,
		 const struct verify_expected *expected, struct verify_error *ret_error);

/* One line, without the end of it. */
void verify_error_text(const struct verify_error *error, char *text, size_t text_bytes);

/* Between verify.c and verify_error.c --------------------------------------------------------- */

#define VERIFY_MAGIC 0x76656f69u /* "ioev" */

struct verify_header {
	uint32_t magic;
	uint32_t method;
	uint64_t bytes;
	uint64_t offset;
	uint64_t seed;
	uint64_t generation;
	uint64_t checksum; /* of all before it and all behind it */
};

struct verify_stamp {
	uint64_t generation;
	uint64_t offset; /* of the sector */
	uint64_t tag;
};

_Static_assert(sizeof(struct verify_header) == 48 && sizeof(struct verify_stamp) == 24,
	       "no holes: they are written as they are");
_Static_assert(sizeof(struct verify_header) < VERIFY_BLOCK_MIN, "something stands behind it");

/* What a block with a header says of itself; false: it has none. */
bool verify_header_get(const void *block, uint32_t bytes, struct verify_header *ret_header);

uint64_t verify_checksum(uint64_t method, const void *block, uint32_t bytes);

/* Tag of the sector at this offset. */
uint64_t verify_tag(uint64_t offset, uint64_t seed, uint64_t generation);

/* Say what is wrong with a block that is not what was expected. False: it may be, after all: of
 * writes at the same time each has left some sectors. */
bool verify_diagnose(const struct verify *verify, const void *block, uint32_t bytes,
		     const struct verify_expected *expected, struct verify_error *ret_error);

#endif
