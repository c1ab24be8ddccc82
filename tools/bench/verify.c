/* SPDX-License-Identifier: MIT
 * verify.c - making blocks, and seeing whether one is right.
 * Invariants: see verify.h; nothing here allocates, so it can run on every thread of an engine.
 * Threads:    any.
 * Ownership:  none.
 */
#include "tools/bench/verify.h"

#include <errno.h>
#include <string.h>

#include <isa-l/crc.h>
#include <xxhash.h>

#include "tools/bench/permutation.h"

/* crc32_iscsi() takes an int. */
#define CRC_CHUNK_BYTES (1u << 30)

int verify_init(struct verify *verify, uint64_t method, const struct bench_pattern *pattern)
{
	if (method == BENCH_VERIFY_PATTERN && !pattern->n_bytes)
		return -EINVAL;
	verify->method = method;
	verify->pattern = pattern;
	return 0;
}

uint32_t verify_block_min(uint64_t method)
{
	return method == BENCH_VERIFY_PATTERN ? 1 : VERIFY_BLOCK_MIN;
}

static uint32_t crc32c(uint32_t crc, const unsigned char *bytes, uint64_t n)
{
	while (n) {
		uint64_t now = n < CRC_CHUNK_BYTES ? n : CRC_CHUNK_BYTES;

		/* Its parameter is not const, but it only reads. */
		crc = crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)now, crc);
		bytes += now;
		n -= now;
	}
	return crc;
}

uint64_t verify_checksum(uint64_t method, const void *block, uint32_t bytes)
{
	const unsigned char *first = block;
	const unsigned char *rest = first + sizeof(struct verify_header);
	const size_t n_first = offsetof(struct verify_header, checksum);
	const size_t n_rest = bytes - sizeof(struct verify_header);

	if (method == BENCH_VERIFY_XXHASH)
		return XXH3_64bits_withSeed(rest, n_rest, XXH3_64bits(first, n_first));
	if (method == BENCH_VERIFY_META)
		return ~crc32c(~0u, first, n_first);
	return ~crc32c(crc32c(~0u, first, n_first), rest, n_rest);
}

uint64_t verify_tag(uint64_t offset, uint64_t seed, uint64_t generation)
{
	return permutation_mix(permutation_mix(permutation_mix(seed) ^ offset) ^ generation);
}

static void fill_words(unsigned char *at, uint32_t bytes, uint64_t tag)
{
	uint64_t word;
	uint32_t i;

	for (i = 0; i + sizeof(word) <= bytes; i += sizeof(word)) {
		word = permutation_mix(tag + i);
		memcpy(at + i, &word, sizeof(word));
	}
	word = permutation_mix(tag + i);
	memcpy(at + i, &word, bytes - i);
}

/* One copy of the pattern, with the offset where it belongs; as much of it as there is room. */
static uint32_t paste_pattern(const struct bench_pattern *pattern, unsigned char *at,
			      uint32_t bytes, uint64_t offset)
{
	uint32_t n = bytes < pattern->n_bytes ? bytes : (uint32_t)pattern->n_bytes;

	memcpy(at, pattern->bytes, n);
	for (uint64_t i = 0; i < pattern->n_offsets; i++) {
		uint64_t from = pattern->offset_at[i];

		if (from < n)
			memcpy(at + from, &offset,
			       n - from < sizeof(offset) ? n - from : sizeof(offset));
	}
	return n;
}

static void fill_pattern(const struct bench_pattern *pattern, unsigned char *at, uint32_t bytes,
			 uint64_t offset)
{
	/* Each step doubles what is there. */
	for (uint32_t n = paste_pattern(pattern, at, bytes, offset); n < bytes;) {
		uint32_t now = n < bytes - n ? n : bytes - n;

		memcpy(at + n, at, now);
		n += now;
	}
}

void verify_fill(const struct verify *verify, void *block, uint32_t bytes, uint64_t offset,
		 uint64_t seed, uint64_t generation)
{
	struct verify_header header = {
		.magic = VERIFY_MAGIC,
		.method = (uint32_t)verify->method,
		.bytes = bytes,
		.offset = offset,
		.seed = seed,
		.generation = generation,
	};
	unsigned char *at = block;

	if (verify->pattern->n_bytes)
		fill_pattern(verify->pattern, at, bytes, offset);
	if (verify->method == BENCH_VERIFY_PATTERN)
		return;
	for (uint32_t i = 0; i < bytes; i += VERIFY_SECTOR_BYTES) {
		uint32_t n = bytes - i < VERIFY_SECTOR_BYTES ? bytes - i : VERIFY_SECTOR_BYTES;
		struct verify_stamp stamp = { generation, offset + i,
					      verify_tag(offset + i, seed, generation) };

		if (!verify->pattern->n_bytes)
			fill_words(at + i, n, stamp.tag);
		if (i && n >= sizeof(stamp))
			memcpy(at + i, &stamp, sizeof(stamp));
	}
	memcpy(at, &header, sizeof(header));
	header.checksum = verify_checksum(verify->method, block, bytes);
	memcpy(at, &header, sizeof(header));
}

bool verify_header_get(const void *block, uint32_t bytes, struct verify_header *ret_header)
{
	struct verify_header header;

	if (bytes < VERIFY_BLOCK_MIN)
		return false;
	memcpy(&header, block, sizeof(header));
	if (header.magic != VERIFY_MAGIC)
		return false;
	*ret_header = header;
	return true;
}

static bool is_pattern(const struct bench_pattern *pattern, const unsigned char *block,
		       uint32_t bytes, uint64_t offset)
{
	unsigned char once[BENCH_PATTERN_MAX];
	uint32_t n = paste_pattern(pattern, once, bytes, offset);

	/* What repeats itself at the distance of its period, and begins right, is right. */
	return !memcmp(block, once, n) && !memcmp(block, block + n, bytes - n);
}

int verify_check(const struct verify *verify, const void *block, uint32_t bytes,
		 const struct verify_expected *expected, struct verify_error *ret_error)
{
	struct verify_header header;
	bool is_right;

	if (verify->method == BENCH_VERIFY_PATTERN)
		is_right = is_pattern(verify->pattern, block, bytes, expected->offset);
	else
		is_right = verify_header_get(block, bytes, &header) &&
			   header.method == verify->method && header.bytes == bytes &&
			   header.offset == expected->offset && header.seed == expected->seed &&
			   header.generation >= expected->generation_min &&
			   header.generation <= expected->generation_max &&
			   header.checksum == verify_checksum(verify->method, block, bytes);
	if (is_right || !verify_diagnose(verify, block, bytes, expected, ret_error))
		return 0;
	return -EILSEQ;
}
