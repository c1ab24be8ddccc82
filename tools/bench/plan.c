/* SPDX-License-Identifier: MIT
 * plan.c - a run as it is put together from what stands on the command line and in job files.
 * Invariants: see plan.h.
 * Threads:    the main thread.
 * Ownership:  see plan.h; everything that is not a job hangs on plan->memory.
 */
#include "tools/bench/plan.h"

#include <stdlib.h>
#include <string.h>

#include "tools/sys.h"

#define EVENTS_STEP 64

struct plan_text {
	struct plan_text *next;
	char text[];
};

/* What stood there, in order, for plan_show(). */
struct plan_event {
	const char *name; /* NULL: a job, or [global] if job is UINT32_MAX, begins */
	const char *text; /* NULL: none */
	uint32_t job;
};

struct plan_memory {
	struct plan_text *texts;
	struct plan_event *events;
	size_t n_events;
};

static struct plan_memory *memory_of(struct bench_plan *plan)
{
	if (!plan->memory)
		plan->memory = calloc(1, sizeof(struct plan_memory));
	return plan->memory;
}

char *plan_keep(struct bench_plan *plan, const char *text, size_t length)
{
	struct plan_memory *memory = memory_of(plan);
	struct plan_text *copy = memory ? malloc(sizeof(*copy) + length + 1) : NULL;

	if (!copy)
		return NULL;
	memcpy(copy->text, text, length);
	copy->text[length] = '\0';
	copy->next = memory->texts;
	memory->texts = copy;
	return copy->text;
}

