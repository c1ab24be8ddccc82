/* SPDX-License-Identifier: MIT
 * page.c - the whole picture, as SVG.
 * Invariants: no two texts share a place: names are cut to their column, which is of a fixed pitch.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include "tools/plot/page.h"

#include "tools/plot/axis.h"
#include "tools/plot/panel.h"
#include "tools/plot/svg.h"
#include "tools/units.h"

#define WIDTH  1200
#define MARGIN 24
#define GAP    20
#define ROW    20
#define TABLE  62 /* its head */
/* Names are 13 pixels high in a fixed pitch of 7.85: 76 columns are 597 pixels. */
#define NAME_X       78
#define NAME_COLUMNS 76
#define IOPS_X       770
#define BW_X         910
#define MEAN_X       1040
#define P99_X        1176
#define HIGH         380 /* panels: the first one, and the others */
#define LOW          300

static void draw_head(FILE *out, double height)
{
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
		"viewBox=\"0 0 %d %.0f\">\n<style>\n"
		"text { font-family: 'DejaVu Sans', Verdana, sans-serif; font-size: 12px; "
		"fill: #222 }\n"
		".page { font-size: 17px; font-weight: bold }\n"
		".head { font-size: 14px; font-weight: bold }\n"
		".name { font-family: 'DejaVu Sans Mono', monospace; font-size: 13px }\n"
		".tick { font-size: 11px }\n"
		".note { font-size: 11px; fill: #666 }\n"
		".column { fill: #666 }\n"
		".grid { stroke: #ddd; stroke-width: 1 }\n"
		".frame { fill: none; stroke: #888; stroke-width: 1 }\n"
		"polyline { fill: none; stroke-linejoin: round; stroke-linecap: round }\n"
		".intended { stroke-opacity: 0.4 }\n"
		"</style>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		WIDTH, height, WIDTH, height);
}

static void draw_figure(FILE *out, double x, double y, bool is_known, const char *text)
{
	svg_text(out, x, y, SVG_END, "", is_known ? text : "–", 0);
}

static void draw_run(FILE *out, const struct plot_run *run, uint32_t i, double y)
{
	char rate[UNITS_TEXT_MAX], bytes[UNITS_TEXT_MAX], text[UNITS_TEXT_MAX + 4];
	char mean[AXIS_LABEL_MAX], p99[AXIS_LABEL_MAX];

	fprintf(out, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" ", MARGIN, y - 4,
		NAME_X - 10, y - 4);
	svg_line_style(out, i);
	fprintf(out, "/>\n");
	svg_text(out, NAME_X, y, SVG_START, "class=\"name\"", run->name, NAME_COLUMNS);
	draw_figure(out, IOPS_X, y, run->iops >= 0, units_format(run->iops, UNITS_THOUSAND, rate));
	snprintf(text, sizeof(text), "%s/s", units_format_bytes(run->bw_bytes, UNITS_1024, bytes));
	draw_figure(out, BW_X, y, run->bw_bytes >= 0, text);
	axis_format_ns(run->mean_ns, mean);
	draw_figure(out, MEAN_X, y, run->mean_ns >= 0, mean);
	axis_format_ns(run->p99_ns, p99);
	draw_figure(out, P99_X, y, run->p99_ns >= 0, p99);
}

void page_draw(FILE *out, const struct plot_runs *runs, const char *title)
{
	double top = TABLE + ROW * (double)runs->n + GAP, half = (WIDTH - 2 * MARGIN - GAP) / 2.0;
	struct panel_box box = { MARGIN, top, WIDTH - 2 * MARGIN, HIGH };

	draw_head(out, top + HIGH + 2 * (GAP + LOW) + MARGIN);
	svg_text(out, MARGIN, 32, SVG_START, "class=\"page\"", title, 90);
	svg_text(out, NAME_X, TABLE - 4, SVG_START, "class=\"column\"", "run", 0);
	svg_text(out, IOPS_X, TABLE - 4, SVG_END, "class=\"column\"", "IOPS", 0);
	svg_text(out, BW_X, TABLE - 4, SVG_END, "class=\"column\"", "bandwidth", 0);
	svg_text(out, MEAN_X, TABLE - 4, SVG_END, "class=\"column\"", "mean latency", 0);
	svg_text(out, P99_X, TABLE - 4, SVG_END, "class=\"column\"", "99th percentile", 0);
	fprintf(out, "<g id=\"legend\">\n");
	for (uint32_t i = 0; i < runs->n; i++)
		draw_run(out, &runs->runs[i], i, TABLE + ROW * (double)(i + 1) - 4);
	fprintf(out, "</g>\n");
	panel_draw(out, runs, PLOT_PERCENTILES, &box);
	box.width = half;
	box.height = LOW;
	box.y += HIGH + GAP;
	for (int panel = PLOT_PERCENTILES + 1; panel < PLOT_PANELS; panel++) {
		bool is_left = panel % 2 == 1;

		box.x = is_left ? MARGIN : MARGIN + half + GAP;
		panel_draw(out, runs, (enum plot_panel)panel, &box);
		if (!is_left)
			box.y += LOW + GAP;
	}
	fprintf(out, "</svg>\n");
}
