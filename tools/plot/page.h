/* SPDX-License-Identifier: MIT
 * page.h - the whole picture: a table of the runs, which is the legend, and all panels.
 * Invariants: none.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_PLOT_PAGE_H
#define IOE_TOOLS_PLOT_PAGE_H

#include <stdio.h>

#include "tools/plot/runs.h"

void page_draw(FILE *out, const struct plot_runs *runs, const char *title);

#endif
