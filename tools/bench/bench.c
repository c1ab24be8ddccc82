/* SPDX-License-Identifier: MIT
 * bench.c - `ioe bench`: from the command line to a report.
 * Invariants: nothing is opened before the options have passed every check.
 * Threads:    the main thread.
 * Ownership:  none that outlives the command.
 */
#include <stdio.h>
#include <string.h>

#include "tools/bench/fio.h"
#include "tools/bench/report.h"
#include "tools/commands.h"
#include "tools/interrupt.h"

static int run_one(const struct bench_options *options, const struct target *target,
		   const struct option_given *given)
{
	struct bench_options ready = bench_options_for(options, options->ioengine);
	struct job_result result;
	bool bad;

	if (options->output_format == BENCH_NORMAL)
		report_normal_head(stdout, &ready);
	(void)job_run(&ready, target, &result);
	bad = job_result_is_bad(&result);
	if (options->output_format == BENCH_JSON)
		bad = report_json(stdout, &result, 1, NULL, given) || bad;
	else
		report_normal(stdout, &result);
	if (result.error)
		fprintf(stderr, "ioe bench: %s\n", result.message);
	job_result_deinit(&result);
	return bad ? EXIT_FAILED : EXIT_OK;
}

static int run_versus(const struct bench_options *options, const struct target *target,
		      const struct option_given *given)
{
	const struct bench_options sides[2] = {
		bench_options_for(options, options->ioengine),
		bench_options_for(options, options->versus),
	};
	struct versus versus = { .n_results = 0 };
	bool bad;

	if (options->output_format == BENCH_NORMAL) {
		report_normal_head(stdout, &sides[0]);
		report_normal_head(stdout, &sides[1]);
	}
	bad = versus_run(sides, 2, target, (uint32_t)options->rounds, NULL, &versus) != 0;
	if (options->output_format == BENCH_JSON) {
		bad = report_json(stdout, versus.results, versus.n_results, &versus, given) || bad;
	} else {
		for (uint32_t i = 0; i < versus.n_results; i++)
			report_normal_line(stdout, &versus.results[i]);
		if (versus.n_rounds)
			report_versus_normal(stdout, &versus);
	}
	for (uint32_t i = 0; i < versus.n_results; i++) {
		if (versus.results[i].error)
			fprintf(stderr, "ioe bench: %s\n", versus.results[i].message);
	}
	versus_deinit(&versus);
	return bad ? EXIT_FAILED : EXIT_OK;
}

static int run(const struct bench_options *options, const struct option_given *given)
{
	struct bench_options b = bench_options_for(options, options->versus);
	uint32_t n_fds = job_n_fds(options);
	struct target target;
	char fio[512];
	int rc = interrupt_open();

	if (!rc && (options->ioengine == BENCH_FIO || options->versus == BENCH_FIO) &&
	    fio_find(fio, sizeof(fio))) {
		fprintf(stderr, "ioe bench: --versus=fio: fio is not installed: none in PATH\n");
		return EXIT_FAILED;
	}
	if (rc) {
		fprintf(stderr, "ioe bench: signals: %s\n", strerror(-rc));
		return EXIT_FAILED;
	}
	if (options->versus != BENCH_NO_IOENGINE && job_n_fds(&b) > n_fds)
		n_fds = job_n_fds(&b);
	rc = target_open(options, n_fds, &target);
	if (rc)
		return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	if (options->invalidate)
		target_invalidate(&target);
	if (options->versus != BENCH_NO_IOENGINE)
		rc = run_versus(options, &target, given);
	else
		rc = run_one(options, &target, given);
	target_close(&target);
	return rc;
}

/* --help, --cmdhelp and --cmdhelp=NAME, wherever they stand. True: answered. */
static bool answer_help(int argc, char **argv, int *ret_status)
{
	const char *name;

	for (int i = 1; i < argc; i++) {
		*ret_status = EXIT_OK;
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h") ||
		    !strcmp(argv[i], "--cmdhelp") || !strcmp(argv[i], "--cmdhelp=all")) {
			options_help(&bench_table);
			return true;
		}
		if (strncmp(argv[i], "--cmdhelp=", strlen("--cmdhelp=")) != 0)
			continue;
		name = argv[i] + strlen("--cmdhelp=");
		if (options_help_one(&bench_table, name))
			*ret_status = EXIT_USAGE;
		return true;
	}
	return false;
}

int bench_command(int argc, char **argv)
{
	struct bench_options options;
	struct option_given given;
	int status;

	if (answer_help(argc, argv, &status))
		return status;
	bench_options_init(&options);
	if (options_parse(&bench_table, argc, argv, &options, &given) ||
	    bench_options_check(&options, &given))
		return EXIT_USAGE;
	status = run(&options, &given);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "ioe bench: standard output: %s\n", strerror(EIO));
		return status ? status : EXIT_FAILED;
	}
	return status;
}
