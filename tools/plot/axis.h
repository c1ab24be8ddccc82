/* SPDX-License-Identifier: MIT
 * axis.h - from a range of values to ticks with labels, and from values to places on the page.
 * Invariants: an axis holds the whole range it was made for, and has at least two ticks.
 * Threads:    any.
 * Ownership:  none; text is in the axis.
 */
#ifndef IOE_TOOLS_PLOT_AXIS_H
#define IOE_TOOLS_PLOT_AXIS_H

#include <stdbool.h>
#include <stdint.h>

#define AXIS_TICKS_MAX 64
#define AXIS_LABEL_MAX 24

enum axis_quantity {
	AXIS_SECONDS,
	AXIS_NS,
	AXIS_RATE, /* IOs a second */
	AXIS_BYTES_PER_SECOND,
	AXIS_NINES, /* -log10(1 - p): 1 is 90 %, 2 is 99 % */
};

struct axis_tick {
	double value;
	char label[AXIS_LABEL_MAX]; /* empty: a line only */
};

struct axis {
	bool is_log;
	double low;
	double high;
	char unit[AXIS_LABEL_MAX]; /* for the title: "MiB/s"; empty: in the labels */
	uint32_t n_ticks;
	struct axis_tick ticks[AXIS_TICKS_MAX];
};

/* From 0 to at least high, or exactly to high; five ticks or so. */
void axis_init_linear(struct axis *axis, enum axis_quantity quantity, double high, bool is_exact);

/* Both above 0; the ends are 1, 2 or 5 times a power of ten. Of AXIS_NS. */
void axis_init_log(struct axis *axis, double low, double high);

/* 0 to high nines. */
void axis_init_nines(struct axis *axis, double high);

/* Where a value is: 0 at low, 1 at high. */
double axis_place(const struct axis *axis, double value);

/* A time of any length with its unit: "120 µs". */
void axis_format_ns(double ns, char label[AXIS_LABEL_MAX]);

#endif
