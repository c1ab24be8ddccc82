/* SPDX-License-Identifier: MIT
 * panel.c - one diagram.
 *
 * Latency percentiles are on a logarithmic axis; latency over time too where the values span more
 * than LOG_FROM, and else from 0 on, as rates are: so that noise looks like noise.
 * Invariants: all points lie inside of the frame, since the axes are made for all of them.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include "tools/plot/panel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/plot/axis.h"
#include "tools/plot/svg.h"

#define LOG_FROM 10.0

/* Of the frame inside its box: room for titles, a note, and the labels of ticks. */
#define ROOM_LEFT   78
#define ROOM_RIGHT  18
#define ROOM_TOP    42
#define ROOM_BOTTOM 46
/* Text of 12 pixels is at most this wide for a character, on average. */
#define COLUMN 6.6

static const struct panel {
	const char *id;
	const char *title;
	const char *y_title;
	enum axis_quantity quantity;
	const char *missing; /* what a file has not */
} panels[PLOT_PANELS] = {
	[PLOT_PERCENTILES] = { "percentiles", "Latency percentiles", "latency", AXIS_NS,
			       "no percentiles" },
	[PLOT_LAT_MEAN] = { "latency-mean", "Mean latency over time", "latency", AXIS_NS,
			    "no latency over time" },
	[PLOT_LAT_P99] = { "latency-p99", "99th percentile of latency over time", "latency",
			   AXIS_NS, "no latency over time" },
	[PLOT_IOPS] = { "iops", "IOPS over time", "IOPS", AXIS_RATE, "no IOPS over time" },
	[PLOT_BW] = { "bandwidth", "Bandwidth over time", "bandwidth", AXIS_BYTES_PER_SECOND,
		      "no bandwidth over time" },
};

struct frame {
	double left;
	double right;
	double top;
	double bottom;
	struct axis x;
	struct axis y;
};

/* No figure of a run is beyond these. Nearer to the ends of a double, ticks at round numbers are 0
 * or infinite, and would be without end. */
#define LEAST 1e-9
#define MOST  1e30

/* A point that has no place on a logarithmic axis is left out: a latency of 0. */
static bool is_drawn(const struct plot_point *point, bool is_log)
{
	return point->x <= MOST && point->y <= MOST && (!is_log || point->y >= LEAST);
}

struct range {
	double x_high;
	double y_low; /* above 0 */
	double y_high;
	uint32_t n;
};

static void extend(struct range *range, const struct plot_line *line)
{
	for (uint32_t i = 0; i < line->n; i++) {
		const struct plot_point *point = &line->points[i];

		if (!is_drawn(point, false))
			continue;
		range->n++;
		if (point->x >= LEAST)
			range->x_high = fmax(range->x_high, point->x);
		if (point->y < LEAST)
			continue;
		range->y_high = fmax(range->y_high, point->y);
		range->y_low = fmin(range->y_low, point->y);
	}
}

static void init_axes(struct frame *frame, const struct range *range, enum plot_panel panel)
{
	enum axis_quantity quantity = panels[panel].quantity;
	bool has_log = range->y_high > 0;

	if (panel == PLOT_PERCENTILES)
		axis_init_nines(&frame->x, range->x_high);
	else
		axis_init_linear(&frame->x, AXIS_SECONDS, range->x_high, true);
	if (has_log && (panel == PLOT_PERCENTILES ||
			(quantity == AXIS_NS && range->y_high > LOG_FROM * range->y_low)))
		axis_init_log(&frame->y, range->y_low, range->y_high);
	else
		axis_init_linear(&frame->y, quantity, range->y_high, false);
}

static double x_of(const struct frame *frame, double value)
{
	return frame->left + axis_place(&frame->x, value) * (frame->right - frame->left);
}

static double y_of(const struct frame *frame, double value)
{
	return frame->bottom - axis_place(&frame->y, value) * (frame->bottom - frame->top);
}

static void draw_grid(FILE *out, const struct frame *frame)
{
	for (uint32_t i = 0; i < frame->x.n_ticks; i++) {
		double x = x_of(frame, frame->x.ticks[i].value);

		fprintf(out,
			"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>\n",
			x, frame->top, x, frame->bottom);
		svg_text(out, x, frame->bottom + 16, SVG_MIDDLE, "class=\"tick\"",
			 frame->x.ticks[i].label, 0);
	}
	for (uint32_t i = 0; i < frame->y.n_ticks; i++) {
		double y = y_of(frame, frame->y.ticks[i].value);

		fprintf(out,
			"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>\n",
			frame->left, y, frame->right, y);
		svg_text(out, frame->left - 7, y + 4, SVG_END, "class=\"tick\"",
			 frame->y.ticks[i].label, 0);
	}
}

