/* SPDX-License-Identifier: MIT
 * floor_table.c - the figures of the floor suite: collected, judged, and printed as a table.
 * Invariants: a figure is printed in the moment when it is added, and again in the table.
 * Threads:    the main thread.
 * Ownership:  the arrays grow here, and are freed by suite_floor().
 */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/suite/floor_parts.h"

#define FORMAT     "%-4s %-*s %-*s %8s %10s %10s %10s %4s  %s\n"
#define NUMBER_MAX 32
#define FIRST_ROOM 64
#define N_VERDICTS 4

/* Of the columns with texts. As long as figures come, that of most of them. */
struct widths {
	int what;
	int unit;
};

static const struct widths live_widths = { 72, 8 };

static const char *const verdicts[N_VERDICTS] = { "pass", "short", "reported", "not measured" };

/* Room for one more in an array of *n; NULL: floor->error says why. Doubled when n is a power of
 * two, so that nothing has to remember how large it is. */
static void *grow(struct floor *floor, void *array, uint32_t n, size_t size)
{
	void *larger;

	if (n && (n < FIRST_ROOM || n & (n - 1)))
		return array;
	larger = realloc(array, (n ? 2 * (size_t)n : FIRST_ROOM) * size);
	if (!larger)
		floor->error = -ENOMEM;
	return larger;
}

static struct floor_figure *new_figure(struct floor *floor, const char *what)
{
	struct floor_figure *figures =
		grow(floor, floor->figures, floor->n_figures, sizeof(*figures));
	struct floor_figure *figure;

	if (!figures)
		return NULL;
	floor->figures = figures;
	figure = &figures[floor->n_figures++];
	memset(figure, 0, sizeof(*figure));
	snprintf(figure->target, sizeof(figure->target), "%s", floor->running);
	snprintf(figure->what, sizeof(figure->what), "%s", what);
	return figure;
}

bool floor_is_met(const struct floor_figure *figure)
{
	if (*figure->reason)
		return false;
	switch (figure->bound) {
	case FLOOR_AT_LEAST:
		return figure->spread.median >= figure->limit;
	case FLOOR_AT_MOST:
		return figure->spread.median <= figure->limit;
	case FLOOR_REPORTED:
		break;
	}
	return true;
}

const char *floor_verdict(const struct floor_figure *figure)
{
	if (*figure->reason)
		return verdicts[3];
	if (figure->bound == FLOOR_REPORTED)
		return verdicts[2];
	return verdicts[!floor_is_met(figure)];
}

/* Rates without digits behind the point, ratios with three, and what is small all the same. */
static const char *format_number(double number, char text[NUMBER_MAX])
{
	double size = fabs(number);

	if (size >= 1000 || size == 0)
		snprintf(text, NUMBER_MAX, "%.0f", number);
	else if (size >= 100)
		snprintf(text, NUMBER_MAX, "%.1f", number);
	else if (size >= 0.1)
		snprintf(text, NUMBER_MAX, "%.3f", number);
	else
		snprintf(text, NUMBER_MAX, "%.2g", number);
	return text;
}

static const char *format_limit(const struct floor_figure *figure, char text[NUMBER_MAX])
{
	char number[NUMBER_MAX];

	if (figure->bound == FLOOR_REPORTED)
		return "";
	/* As the target is written: 0.98, 1, 2048 */
	snprintf(number, sizeof(number), "%.6g", figure->limit);
	snprintf(text, NUMBER_MAX, "%s%.20s",
		 figure->bound == FLOOR_AT_LEAST ? ">=" : "<=", number);
	return text;
}

static void print_head(FILE *out, const struct widths *widths)
{
	fprintf(out, FORMAT, "", widths->what, "what", widths->unit, "unit", "target", "median",
		"min", "max", "runs", "");
}

static void print_figure(FILE *out, const struct floor_figure *figure, const struct widths *widths)
{
	const struct spread *spread = &figure->spread;
	char limit[NUMBER_MAX], median[NUMBER_MAX], min[NUMBER_MAX], max[NUMBER_MAX], n[NUMBER_MAX];

	if (*figure->reason) {
		fprintf(out, "%-4s %-*s %s: %s\n", figure->target, widths->what, figure->what,
			floor_verdict(figure), figure->reason);
		return;
	}
	snprintf(n, sizeof(n), "%u", figure->n);
	fprintf(out, FORMAT, figure->target, widths->what, figure->what, widths->unit, figure->unit,
		format_limit(figure, limit), format_number(spread->median, median),
		format_number(spread->min, min), format_number(spread->max, max), n,
		floor_verdict(figure));
}

