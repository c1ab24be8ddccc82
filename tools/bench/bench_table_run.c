/* SPDX-License-Identifier: MIT
 * bench_table_run.c - options of `ioe bench` that are of the whole run.
 * Invariants: they stand on the command line only.
 * Threads:    any; all is const.
 * Ownership:  none.
 */
#include <string.h>

#include "tools/bench/bench_options.h"
#include "tools/bench/plan.h"
#include "tools/sys.h"

static const struct option_choice formats[] = {
	{ "normal", BENCH_NORMAL, "text, as fio's" },
	{ "json", BENCH_JSON, "with fio's keys, and an object \"ioe\"" },
	{ "json+", BENCH_JSON_PLUS, "the same, with every bucket of the latencies" },
	{ NULL, 0, NULL },
};

const struct option_choice bench_etas[] = {
	{ "auto", BENCH_ETA_AUTO, "on a terminal" },
	{ "always", BENCH_ETA_ALWAYS, "also elsewhere" },
	{ "never", BENCH_ETA_NEVER, "no live line" },
	{ NULL, 0, NULL },
};

static int parse_format(const struct option_def *def, const char *text, void *values,
			char why[OPTION_WHY_MAX])
{
	uint64_t format;
	int rc;

	if (strstr(text, "terse") || strchr(text, ',')) {
		snprintf(why, OPTION_WHY_MAX, "%s; it can be normal, json, json+",
			 strchr(text, ',') ? "there is one format at a time" :
					     "there is no terse format here");
		return -EINVAL;
	}
	rc = options_parse_choice(def->choices, text, &format, why);
	if (!rc)
		memcpy((char *)values + def->offset, &format, sizeof(format));
	return rc;
}

/* The command line collects them. */
static int parse_section(const struct option_def *def, const char *text, void *values,
			 char why[OPTION_WHY_MAX])
{
	(void)def;
	(void)values;
	if (*text)
		return 0;
	snprintf(why, OPTION_WHY_MAX, "is empty");
	return -EINVAL;
}

#define AT(field) .offset = offsetof(struct bench_plan, field)

static const struct option_def rows[] = {
	{ .group = "Run",
	  .name = "output",
	  .type = OPTION_STRING,
	  AT(output),
	  .min = 1,
	  .form = "FILE",
	  .initial_help = "standard output",
	  .help = "write the results to a file" },
	{ .name = "output-format",
	  .type = OPTION_VALUE,
	  AT(output_format),
	  .form = "FORMAT",
	  .initial = "normal",
	  .choices = formats,
	  .parse = parse_format,
	  .help = "of the results" },
	{ .name = "eta",
	  .type = OPTION_CHOICE,
	  AT(eta),
	  .initial = "auto",
	  .choices = bench_etas,
	  .help = "live line" },
	{ .name = "eta-newline",
	  .type = OPTION_TIME,
	  AT(eta_newline_ns),
	  .unit = NS_PER_SECOND,
	  .initial_help = "never",
	  .help = "begin another line so often" },
	{ .name = "status-interval",
	  .type = OPTION_TIME,
	  AT(status_interval_ns),
	  .unit = NS_PER_SECOND,
	  .min = 100 * NS_PER_MSEC,
	  .initial_help = "never",
	  .help = "print the results so far so often" },
	{ .name = "readonly",
	  .type = OPTION_BOOL,
	  AT(readonly),
	  .initial = "0",
	  .help = "refuse jobs that write" },
	{ .name = "section",
	  .type = OPTION_VALUE,
	  .form = "NAME",
	  .parse = parse_section,
	  .initial_help = "all",
	  .help = "run the job of this name only; may be given several times" },
	{ .name = "parse-only",
	  .type = OPTION_BOOL,
	  AT(parse_only),
	  .initial = "0",
	  .help = "check all options, and do nothing" },
	{ .name = "showcmd",
	  .type = OPTION_BOOL,
	  AT(showcmd),
	  .initial = "0",
	  .help = "print the jobs as a command line, and do nothing" },
	{ .name = NULL },
};

const struct option_table bench_run_table = {
	.command = "ioe bench",
	.summary = "run IO jobs on files and print what they did",
	.parts = (const struct option_def *const[]){ rows, NULL },
};
