/* SPDX-License-Identifier: MIT
 * test_plot_axis.c - ticks at round numbers, with labels that say what they are.
 * Invariants: none.
 * Threads:    one.
 * Ownership:  none. */
#include <math.h>

#include "tests/check.h"
#include "tools/plot/axis.h"

/* Every axis: ticks grow, the ends hold the range, and not two labels are the same. */
static void check_axis(const struct axis *axis, double low, double high)
{
	check_op(axis->n_ticks, >=, 2);
	check_op(axis->n_ticks, <, AXIS_TICKS_MAX);
	cr_assert_leq(axis->low, low * (1 + 1e-9));
	cr_assert_geq(axis->high, high * (1 - 1e-9));
	for (uint32_t i = 0; i < axis->n_ticks; i++) {
		double place = axis_place(axis, axis->ticks[i].value);

		cr_assert(place > -1e-6 && place < 1 + 1e-6, "tick %u at %f", i, place);
		for (uint32_t k = 0; k < i; k++) {
			cr_assert_lt(axis->ticks[k].value, axis->ticks[i].value);
			cr_assert(!*axis->ticks[i].label ||
					  strcmp(axis->ticks[k].label, axis->ticks[i].label) != 0,
				  "two are '%s'", axis->ticks[i].label);
		}
	}
}

static void check_labels(const struct axis *axis, const char *expected)
{
	char labels[AXIS_TICKS_MAX * AXIS_LABEL_MAX] = "";
	size_t n = 0;

	for (uint32_t i = 0; i < axis->n_ticks; i++)
		n += (size_t)snprintf(labels + n, sizeof(labels) - n, "%s%s", i ? "|" : "",
				      axis->ticks[i].label);
	cr_assert(!strcmp(labels, expected), "%s, not %s", labels, expected);
}

Test(plot_axis, linear_ticks_are_round_numbers_of_a_unit)
{
	struct axis axis;

	axis_init_linear(&axis, AXIS_RATE, 92345, false);
	check_labels(&axis, "0|20|40|60|80|100");
	cr_assert_str_eq(axis.unit, "thousands");
	axis_init_linear(&axis, AXIS_BYTES_PER_SECOND, 379.0 * 1024 * 1024, false);
	check_labels(&axis, "0|50|100|150|200|250|300|350|400");
	cr_assert_str_eq(axis.unit, "MiB/s");
	axis_init_linear(&axis, AXIS_NS, 1.3e6, false);
	check_labels(&axis, "0.0|0.2|0.4|0.6|0.8|1.0|1.2|1.4");
	cr_assert_str_eq(axis.unit, "ms");
}

Test(plot_axis, exact_ends_are_kept)
{
	struct axis axis;

	axis_init_linear(&axis, AXIS_SECONDS, 31.5, true);
	check_labels(&axis, "0|5|10|15|20|25|30");
	cr_assert_float_eq(axis.high, 31.5, 1e-9);
	axis_init_linear(&axis, AXIS_SECONDS, 1200, true);
	cr_assert_str_eq(axis.unit, "min");
	check_labels(&axis, "0|5|10|15|20");
}

Test(plot_axis, log_ticks_have_their_units)
{
	struct axis axis;

	axis_init_log(&axis, 45e3, 1.9e6);
	check_labels(&axis, "20 µs|50 µs|100 µs|200 µs|500 µs|1 ms|2 ms");
	axis_init_log(&axis, 100, 100);
	check_labels(&axis, "100 ns|200 ns");
	/* of many decades only the powers of ten have labels */
	axis_init_log(&axis, 1, 1e10);
	cr_assert_str_eq(axis.ticks[0].label, "1 ns");
	cr_assert_str_eq(axis.ticks[1].label, "");
	cr_assert_str_eq(axis.ticks[3].label, "10 ns");
}

Test(plot_axis, nines_are_as_far_from_each_other)
{
	struct axis axis;

	axis_init_nines(&axis, 5.2);
	check_labels(&axis, "0|50|90|99|99.9|99.99|99.999");
	cr_assert_float_eq(axis_place(&axis, 2) - axis_place(&axis, 1),
			   axis_place(&axis, 5) - axis_place(&axis, 4), 1e-9);
	axis_init_nines(&axis, 0);
	check_labels(&axis, "0|50|90");
}

Test(plot_axis, any_range_has_an_axis)
{
	static const enum axis_quantity quantities[] = { AXIS_SECONDS, AXIS_NS, AXIS_RATE,
							 AXIS_BYTES_PER_SECOND };
	struct axis axis;

	for (int i = 0; i < 120; i++) {
		double high = 1e-3 * pow(1.37, i), low = high;

		for (size_t q = 0; q < sizeof(quantities) / sizeof(*quantities); q++) {
			axis_init_linear(&axis, quantities[q], high, false);
			check_axis(&axis, 0, high);
			check_op(axis.n_ticks, <=, 9);
			axis_init_linear(&axis, quantities[q], high, true);
			check_axis(&axis, 0, high);
			cr_assert_float_eq(axis.high, high, high * 1e-9);
		}
		while (low >= 1) {
			axis_init_log(&axis, low, high);
			check_axis(&axis, low, high);
			low /= 7.1;
		}
	}
	axis_init_linear(&axis, AXIS_RATE, 0, false);
	check_axis(&axis, 0, 0);
}

Test(plot_axis, times_have_three_digits)
{
	static const struct {
		double ns;
		const char *text;
	} rows[] = {
		{ 0, "0 ns" },          { 999, "999 ns" },     { 999.9, "1.00 µs" },
		{ 1000, "1 µs" },       { 12345, "12.3 µs" },  { 123456, "123 µs" },
		{ 1.352e6, "1.35 ms" }, { 999999, "1.00 ms" }, { 2.5e9, "2.50 s" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char label[AXIS_LABEL_MAX];

		axis_format_ns(rows[i].ns, label);
		cr_assert(!strcmp(label, rows[i].text), "%g is %s", rows[i].ns, label);
	}
}