static int note_event(struct bench_plan *plan, uint32_t job, const char *name, const char *text)
{
	struct plan_memory *memory = memory_of(plan);
	struct plan_event *grown;

	if (!memory)
		return -ENOMEM;
	if (memory->n_events % EVENTS_STEP == 0) {
		grown = reallocarray(memory->events, memory->n_events + EVENTS_STEP,
				     sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		memory->events = grown;
	}
	memory->events[memory->n_events++] =
		(struct plan_event){ .name = name, .text = text, .job = job };
	return 0;
}

void plan_deinit(struct bench_plan *plan)
{
	struct plan_memory *memory = plan->memory;

	while (memory && memory->texts) {
		struct plan_text *text = memory->texts;

		memory->texts = text->next;
		free(text);
	}
	if (memory)
		free(memory->events);
	free(memory);
	free(plan->jobs);
	free(plan->given);
	memset(plan, 0, sizeof(*plan));
}

void plan_begin(struct plan_builder *ret_builder, struct bench_plan *ret_plan)
{
	memset(ret_builder, 0, sizeof(*ret_builder));
	memset(ret_plan, 0, sizeof(*ret_plan));
	options_init(&bench_run_table, ret_plan);
	bench_options_init(&ret_builder->defaults);
	ret_builder->plan = ret_plan;
}

static bool is_left_out(const struct plan_builder *builder, const char *name)
{
	for (uint32_t i = 0; i < builder->n_sections; i++) {
		if (!strcmp(builder->sections[i], name))
			return false;
	}
	return builder->n_sections > 0;
}

/* Another job, with the defaults so far. */
static int add_job(struct plan_builder *builder, const char *name, const char *where, bool is_named)
{
	const struct option_source source = { .command = bench_table.command };
	struct bench_plan *plan = builder->plan;
	struct bench_options *job;
	struct option_given *given;
	uint32_t n_max = 2 * builder->n_jobs_max + 8;

	if (plan->n_jobs == builder->n_jobs_max) {
		struct bench_options *jobs = reallocarray(plan->jobs, n_max, sizeof(*jobs));
		struct option_given *givens;

		if (!jobs)
			return -ENOMEM;
		plan->jobs = jobs;
		givens = reallocarray(plan->given, n_max, sizeof(*givens));
		if (!givens)
			return -ENOMEM;
		plan->given = givens;
		builder->n_jobs_max = n_max;
	}
	job = &plan->jobs[plan->n_jobs];
	given = &plan->given[plan->n_jobs];
	*job = builder->defaults;
	*given = plan->global;
	memcpy(given->inherited, given->bits, sizeof(given->bits));
	job->name = name;
	job->origin = where ? where : "";
	plan->n_jobs++;
	/* fio lists the name among the options of a job where it was one, on the command line. */
	if (is_named && !where)
		(void)options_set(&bench_table, &source, options_find(&bench_table, "name"), name,
				  job, given);
	return note_event(plan, plan->n_jobs - 1, NULL, NULL);
}

int plan_job(struct plan_builder *builder, const char *name, const char *where, bool starts_file)
{
	struct bench_plan *plan = builder->plan;
	int rc;

	builder->is_skipped = false;
	if (!strncmp(name, "global", strlen("global"))) {
		builder->in_job = false;
		return note_event(plan, UINT32_MAX, NULL, NULL);
	}
	builder->in_job = true;
	builder->any_job = true;
	builder->is_skipped = is_left_out(builder, name);
	if (builder->is_skipped)
		return 0;
	rc = add_job(builder, name, where, true);
	if (!rc && starts_file)
		rc = plan_option(builder, "stonewall", NULL, where);
	return rc;
}

int plan_option(struct plan_builder *builder, const char *name, const char *text, const char *where)
{
	static const struct option_table *const tables[] = { &bench_table, &bench_run_table };
	struct bench_plan *plan = builder->plan;
	uint32_t last = plan->n_jobs - 1;
	struct bench_options *options = &builder->defaults;
	struct option_given *given = &plan->global;
	struct option_source source = { .command = bench_table.command, .where = where };
	int i = options_find(&bench_table, name), rc;

	if (builder->is_skipped)
		return 0;
	if (builder->in_job) {
		options = &plan->jobs[last];
		given = &plan->given[last];
		source.job = options->name;
	}
	if (i >= 0) {
		rc = options_set(&bench_table, &source, i, text, options, given);
	} else if (where && options_find(&bench_run_table, name) >= 0) {
		rc = options_refuse(&source, name, text,
				    "is an option of the command line, not of a job");
	} else {
		rc = fio_option_check(&source, name, text);
		if (rc > 0)
			rc = options_refuse_unknown(tables, where ? 1 : 2, &source, name);
	}
	if (i >= 0)
		name = option_at(&bench_table, i)->name;
	return rc ? rc : note_event(plan, builder->in_job ? last : UINT32_MAX, name, text);
}

/* Without a job of its own a command line is one. */
static int add_only_job(struct plan_builder *builder)
{
	struct option_given *given = &builder->plan->global;
	const char *name = builder->defaults.name;
	int rc = add_job(builder, name, NULL, false);

	if (!rc)
		memset(builder->plan->given[0].inherited, 0, sizeof(given->inherited));
	memset(given, 0, sizeof(*given));
	return rc;
}

static int refuse_job(const struct bench_plan *plan, uint32_t index, const char *why)
{
	struct option_source source = bench_source(&plan->jobs[index], &plan->given[index]);

	option_source_print(stderr, &source);
	fprintf(stderr, "%s\n", why);
	return -EINVAL;
}

/* What makes sense for a job, but not beside the others or with the run. */
static int check_job_in_run(const struct bench_plan *plan, uint32_t index)
{
	const struct bench_options *job = &plan->jobs[index];
	bool is_found = !job->wait_for;

	if (plan->readonly && bench_is_write(job))
		return refuse_job(plan, index, "the job writes, and --readonly forbids it");
	if (job->versus != BENCH_NO_IOENGINE && (plan->n_jobs > 1 || job->numjobs > 1))
		return refuse_job(plan, index,
				  "--versus compares the engines of one job, not of several");
	for (uint32_t i = 0; i < index; i++) {
		if (!is_found && !strcmp(plan->jobs[i].name, job->wait_for))
			is_found = true;
	}
	if (!is_found)
		return refuse_job(plan, index, "wait_for: there is no job of that name before it");
	return 0;
}

/* Walls and groups, as fio counts them. */
static void set_groups(struct bench_plan *plan)
{
	uint64_t wall = 0, group = 0;

	for (uint32_t i = 0; i < plan->n_jobs; i++) {
		struct bench_options *job = &plan->jobs[i];

		wall += i && job->stonewall;
		group += i && (job->stonewall || job->new_group);
		job->wall = wall;
		job->group = group;
		job->output_format = plan->output_format;
		job->eta = plan->eta;
		job->readonly = plan->readonly;
		job->output = plan->output;
	}
}

int plan_finish(struct plan_builder *builder)
{
	struct bench_plan *plan = builder->plan;
	int rc = 0;

	free(builder->sections);
	builder->sections = NULL;
	if (!plan->n_jobs && (builder->any_job || builder->any_file)) {
		fprintf(stderr, "%s: %s\n", bench_table.command,
			builder->any_job ? "--section: there is no job of that name" :
					   "there is no [section] in the job file, and so no job");
		return -EINVAL;
	}
	if (!plan->n_jobs)
		rc = add_only_job(builder);
	set_groups(plan);
	for (uint32_t i = 0; !rc && i < plan->n_jobs; i++) {
		rc = bench_options_check(&plan->jobs[i], &plan->given[i]);
		if (!rc)
			rc = check_job_in_run(plan, i);
	}
	return rc;
}

/* A word as a shell takes it. */
static void show_word(FILE *out, const char *text)
{
	if (!text[strcspn(text, " \t\n\"'\\$&|;<>()*?[]#~`!{}")]) {
		fputs(text, out);
		return;
	}
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc(*text, out);
	}
	fputc('\'', out);
}

void plan_show(FILE *out, const struct bench_plan *plan)
{
	const struct plan_memory *memory = plan->memory;
	bool any_job = false;

	fputs(bench_table.command, out);
	for (size_t i = 0; memory && i < memory->n_events; i++) {
		const struct plan_event *event = &memory->events[i];
		bool is_global = event->job == UINT32_MAX;

		/* Before the first job all options are global; the name of a job is that which it
		 * got in the end. */
		if (!event->name && (!is_global || any_job)) {
			fputs(" --name=", out);
			show_word(out, is_global ? "global" : plan->jobs[event->job].name);
		}
		any_job = any_job || !is_global;
		if (!event->name || !strcmp(event->name, "name"))
			continue;
		fprintf(out, " --%s", event->name);
		if (event->text) {
			fputc('=', out);
			show_word(out, event->text);
		}
	}
	fputc('\n', out);
}
