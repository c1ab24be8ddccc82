/* SPDX-License-Identifier: MIT
 * panel.h - one diagram: frame, axes, a line for each run.
 * Invariants: what a run has no points for is said in the panel, by name.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_PLOT_PANEL_H
#define IOE_TOOLS_PLOT_PANEL_H

#include <stdio.h>

#include "tools/plot/runs.h"

struct panel_box {
	double x;
	double y;
	double width;
	double height;
};

void panel_draw(FILE *out, const struct plot_runs *runs, enum plot_panel panel,
		const struct panel_box *box);

#endif
