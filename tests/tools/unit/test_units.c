/* SPDX-License-Identifier: MIT
 * test_units.c - numbers with units, as fio reads and writes them.
 * Invariants: none.
 * Threads:    one.
 * Ownership:  none. */
#include "tests/check.h"
#include "tools/units.h"

Test(units, sizes_are_1024_based_in_any_case)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {
		{ "4k", 4096 },          { "4K", 4096 },       { "4kb", 4096 },
		{ "4KiB", 4096 },        { "0x1000", 4096 },   { "1m", 1u << 20 },
		{ "2g", 2147483648ull }, { "1t", 1ull << 40 }, { "512", 512 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t bytes = 0;

		check_eq(units_parse_size(rows[i].text, &bytes), 0);
		cr_assert_eq(bytes, rows[i].bytes, "%s is %llu", rows[i].text,
			     (unsigned long long)bytes);
	}
}

Test(units, what_is_no_size_leaves_the_result_alone)
{
	static const char *const texts[] = { "", "k", "4q", "-4k", "4k4", "4 k" };
	uint64_t bytes = 77;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		cr_assert_eq(units_parse_size(texts[i], &bytes), -EINVAL, "'%s'", texts[i]);
		check_eq(bytes, 77);
	}
	check_eq(units_parse_size("99999999p", &bytes), -ERANGE);
	check_eq(bytes, 77);
}

Test(units, a_bare_time_is_in_the_units_of_its_option)
{
	uint64_t ns = 0;

	check_eq(units_parse_time("30", 1000000000, &ns), 0);
	check_eq(ns, 30000000000);
	check_eq(units_parse_time("200ms", 1000000000, &ns), 0);
	check_eq(ns, 200000000);
	check_eq(units_parse_time("1.5s", 1000, &ns), 0);
	check_eq(ns, 1500000000);
}
