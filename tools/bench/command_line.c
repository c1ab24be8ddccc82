/* SPDX-License-Identifier: MIT
 * command_line.c - the command line of `ioe bench`, as fio's: options, --name=job, job files.
 * Invariants: options are taken in order; job files come after all of them, wherever they stand.
 * Threads:    the main thread.
 * Ownership:  see plan.h.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/bench/job_file.h"
#include "tools/bench/plan.h"
#include "tools/sys.h"

struct file_job {
	struct plan_builder *builder;
	bool starts_file; /* the next job is the first of a file that is not the first */
};

static int take_section(void *arg, const char *name, const char *where)
{
	struct file_job *file = arg;
	uint32_t n_jobs = file->builder->plan->n_jobs;
	int rc = plan_job(file->builder, name, where, file->starts_file);

	if (file->builder->plan->n_jobs > n_jobs)
		file->starts_file = false;
	return rc;
}

static int take_option(void *arg, const char *name, const char *text, const char *where)
{
	struct file_job *file = arg;

	return plan_option(file->builder, name, text, where);
}

static char *take_text(void *arg, const char *text, size_t length)
{
	struct file_job *file = arg;

	return plan_keep(file->builder->plan, text, length);
}

static int read_job_file(struct plan_builder *builder, const char *path, bool is_first)
{
	struct file_job file = { .builder = builder, .starts_file = !is_first };
	const struct job_file_reader reader = {
		.command = bench_table.command,
		.arg = &file,
		.section = take_section,
		.option = take_option,
		.keep = take_text,
	};

	builder->in_job = false;
	builder->is_skipped = false;
	builder->any_file = true;
	return job_file_read(&reader, path);
}

static int add_section(struct plan_builder *builder, const char *name)
{
	const char **grown =
		reallocarray(builder->sections, builder->n_sections + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	builder->sections = grown;
	builder->sections[builder->n_sections++] = name;
	return 0;
}

static int take_run_option(struct plan_builder *builder, int i, const char *text)
{
	const struct option_source source = { .command = bench_table.command };
	int rc =
		options_set(&bench_run_table, &source, i, text, builder->plan, &builder->run_given);

	if (!rc && !strcmp(option_at(&bench_run_table, i)->name, "section"))
		rc = add_section(builder, text);
	return rc;
}

/* One argument, or two where its value is one of its own. */
static int take_argument(struct plan_builder *builder, int argc, char **argv, int *at)
{
	int run = -1, job;
	const struct option_def *def = NULL;
	char name[OPTION_NAME_MAX];
	const char *text, *kept;

	(void)options_split(argv[*at], name, &text);
	job = options_find(&bench_table, name);
	if (job < 0)
		run = options_find(&bench_run_table, name);
	if (job >= 0)
		def = option_at(&bench_table, job);
	else if (run >= 0)
		def = option_at(&bench_run_table, run);
	/* fio, by getopt_long(), takes "--name value" too */
	if (def && !text && !option_is_bare(def) && *at + 1 < argc &&
	    strncmp(argv[*at + 1], "--", 2) != 0)
		text = argv[++*at];
	if (run >= 0)
		return take_run_option(builder, run, text);
	if (!strcmp(name, "name") && text && *text)
		return plan_job(builder, text, NULL, false);
	kept = plan_keep(builder->plan, name, strlen(name));
	return kept ? plan_option(builder, kept, text, NULL) : -ENOMEM;
}

int command_line_parse(int argc, char **argv, struct bench_plan *ret_plan)
{
	struct plan_builder builder;
	char name[OPTION_NAME_MAX];
	const char *text;
	bool is_first = true;
	int rc = 0;
	char *is_file;

	plan_begin(&builder, ret_plan);
	is_file = calloc((size_t)argc + 1, 1);
	if (!is_file)
		return -ENOMEM;
	for (int i = 1; !rc && i < argc; i++) {
		if (!options_split(argv[i], name, &text))
			is_file[i] = 1;
		else
			rc = take_argument(&builder, argc, argv, &i);
	}
	for (int i = 1; !rc && i < argc; i++) {
		if (!is_file[i])
			continue;
		rc = read_job_file(&builder, argv[i], is_first);
		is_first = false;
	}
	free(is_file);
	if (!rc)
		rc = plan_finish(&builder);
	free(builder.sections);
	if (rc == -ENOMEM)
		fprintf(stderr, "%s: %s\n", bench_table.command, strerror(ENOMEM));
	return rc;
}
