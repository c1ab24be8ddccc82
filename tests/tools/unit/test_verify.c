/* SPDX-License-Identifier: MIT
 * test_verify.c - what is wrong with a block is found, and called by its name.
 * Invariants: none.
 * Threads:    one.
 * Ownership:  none. */
#include "tests/check.h"
#include "tools/bench/verify.h"

#define BYTES  4096u
#define OFFSET 81920u
#define SEED   0x5eedu

static const struct bench_pattern none;

static const uint64_t methods[] = { BENCH_VERIFY_CRC32C, BENCH_VERIFY_XXHASH };
#define N_METHODS (sizeof(methods) / sizeof(*methods))

static struct verify verify_of(uint64_t method, const struct bench_pattern *pattern)
{
	struct verify verify;

	check_eq(verify_init(&verify, method, pattern), 0);
	return verify;
}

static struct verify_expected expect(uint64_t low, uint64_t high)
{
	return (struct verify_expected){ OFFSET, SEED, low, high };
}

/* The kind of what is wrong. */
static int kind_of(const struct verify *verify, const void *block, uint32_t bytes,
		   struct verify_expected expected, struct verify_error *error)
{
	memset(error, 0, sizeof(*error));
	check_eq(verify_check(verify, block, bytes, &expected, error), -EILSEQ);
	return (int)error->kind;
}

Test(verify, what_was_filled_is_right_at_any_size)
{
	static const uint32_t sizes[] = { 56, 57, 512, 513, 520, 1000, 4096, 65536 + 17 };
	static unsigned char block[65536 + 17];
	const uint64_t all[] = { BENCH_VERIFY_CRC32C, BENCH_VERIFY_XXHASH, BENCH_VERIFY_META };
	struct verify_error error;

	for (size_t m = 0; m < 3; m++) {
		struct verify verify = verify_of(all[m], &none);

		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			struct verify_expected expected = expect(7, 7);

			verify_fill(&verify, block, sizes[i], OFFSET, SEED, 7);
			check_eq(verify_check(&verify, block, sizes[i], &expected, &error), 0);
		}
	}
}

Test(verify, crc32c_is_the_one_of_rfc_3720)
{
	unsigned char block[48 + 32] = { 0 };
	uint64_t whole;

	/* 40 zeros and 32 zeros, the checksum's own place left out: CRC-32C of 72 zeros. */
	whole = verify_checksum(BENCH_VERIFY_CRC32C, block, sizeof(block));
	memset(block + 40, 0xff, 8);
	check_eq(verify_checksum(BENCH_VERIFY_CRC32C, block, sizeof(block)), whole);
	check_eq(whole, 0x1fe25fcbu);
}

