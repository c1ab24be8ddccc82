/* SPDX-License-Identifier: MIT
 * floor_json.c - what the floor suite found, as JSON: one document, read by whoever compares runs.
 * Invariants: a figure that was not measured has a reason, and no numbers.
 * Threads:    the main thread.
 * Ownership:  the document is built and freed in floor_write_json(); the *_new() ones of jansson
 *             hand their references on to what they are put into.
 */
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "engine/ioe.h"
#include "tools/machine.h"
#include "tools/suite/floor_parts.h"

#define TEXT_MAX 600

/* JSON has no way to write what is not finite. */
static json_t *real(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *whole(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static void set_spread(json_t *object, struct spread spread)
{
	json_object_set_new(object, "median", real(spread.median));
	json_object_set_new(object, "min", real(spread.min));
	json_object_set_new(object, "max", real(spread.max));
}

static json_t *machine_object(const struct suite_options *suite)
{
	json_t *object = json_object();
	char text[TEXT_MAX];

	machine_type(text, sizeof(text));
	json_object_set_new(object, "machine", json_string(text));
	machine_kernel(text, sizeof(text));
	json_object_set_new(object, "kernel", json_string(text));
	machine_cpu(text, sizeof(text));
	json_object_set_new(object, "cpu", json_string(text));
	machine_file_system(suite->job.filename, text, sizeof(text));
	json_object_set_new(object, "file_system", json_string(text));
	return object;
}

static json_t *options_object(const struct suite_options *suite)
{
	json_t *object = json_object();

	json_object_set_new(object, "filename", json_string(suite->job.filename));
	json_object_set_new(object, "size_bytes", whole(suite->job.size_bytes));
	json_object_set_new(object, "runtime_ns", whole(suite->job.runtime_ns));
	json_object_set_new(object, "search_ns", whole(suite->search_ns));
	json_object_set_new(object, "rounds", whole(suite->job.rounds));
	json_object_set_new(object, "quick", json_boolean(suite->quick));
	if (suite->only)
		json_object_set_new(object, "only", json_string(suite->only));
	return object;
}

static json_t *figure_object(const struct floor_figure *figure)
{
	static const char *const bounds[] = {
		[FLOOR_AT_LEAST] = "at least",
		[FLOOR_AT_MOST] = "at most",
	};
	json_t *object = json_object();

	json_object_set_new(object, "target", json_string(figure->target));
	json_object_set_new(object, "what", json_string(figure->what));
	json_object_set_new(object, "verdict", json_string(floor_verdict(figure)));
	if (*figure->reason) {
		json_object_set_new(object, "reason", json_string(figure->reason));
		return object;
	}
	json_object_set_new(object, "unit", json_string(figure->unit));
	if (figure->bound != FLOOR_REPORTED) {
		json_object_set_new(object, "bound", json_string(bounds[figure->bound]));
		json_object_set_new(object, "limit", real(figure->limit));
	}
	set_spread(object, figure->spread);
	json_object_set_new(object, "runs", whole(figure->n));
	return object;
}

static json_t *point_object(const struct floor_point *point)
{
	json_t *object = json_object();

	json_object_set_new(object, "plot", json_string(point->plot));
	json_object_set_new(object, "line", json_string(point->line));
	json_object_set_new(object, "x", real(point->x));
	set_spread(object, point->y);
	return object;
}

static json_t *note_object(const struct floor_note *note)
{
	json_t *object = json_object();

	json_object_set_new(object, "target", json_string(note->target));
	json_object_set_new(object, "text", json_string(note->text));
	return object;
}

static json_t *document_new(const struct floor *floor)
{
	json_t *document = json_object(), *figures = json_array(), *points = json_array();
	json_t *notes = json_array();
	char text[TEXT_MAX];
	time_t now = time(NULL);
	struct tm utc;

	snprintf(text, sizeof(text), "ioe-%s", ioe_version());
	json_object_set_new(document, "ioe version", json_string(text));
	json_object_set_new(document, "commit",
			    json_string(*floor->suite->commit ? floor->suite->commit : "unknown"));
	json_object_set_new(document, "timestamp", whole((uint64_t)now));
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	json_object_set_new(document, "time", json_string(text));
	json_object_set_new(document, "machine", machine_object(floor->suite));
	json_object_set_new(document, "options", options_object(floor->suite));
	for (uint32_t i = 0; i < floor->n_figures; i++)
		json_array_append_new(figures, figure_object(&floor->figures[i]));
	json_object_set_new(document, "figures", figures);
	for (uint32_t i = 0; i < floor->n_points; i++)
		json_array_append_new(points, point_object(&floor->points[i]));
	json_object_set_new(document, "points", points);
	for (uint32_t i = 0; i < floor->n_notes; i++)
		json_array_append_new(notes, note_object(&floor->notes[i]));
	json_object_set_new(document, "notes", notes);
	return document;
}

static int print_document(FILE *out, const void *document)
{
	if (json_dumpf(document, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) ||
	    fputc('\n', out) == EOF)
		return -EIO;
	return 0;
}

int floor_write_json(const struct floor *floor, const char *path)
{
	json_t *document = document_new(floor);
	int rc = floor_write_file(path, print_document, document);

	json_decref(document);
	return rc;
}