static void draw_titles(FILE *out, const struct frame *frame, enum plot_panel panel)
{
	double middle = (frame->top + frame->bottom) / 2, x = frame->left - ROOM_LEFT + 14;
	char title[64], turn[64];

	if (panel == PLOT_PERCENTILES)
		snprintf(title, sizeof(title),
			 "percentile (%%): so many IOs were as fast or faster");
	else
		snprintf(title, sizeof(title), "time (%s)", frame->x.unit);
	svg_text(out, (frame->left + frame->right) / 2, frame->bottom + 36, SVG_MIDDLE,
		 "class=\"title\"", title, 0);
	if (frame->y.is_log)
		snprintf(title, sizeof(title), "%s (log scale)", panels[panel].y_title);
	else if (*frame->y.unit)
		snprintf(title, sizeof(title), "%s (%s)", panels[panel].y_title, frame->y.unit);
	else
		snprintf(title, sizeof(title), "%s", panels[panel].y_title);
	snprintf(turn, sizeof(turn), "class=\"title\" transform=\"rotate(-90 %.1f %.1f)\"", x,
		 middle);
	svg_text(out, x, middle, SVG_MIDDLE, turn, title, 0);
}

static void draw_line(FILE *out, const struct frame *frame, const struct plot_line *line,
		      uint32_t run, const char *name, const char *class)
{
	double x_last = -1, y_last = -1;
	uint32_t n = 0;

	fprintf(out, "<polyline class=\"%s\" ", class);
	svg_line_style(out, run);
	fprintf(out, " data-run=\"");
	svg_escape(out, name);
	fprintf(out, "\" points=\"");
	for (uint32_t i = 0; i < line->n; i++) {
		double x, y;

		if (!is_drawn(&line->points[i], frame->y.is_log))
			continue;
		/* to a tenth of a pixel: what falls on the one before is not seen */
		x = round(10 * x_of(frame, line->points[i].x)) / 10;
		y = round(10 * y_of(frame, line->points[i].y)) / 10;
		if (n && x == x_last && y == y_last)
			continue;
		fprintf(out, "%s%.1f,%.1f", n ? " " : "", x, y);
		x_last = x;
		y_last = y;
		n++;
	}
	/* with round ends a line of no length is a dot */
	if (n == 1)
		fprintf(out, " %.1f,%.1f", x_last, y_last);
	fprintf(out, "\"/>\n");
}

/* Which runs have no line here: "no percentiles: a; b; c and 2 more". */
static void draw_note(FILE *out, const struct plot_runs *runs, enum plot_panel panel,
		      const struct frame *frame)
{
	uint32_t n_missing = 0, n_named = 0;
	char *text = NULL;
	size_t length;
	FILE *note = open_memstream(&text, &length);

	if (!note)
		return;
	fprintf(note, "%s: ", panels[panel].missing);
	for (uint32_t i = 0; i < runs->n; i++) {
		if (runs->runs[i].lines[panel].n)
			continue;
		if (++n_missing > 3)
			continue;
		fprintf(note, "%s%s", n_named++ ? "; " : "", runs->runs[i].name);
	}
	if (n_missing > n_named)
		fprintf(note, " and %u more", n_missing - n_named);
	if (!fclose(note) && n_missing)
		svg_text(out, frame->left, frame->top - 7, SVG_START, "class=\"note\"", text,
			 (uint32_t)((frame->right - frame->left) / COLUMN));
	free(text);
}

static void draw_lines(FILE *out, const struct plot_runs *runs, enum plot_panel panel,
		       const struct frame *frame)
{
	bool has_intended = false;

	for (uint32_t i = 0; i < runs->n; i++) {
		const struct plot_run *run = &runs->runs[i];

		if (panel == PLOT_PERCENTILES && run->intended.n) {
			draw_line(out, frame, &run->intended, i, run->name, "intended");
			has_intended = true;
		}
		if (run->lines[panel].n)
			draw_line(out, frame, &run->lines[panel], i, run->name, "run");
	}
	if (has_intended)
		svg_text(out, frame->right, frame->top - ROOM_TOP + 18, SVG_END, "class=\"note\"",
			 "pale: from the time when an IO was due, of jobs with a rate", 0);
}

void panel_draw(FILE *out, const struct plot_runs *runs, enum plot_panel panel,
		const struct panel_box *box)
{
	struct range range = { .y_low = HUGE_VAL };
	struct frame frame = {
		.left = box->x + ROOM_LEFT,
		.right = box->x + box->width - ROOM_RIGHT,
		.top = box->y + ROOM_TOP,
		.bottom = box->y + box->height - ROOM_BOTTOM,
	};

	for (uint32_t i = 0; i < runs->n; i++) {
		extend(&range, &runs->runs[i].lines[panel]);
		if (panel == PLOT_PERCENTILES)
			extend(&range, &runs->runs[i].intended);
	}
	fprintf(out, "<g id=\"%s\">\n", panels[panel].id);
	svg_text(out, frame.left, box->y + 18, SVG_START, "class=\"head\"", panels[panel].title, 0);
	if (range.n) {
		init_axes(&frame, &range, panel);
		draw_grid(out, &frame);
		draw_titles(out, &frame, panel);
		draw_note(out, runs, panel, &frame);
		draw_lines(out, runs, panel, &frame);
	} else {
		char text[64];

		snprintf(text, sizeof(text), "%s in %s", panels[panel].missing,
			 runs->n > 1 ? "any of these files" : "this file");
		svg_text(out, (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2,
			 SVG_MIDDLE, "class=\"note\"", text, 0);
	}
	fprintf(out,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"frame\"/>\n"
		"</g>\n",
		frame.left, frame.top, frame.right - frame.left, frame.bottom - frame.top);
}
