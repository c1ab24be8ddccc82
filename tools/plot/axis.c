/* SPDX-License-Identifier: MIT
 * axis.c - ticks at round numbers.
 * Invariants: as in the header.
 * Threads:    any.
 * Ownership:  none.
 */
#include "tools/plot/axis.h"

#include <math.h>
#include <stdio.h>

/* Rounding must not lose the last tick, nor add one. */
#define SLACK 1e-9
/* Of an axis: 4 to 8 of them */
#define STEPS 8
/* So many ticks of 1, 2 and 5 have a label each; of more only powers of ten have. */
#define LABELS_MAX 10

struct unit {
	double size;
	const char *name;
};

/* The largest first. */
static const struct unit units_of_seconds[] = { { 3600, "h" }, { 60, "min" }, { 1, "s" } };
static const struct unit units_of_ns[] = {
	{ 1e9, "s" },
	{ 1e6, "ms" },
	{ 1e3, "µs" },
	{ 1, "ns" },
};
static const struct unit units_of_rates[] = { { 1e6, "millions" },
					      { 1e3, "thousands" },
					      { 1, "" } };
static const struct unit units_of_bytes[] = { { 1024.0 * 1024 * 1024, "GiB/s" },
					      { 1024.0 * 1024, "MiB/s" },
					      { 1024, "KiB/s" },
					      { 1, "B/s" } };

/* The largest unit of which there are at least so many. */
static const struct unit *choose(const struct unit *units, size_t n, double value, double least)
{
	size_t i = 0;

	while (i + 1 < n && value < least * units[i].size)
		i++;
	return &units[i];
}

#define CHOOSE(units, value, least) choose(units, sizeof(units) / sizeof(*(units)), value, least)

static const struct unit *unit_of(enum axis_quantity quantity, double high)
{
	switch (quantity) {
	case AXIS_NS:
		return CHOOSE(units_of_ns, high, 1);
	case AXIS_RATE:
		return CHOOSE(units_of_rates, high, 2);
	case AXIS_BYTES_PER_SECOND:
		return CHOOSE(units_of_bytes, high, 1);
	case AXIS_SECONDS:
	case AXIS_NINES:
		break;
	}
	return CHOOSE(units_of_seconds, high, 4);
}

/* The least of 1, 2, 5 times a power of ten that is not below value. */
static double round_up(double value)
{
	double power = pow(10, floor(log10(value)));

	for (int digit = 1; digit <= 5; digit += digit == 1 ? 1 : 3)
		if (digit * power >= value * (1 - SLACK))
			return digit * power;
	return 10 * power;
}

static double round_down(double value)
{
	double power = pow(10, floor(log10(value) + SLACK));

	if (5 * power <= value * (1 + SLACK))
		return 5 * power;
	return 2 * power <= value * (1 + SLACK) ? 2 * power : power;
}

static struct axis_tick *add_tick(struct axis *axis, double value)
{
	/* one too many is not shown; the callers bound them */
	struct axis_tick *tick = &axis->ticks[axis->n_ticks];

	if (axis->n_ticks + 1 < AXIS_TICKS_MAX)
		axis->n_ticks++;
	tick->value = value;
	tick->label[0] = '\0';
	return tick;
}

void axis_init_linear(struct axis *axis, enum axis_quantity quantity, double high, bool is_exact)
{
	const struct unit *unit;
	double step, n_steps;
	int decimals;

	*axis = (struct axis){ .low = 0 };
	if (!(high > 0))
		high = 1;
	unit = unit_of(quantity, high);
	snprintf(axis->unit, sizeof(axis->unit), "%s", unit->name);
	step = round_up(high / unit->size / STEPS);
	decimals = step < 1 ? (int)ceil(-log10(step) - SLACK) : 0;
	n_steps = high / unit->size / step;
	n_steps = is_exact ? floor(n_steps + SLACK) : ceil(n_steps - SLACK);
	axis->high = is_exact ? high : n_steps * step * unit->size;
	for (uint32_t i = 0; i <= n_steps; i++) {
		struct axis_tick *tick = add_tick(axis, i * step * unit->size);

		snprintf(tick->label, sizeof(tick->label), "%.*f", decimals, i * step);
	}
}

void axis_format_ns(double ns, char label[AXIS_LABEL_MAX])
{
	/* what is rounded to 1000 of one unit is 1 of the next */
	const struct unit *unit = CHOOSE(units_of_ns, ns, 0.9995);
	double value = ns / unit->size;

	snprintf(label, AXIS_LABEL_MAX, "%.*f %s",
		 value >= 100 || value == floor(value) ? 0 :
		 value >= 10                           ? 1 :
							 2,
		 value, unit->name);
}

void axis_init_log(struct axis *axis, double low, double high)
{
	double value;

	*axis = (struct axis){ .is_log = true, .low = round_down(low), .high = round_up(high) };
	if (axis->high < axis->low * 1.5)
		axis->high = round_up(axis->low * 1.5);
	value = axis->low;
	while (value <= axis->high * (1 + SLACK)) {
		axis_format_ns(value, add_tick(axis, value)->label);
		value = round_up(value * 1.5);
	}
	for (uint32_t i = 0; axis->n_ticks > LABELS_MAX && i < axis->n_ticks; i++) {
		struct axis_tick *tick = &axis->ticks[i];

		if (fabs(pow(10, round(log10(tick->value))) / tick->value - 1) > 1e-6)
			tick->label[0] = '\0';
	}
}

void axis_init_nines(struct axis *axis, double high)
{
	*axis = (struct axis){ .low = 0, .high = high > 1 ? high : 1 };
	add_tick(axis, 0);
	snprintf(axis->ticks[0].label, AXIS_LABEL_MAX, "0");
	add_tick(axis, log10(2));
	snprintf(axis->ticks[1].label, AXIS_LABEL_MAX, "50");
	for (int nines = 1; nines <= axis->high + SLACK && nines < 16; nines++) {
		struct axis_tick *tick = add_tick(axis, nines);

		snprintf(tick->label, sizeof(tick->label), "%.*f", nines > 2 ? nines - 2 : 0,
			 100 * (1 - pow(10, -nines)));
	}
}

double axis_place(const struct axis *axis, double value)
{
	if (axis->is_log)
		return log(value / axis->low) / log(axis->high / axis->low);
	return (value - axis->low) / (axis->high - axis->low);
}