Test(verify, each_single_flipped_bit_is_found_and_counted)
{
	unsigned char block[1024];
	struct verify_error error;

	for (size_t m = 0; m < N_METHODS; m++) {
		struct verify verify = verify_of(methods[m], &none);

		verify_fill(&verify, block, sizeof(block), OFFSET, SEED, 1);
		for (uint32_t bit = 0; bit < sizeof(block) * 8; bit++) {
			const bool any = bit % 2;
			int kind;

			block[bit / 8] ^= (unsigned char)(1u << bit % 8);
			kind = kind_of(&verify, block, sizeof(block),
				       expect(1, any ? VERIFY_GENERATION_MAX : 1), &error);
			/* Bits 64 to 127 are the length; with another one it ends there. */
			if (bit >= 64 && bit < 128) {
				check_eq(kind, VERIFY_OTHER_LENGTH);
			} else {
				cr_assert_eq(kind, VERIFY_FLIPPED, "bit %u: kind %d", bit, kind);
				check_eq(error.n_bits, 1);
				check_eq(error.bad_offset, OFFSET + bit / 8);
				check_eq(error.expected_bytes[0] ^ error.found_bytes[0],
					 1 << bit % 8);
			}
			block[bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
	}
}

Test(verify, a_stale_block_says_its_generation)
{
	unsigned char block[BYTES];
	struct verify_error error;
	char text[256];

	for (size_t m = 0; m < N_METHODS; m++) {
		struct verify verify = verify_of(methods[m], &none);

		verify_fill(&verify, block, BYTES, OFFSET, SEED, 2);
		check_eq(kind_of(&verify, block, BYTES, expect(3, 3), &error), VERIFY_STALE);
		check_eq(error.found_generation, 2);
		verify_error_text(&error, text, sizeof(text));
		cr_assert(strstr(text, "offset 81920, 4096 bytes: stale block, of generation 2 "
				       "where 3 was expected; at offset 81952 expected 03"),
			  "%s", text);
		check_eq(kind_of(&verify, block, BYTES, expect(1, 1), &error), VERIFY_NEWER);
	}
}

Test(verify, a_block_of_another_offset_says_which)
{
	unsigned char block[BYTES];
	struct verify_error error;

	for (size_t m = 0; m < N_METHODS; m++) {
		struct verify verify = verify_of(methods[m], &none);

		verify_fill(&verify, block, BYTES, OFFSET + BYTES, SEED, 1);
		check_eq(kind_of(&verify, block, BYTES, expect(1, 1), &error), VERIFY_OTHER_OFFSET);
		check_eq(error.found_offset, OFFSET + BYTES);
		check_eq(error.expected.offset, OFFSET);
	}
}

Test(verify, a_block_of_another_job_length_or_method_is_none_of_ours)
{
	unsigned char block[BYTES * 2];
	struct verify crc = verify_of(BENCH_VERIFY_CRC32C, &none);
	struct verify xxhash = verify_of(BENCH_VERIFY_XXHASH, &none);
	struct verify_error error;

	verify_fill(&crc, block, BYTES, OFFSET, SEED + 1, 1);
	check_eq(kind_of(&crc, block, BYTES, expect(1, 1), &error), VERIFY_OTHER_SEED);
	check_eq(error.found_seed, SEED + 1);
	verify_fill(&crc, block, BYTES * 2, OFFSET, SEED, 1);
	check_eq(kind_of(&crc, block, BYTES, expect(1, 1), &error), VERIFY_OTHER_LENGTH);
	check_eq(error.found_bytes_long, BYTES * 2);
	verify_fill(&xxhash, block, BYTES, OFFSET, SEED, 1);
	check_eq(kind_of(&crc, block, BYTES, expect(1, 1), &error), VERIFY_OTHER_METHOD);
}

/* Every way to cut it in two, and sectors from the middle. */
Test(verify, a_torn_block_is_told_from_a_stale_one)
{
	unsigned char old[BYTES], new[BYTES], block[BYTES];
	struct verify_error error;
	char text[256];

	for (size_t m = 0; m < N_METHODS; m++) {
		struct verify verify = verify_of(methods[m], &none);

		verify_fill(&verify, old, BYTES, OFFSET, SEED, 1);
		verify_fill(&verify, new, BYTES, OFFSET, SEED, 2);
		for (uint32_t first = 0; first < 8; first++) {
			for (uint32_t end = first + 1; end <= 8; end++) {
				if (end - first == 8)
					continue;
				memcpy(block, new, BYTES);
				memcpy(block + first * 512, old + first * 512, (end - first) * 512);
				check_eq(kind_of(&verify, block, BYTES, expect(2, 2), &error),
					 VERIFY_TORN);
				check_eq(error.n_bad_sectors, end - first);
				check_eq(error.n_sectors, 8);
				check_eq(error.found_generation, 1);
				check_op(error.bad_offset, >=, OFFSET + first * 512);
				check_op(error.bad_offset, <, OFFSET + (first + 1) * 512);
			}
		}
		verify_error_text(&error, text, sizeof(text));
		cr_assert(strstr(text, "torn block, 1 of its 8 sectors are not of it: "
				       "of generation 1; at offset 85504 expected 02"),
			  "%s", text);
	}
}

Test(verify, sectors_of_zeros_or_of_another_place_are_torn_too)
{
	unsigned char other[BYTES], block[BYTES];
	struct verify verify = verify_of(BENCH_VERIFY_CRC32C, &none);
	struct verify_error error;
	char text[256];

	verify_fill(&verify, block, BYTES, OFFSET, SEED, 2);
	memset(block + 1024, 0, 512);
	check_eq(kind_of(&verify, block, BYTES, expect(2, 2), &error), VERIFY_TORN);
	verify_error_text(&error, text, sizeof(text));
	cr_assert(strstr(text, "not of it: zeros;"), "%s", text);
	verify_fill(&verify, block, BYTES, OFFSET, SEED, 2);
	verify_fill(&verify, other, BYTES, OFFSET + 65536, SEED, 2);
	memcpy(block + 2048, other + 2048, 1024);
	check_eq(kind_of(&verify, block, BYTES, expect(2, 2), &error), VERIFY_TORN);
	check_eq(error.n_bad_sectors, 2);
	verify_error_text(&error, text, sizeof(text));
	cr_assert(strstr(text, "not of it: of offset 149504;"), "%s", text);
}

Test(verify, zeros_were_never_written)
{
	unsigned char block[BYTES] = { 0 };
	struct verify verify = verify_of(BENCH_VERIFY_XXHASH, &none);
	struct verify_error error;

	check_eq(kind_of(&verify, block, BYTES, expect(0, 0), &error), VERIFY_NEVER_WRITTEN);
	check_eq(error.bad_offset, OFFSET);
}

Test(verify, what_nobody_wrote_is_not_taken_for_a_block)
{
	unsigned char block[BYTES];
	struct verify verify = verify_of(BENCH_VERIFY_CRC32C, &none);
	struct verify_error error;

	memset(block, 0xa5, BYTES);
	check_eq(kind_of(&verify, block, BYTES, expect(1, 1), &error), VERIFY_NO_HEADER);
	verify_fill(&verify, block, BYTES, OFFSET, SEED, 1);
	memset(block + 600, 0x5a, 2000);
	check_eq(kind_of(&verify, block, BYTES, expect(1, 1), &error), VERIFY_GARBLED);
	check_eq(error.n_bad_sectors, 5);
	check_eq(error.bad_offset, OFFSET + 600);
}

Test(verify, of_writes_at_the_same_time_any_may_be_left_or_sectors_of_each)
{
	unsigned char a[BYTES], b[BYTES];
	struct verify verify = verify_of(BENCH_VERIFY_CRC32C, &none);
	struct verify_expected expected = expect(2, 3);
	struct verify_error error;

	verify_fill(&verify, a, BYTES, OFFSET, SEED, 2);
	verify_fill(&verify, b, BYTES, OFFSET, SEED, 3);
	check_eq(verify_check(&verify, a, BYTES, &expected, &error), 0);
	check_eq(verify_check(&verify, b, BYTES, &expected, &error), 0);
	memcpy(b, a, 1536);
	check_eq(verify_check(&verify, b, BYTES, &expected, &error), 0);
	b[3000] ^= 1;
	check_eq(kind_of(&verify, b, BYTES, expected, &error), VERIFY_FLIPPED);
	check_eq(error.n_bits, 1);
	check_eq(error.bad_offset, OFFSET + 3000);
	/* But none that is older than both. */
	verify_fill(&verify, b, BYTES, OFFSET, SEED, 1);
	memcpy(a + 512, b + 512, 512);
	check_eq(kind_of(&verify, a, BYTES, expected, &error), VERIFY_TORN);
	check_eq(error.n_bad_sectors, 1);
}

Test(verify, meta_looks_at_the_header_alone)
{
	unsigned char block[BYTES];
	struct verify verify = verify_of(BENCH_VERIFY_META, &none);
	struct verify_expected expected = expect(1, 1);
	struct verify_error error;

	verify_fill(&verify, block, BYTES, OFFSET, SEED, 1);
	memset(block + 512, 0xee, 512);
	check_eq(verify_check(&verify, block, BYTES, &expected, &error), 0);
	block[16] ^= 1;
	check_eq(verify_check(&verify, block, BYTES, &expected, &error), -EILSEQ);
}

Test(verify, a_pattern_fills_the_block_and_nothing_else_does)
{
	static const struct bench_pattern pattern = { .n_bytes = 4,
						      .bytes = { 0xde, 0xad, 0xfa, 0xce } };
	struct verify verify = verify_of(BENCH_VERIFY_PATTERN, &pattern);
	struct verify_expected expected = expect(1, 1);
	struct verify_error error;
	unsigned char block[1022];

	verify_fill(&verify, block, sizeof(block), OFFSET, SEED, 1);
	for (size_t i = 0; i < sizeof(block); i++)
		check_eq(block[i], pattern.bytes[i % 4]);
	check_eq(verify_check(&verify, block, sizeof(block), &expected, &error), 0);
	for (uint32_t i = 0; i < sizeof(block); i++) {
		block[i] ^= 0x10;
		check_eq(kind_of(&verify, block, sizeof(block), expected, &error), VERIFY_FLIPPED);
		check_eq(error.n_bits, 1);
		check_eq(error.bad_offset, OFFSET + i);
		block[i] ^= 0x10;
	}
	check_eq(verify_init(&verify, BENCH_VERIFY_PATTERN, &none), -EINVAL);
}

Test(verify, a_pattern_with_the_offset_tells_places_apart)
{
	/* 0xff%o"ab" */
	static const struct bench_pattern pattern = {
		.n_bytes = 11,
		.bytes = { 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 'a', 'b' },
		.n_offsets = 1,
		.offset_at = { 1 },
	};
	struct verify verify = verify_of(BENCH_VERIFY_PATTERN, &pattern);
	struct verify_expected expected = expect(1, 1);
	struct verify_error error;
	unsigned char block[BYTES];
	uint64_t offset;

	verify_fill(&verify, block, BYTES, OFFSET, SEED, 1);
	memcpy(&offset, block + 1 + 11, sizeof(offset));
	check_eq(offset, OFFSET);
	check_eq(block[0], 0xff);
	check_eq(block[9], 'a');
	check_eq(verify_check(&verify, block, BYTES, &expected, &error), 0);
	verify_fill(&verify, block, BYTES, OFFSET + 512, SEED, 1);
	check_eq(kind_of(&verify, block, BYTES, expected, &error), VERIFY_OTHER_OFFSET);
	check_eq(error.found_offset, OFFSET + 512);
	/* And as what stands behind a header. */
	verify = verify_of(BENCH_VERIFY_CRC32C, &pattern);
	verify_fill(&verify, block, BYTES, OFFSET, SEED, 1);
	memcpy(&offset, block + 1 + 11 * 10, sizeof(offset));
	check_eq(offset, OFFSET);
	check_eq(verify_check(&verify, block, BYTES, &expected, &error), 0);
}
