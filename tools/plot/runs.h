/* SPDX-License-Identifier: MIT
 * runs.h - what there is to plot: read from the JSON of `ioe bench` and of fio.
 *
 * A run is one direction of one job that has done IO. A file has several when it has several jobs,
 * or one that reads and writes; the last document of a file counts, where there are several
 * (--status-interval).
 * Invariants: points are in the order of x, and finite; a line without points is one the file says
 *             nothing of.
 * Threads:    the main thread.
 * Ownership:  runs own their names and points; plot_runs_deinit() frees them.
 */
#ifndef IOE_TOOLS_PLOT_RUNS_H
#define IOE_TOOLS_PLOT_RUNS_H

#include <stdbool.h>
#include <stdint.h>

enum plot_panel {
	PLOT_PERCENTILES, /* nines (-log10 of the share above), ns */
	PLOT_LAT_MEAN,    /* s, ns; as those below */
	PLOT_LAT_P99,
	PLOT_IOPS,
	PLOT_BW, /* bytes a second */
	PLOT_PANELS,
};

struct plot_point {
	double x;
	double y;
};

struct plot_line {
	struct plot_point *points;
	uint32_t n;
};

struct plot_run {
	char *name;
	/* over the whole run; a negative one is not known */
	double iops;
	double bw_bytes;
	double mean_ns;
	double p99_ns;
	struct plot_line lines[PLOT_PANELS];
	/* With a rate, from the time when an IO was due; else empty. */
	struct plot_line intended;
};

struct plot_runs {
	struct plot_run *runs;
	uint32_t n;
};

#define PLOT_WHY_MAX 200

/* Add what is in a file. On failure runs are as before but for their room, and why says what is
 * wrong with the file. Returns -errno of reading it, -ENOMEM, -EINVAL if it is nothing to plot. */
int plot_runs_read(struct plot_runs *runs, const char *path, char why[PLOT_WHY_MAX]);

/* When all are read: give runs of the same name numbers. -ENOMEM. */
int plot_runs_number(struct plot_runs *runs);

void plot_runs_deinit(struct plot_runs *runs);

#endif
