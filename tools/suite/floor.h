/* SPDX-License-Identifier: MIT
 * floor.h - `ioe suite --what=floor`: what the engine costs, in figures that have targets.
 *
 * A measurement (floor_*.c) runs what it must in rounds, and adds a figure for each thing that it
 * is asked about; the table, JSON and plots are made of the figures.
 * Invariants: a figure's spread is over rounds in which all sides ran in turn.
 * Threads:    the main thread.
 * Ownership:  figures own nothing; a floor's arrays are its own, freed by floor_deinit().
 */
#ifndef IOE_TOOLS_FLOOR_H
#define IOE_TOOLS_FLOOR_H

#include <stdio.h>

#include "tools/suite/suite.h"

enum floor_bound {
	FLOOR_REPORTED, /* no target: said beside one */
	FLOOR_AT_LEAST,
	FLOOR_AT_MOST,
};

struct floor_figure {
	char target[8]; /* "T1" */
	char what[112]; /* "uring, depth 32: IOPS, ours / raw-io_uring's best" */
	char unit[24];  /* "" for a ratio */
	enum floor_bound bound;
	double limit;
	struct spread spread;
	uint32_t n;       /* runs behind it */
	char reason[112]; /* not measured: why; then the rest but target and what is not set */
};

/* A point of a plot: y over x, of one line of many. */
struct floor_point {
	char plot[32]; /* "producers": name of the file, and label of x */
	char line[32]; /* "uring inline" */
	double x;
	struct spread y;
};

#define FLOOR_TITLE "the floor, what the engine costs"

/* Something to be known beside the figures: "raw-io_uring's best, depth 32: batch_submit=32". */
struct floor_note {
	char target[8];
	char text[240];
};

struct floor {
	const struct suite_options *suite;
	const struct target *target;
	const char *running; /* the target that is being measured: "T1" */
	struct floor_figure *figures;
	uint32_t n_figures;
	struct floor_point *points;
	uint32_t n_points;
	struct floor_note *notes;
	uint32_t n_notes;
	int error; /* of an addition: -ENOMEM */
};

/* Add a figure to the target that is running; printed at once. */
void floor_add(struct floor *floor, const char *what, const char *unit, struct spread spread,
	       uint32_t n, enum floor_bound bound, double limit);
void floor_add_ratio(struct floor *floor, const char *what, const struct versus *versus, uint32_t a,
		     uint32_t b, enum versus_measure measure, enum floor_bound bound, double limit);
__attribute__((format(printf, 3, 4))) void floor_skip(struct floor *floor, const char *what,
						      const char *format, ...);
void floor_add_point(struct floor *floor, const char *plot, const char *line, double x,
		     struct spread y);
__attribute__((format(printf, 2, 3))) void floor_note(struct floor *floor, const char *format, ...);

/* Has the median reached the limit? A figure without limit has; one not measured has not. */
bool floor_is_met(const struct floor_figure *figure);

/* Is the target one of those asked for? For measurements of several targets. */
bool floor_is_wanted(const struct floor *floor, const char *target);

/* The best setting of base->ioengine for base, searched for as `ioe bench` cannot. */
int floor_best(const struct floor *floor, const struct bench_options *base,
	       struct bench_options *ret_best);

/* Run a job once, shortly. Returns 0; -ENOENT: it is nothing that this machine, its kernel or its
 * owner has or allows, *ret_why says what; other -errno, said on stderr; -ECANCELED. */
int floor_try(const struct floor *floor, const struct bench_options *options,
	      char ret_why[JOB_MESSAGE_MAX]);

/* One measurement for each target, or for those that one kind of run answers. Return 0, -errno
 * (said on stderr), or -ECANCELED on Ctrl-C. What cannot be measured here is floor_skip()ped, and
 * is no error. */
int floor_reads(struct floor *floor);     /* T1 T2 T3: random reads beside raw loops and fio */
int floor_waits(struct floor *floor);     /* T4 T5: threads that submit and wait beside psync */
int floor_nops(struct floor *floor);      /* T6: events that do nothing */
int floor_producers(struct floor *floor); /* T7: many threads beside one */
int floor_steady(struct floor *floor);    /* T8: wakes, system calls, depth kept */
int floor_idle(struct floor *floor);      /* T9 */
int floor_timing(struct floor *floor);    /* T10 */
int floor_growth(struct floor *floor);    /* T11 */
int floor_memory(struct floor *floor);    /* T12 */

/* What is made of the figures. In floor_table.c, floor_json.c, floor_plot.c ---------------- */

/* "pass", "short", "reported", "not measured" */
const char *floor_verdict(const struct floor_figure *figure);
/* The head of the lines that are printed as figures come. */
void floor_print_head(FILE *out);
/* All figures, notes, and how many there are of each verdict. */
void floor_print_table(FILE *out, const struct floor *floor);

/* Write it to a file, or a plot of each name into a directory. Return 0, or -errno, which has been
 * said on stderr; a plot of which only the data could be written, as there is no gnuplot, is 0. */
int floor_write_table(const struct floor *floor, const char *path);
int floor_write_json(const struct floor *floor, const char *path);
int floor_write_plots(const struct floor *floor, const char *directory);

/* Does a list "T1,T6" name targets? Says what is wrong in a line on stderr; -EINVAL. */
int floor_check_only(const char *only);

/* All of it, or the targets named in suite->only ("T1,T6"). What comes out short is not a failure.
 * Returns an exit status. */
int suite_floor(const struct suite_options *suite, const struct target *target);

#endif