static void show(const struct floor_figure *figure)
{
	print_figure(stdout, figure, &live_widths);
	fflush(stdout);
}

void floor_print_head(FILE *out)
{
	print_head(out, &live_widths);
}

void floor_add(struct floor *floor, const char *what, const char *unit, struct spread spread,
	       uint32_t n, enum floor_bound bound, double limit)
{
	struct floor_figure *figure = new_figure(floor, what);

	if (!figure)
		return;
	snprintf(figure->unit, sizeof(figure->unit), "%s", unit);
	figure->spread = spread;
	figure->n = n;
	figure->bound = bound;
	figure->limit = limit;
	if (!n)
		snprintf(figure->reason, sizeof(figure->reason), "no run was complete");
	show(figure);
}

void floor_add_ratio(struct floor *floor, const char *what, const struct versus *versus, uint32_t a,
		     uint32_t b, enum versus_measure measure, enum floor_bound bound, double limit)
{
	floor_add(floor, what, "", versus_ratio(versus, a, b, measure), versus->n_rounds, bound,
		  limit);
}

void floor_skip(struct floor *floor, const char *what, const char *format, ...)
{
	struct floor_figure *figure = new_figure(floor, what);
	va_list args;

	if (!figure)
		return;
	va_start(args, format);
	vsnprintf(figure->reason, sizeof(figure->reason), format, args);
	va_end(args);
	show(figure);
}

void floor_add_point(struct floor *floor, const char *plot, const char *line, double x,
		     struct spread y)
{
	struct floor_point *points = grow(floor, floor->points, floor->n_points, sizeof(*points));
	struct floor_point *point;

	if (!points)
		return;
	floor->points = points;
	point = &points[floor->n_points++];
	memset(point, 0, sizeof(*point));
	snprintf(point->plot, sizeof(point->plot), "%s", plot);
	snprintf(point->line, sizeof(point->line), "%s", line);
	point->x = x;
	point->y = y;
}

void floor_note(struct floor *floor, const char *format, ...)
{
	struct floor_note *notes = grow(floor, floor->notes, floor->n_notes, sizeof(*notes));
	struct floor_note *note;
	va_list args;

	if (!notes)
		return;
	floor->notes = notes;
	note = &notes[floor->n_notes++];
	memset(note, 0, sizeof(*note));
	snprintf(note->target, sizeof(note->target), "%s", floor->running);
	va_start(args, format);
	vsnprintf(note->text, sizeof(note->text), format, args);
	va_end(args);
	printf("%-4s %s\n", note->target, note->text);
	fflush(stdout);
}

static int longer(int width, const char *text)
{
	int length = (int)strlen(text);

	return length > width ? length : width;
}

void floor_print_table(FILE *out, const struct floor *floor)
{
	struct widths widths = { 0, (int)strlen("unit") };
	uint32_t n[N_VERDICTS] = { 0 };

	for (uint32_t i = 0; i < floor->n_figures; i++) {
		widths.what = longer(widths.what, floor->figures[i].what);
		widths.unit = longer(widths.unit, floor->figures[i].unit);
	}
	print_head(out, &widths);
	for (uint32_t i = 0; i < floor->n_figures; i++) {
		const struct floor_figure *figure = &floor->figures[i];

		print_figure(out, figure, &widths);
		for (int v = 0; v < N_VERDICTS; v++)
			n[v] += floor_verdict(figure) == verdicts[v];
	}
	if (floor->n_notes)
		fprintf(out, "\n");
	for (uint32_t i = 0; i < floor->n_notes; i++)
		fprintf(out, "%-4s %s\n", floor->notes[i].target, floor->notes[i].text);
	fprintf(out, "\n%u pass, %u short, %u reported, %u not measured\n", n[0], n[1], n[2], n[3]);
}

static int print_all(FILE *out, const void *what)
{
	const struct floor *floor = what;

	suite_print_head(out, floor->suite, FLOOR_TITLE);
	floor_print_table(out, floor);
	return 0;
}

int floor_write_table(const struct floor *floor, const char *path)
{
	return floor_write_file(path, print_all, floor);
}
