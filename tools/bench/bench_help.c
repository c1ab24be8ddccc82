/* SPDX-License-Identifier: MIT
 * bench_help.c - what `ioe bench` says of itself: an overview, one option, the man page.
 * Invariants: --help fits a screen of 24 lines and 80 columns; docs/ioe-bench.1 is what --man
 *             prints.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include "tools/bench/bench_help.h"

#include <stdio.h>
#include <string.h>

#include "engine/ioe.h"
#include "tools/bench/plan.h"
#include "tools/commands.h"

/* Of the man page, as its text was last changed. */
#define MAN_DATE "November 30, 2026"

/* ", Rate", on a line that ends before column 80. */
static void print_groups(const struct option_table *table, const char *before, size_t *column)
{
	const struct option_def *def;

	for (int i = 0; (def = option_at(table, i)); i++) {
		if (!def->group)
			continue;
		*column += strlen(before) + strlen(def->group);
		if (*column > 78) {
			before = ",\n  ";
			*column = 2 + strlen(def->group);
		}
		printf("%s%s", before, def->group);
		before = ", ";
	}
}

static void print_overview(void)
{
	size_t column = 0;

	printf("usage: ioe bench [--option=value ...] [--name=JOB [--option=value ...]] ...\n"
	       "                 [JOBFILE ...]\n\n"
	       "Runs IO jobs and prints what they did, with the options, the job files and the\n"
	       "output of fio. Options before the first --name are of all jobs.\n\n"
	       "  ioe bench --filename=data --size=1g --rw=randread --direct --iodepth=32\n"
	       "  ioe bench --rw=nop                      what an event costs, without a device\n"
	       "  ioe bench ... --versus=raw-io_uring     beside a bare loop, A B A B ...\n"
	       "  ioe bench ... --rate_iops=1000          latency from when each IO was due\n"
	       "  ioe bench --output-format=json job.fio\n\n");
	print_groups(&bench_table, "Options are about: ", &column);
	print_groups(&bench_run_table, ", ", &column);
	printf("\n\n  --cmdhelp           list all options\n"
	       "  --cmdhelp=NAME      all that is known of one\n"
	       "  --showcmd           print a job file as a command line\n"
	       "  --parse-only        check what was given, and do nothing\n"
	       "  --man               the manual page: ioe bench --man | man -l -\n");
}

static void print_list(void)
{
	printf("%s - %s\n", bench_table.command, bench_table.summary);
	options_help_list(&bench_table);
	options_help_list(&bench_run_table);
	printf("\nSIZE is bytes, with k m g t p (1024-based); TIME has d h m s ms us behind it.\n"
	       "In ( ) is the default. %s --cmdhelp=NAME says more of one option.\n",
	       bench_table.command);
}

static const char man_head[] =
	".\\\" SPDX-License-Identifier: MIT\n"
	".\\\" Made by: ioe bench --man\n"
	".Dd " MAN_DATE "\n"
	".Dt IOE-BENCH 1\n"
	".Os\n"
	".Sh NAME\n"
	".Nm ioe-bench\n"
	".Nd run IO jobs on files and print what they did\n"
	".Sh SYNOPSIS\n"
	".Nm ioe Cm bench\n"
	".Op Fl -option Ns = Ns Ar value ...\n"
	".Op Fl -name Ns = Ns Ar job Op Fl -option Ns = Ns Ar value ...\n"
	".Ar ...\n"
	".Op Ar jobfile ...\n"
	".Sh DESCRIPTION\n"
	"Runs jobs of IO, through the engines of ioe or through reference loops that\n"
	"are written against the bare interfaces of the kernel, and prints rates,\n"
	"latencies and CPU time.\n"
	"Options, job files and output are those of\n"
	".Xr fio 1 ,\n"
	"version 3.33, where fio has them.\n"
	".Pp\n"
	"An option before the first\n"
	".Fl -name\n"
	"is of all jobs, also of those in job files; each\n"
	".Fl -name\n"
	"begins another job.\n"
	"Without any, and without a job file, what stands there is one job.\n"
	"A value may be an argument of its own, and one dash will do for two.\n"
	"An option of fio that is none here is ignored, with a note, if that cannot\n"
	"change the result, and refused otherwise.\n"
	".Sh JOB FILES\n"
	"A job file has sections,\n"
	".Ql [name] ,\n"
	"and below each one an option in a line:\n"
	".Ql name=value ,\n"
	"or the name alone where an option can do without a value.\n"
	"Each section is a job.\n"
	"A section whose name begins with\n"
	".Ql global\n"
	"is none: its options are defaults of the sections below.\n"
	"Text behind\n"
	".Ql ;\\&\n"
	"or\n"
	".Ql #\n"
	"is a comment.\n"
	".Ql ${NAME}\n"
	"is replaced by the environment variable of that name, which must be set;\n"
	".Ql $ncpus ,\n"
	".Ql $mb_memory\n"
	"and\n"
	".Ql $pagesize\n"
	"by what the machine has.\n"
	".Ql include file\n"
	"reads options of the section from another file, which has no sections.\n"
	"The first job of a second job file waits for all before it, as with\n"
	".Cm stonewall .\n"
	"The file\n"
	".Ql -\n"
	"is standard input.\n"
	".Sh UNITS\n"
	"A size is bytes, with k, m, g, t or p behind it for powers of 1024, in any\n"
	"case; kb and kib mean the same as k.\n"
	"0x begins a hexadecimal number.\n"
	"A time has d, h, m, s, ms or us behind it.\n"
	"A boolean is 0 or 1; its name alone is 1.\n"
	".Sh OPTIONS\n";

static const char man_tail[] =
	".Sh SIGNALS\n"
	".Bl -tag -width SIGUSR1\n"
	".It Dv SIGINT , SIGTERM\n"
	"ends the run in order, and prints the results so far; a second one kills.\n"
	"Before anything has run it undoes the layout, and the exit status is 1.\n"
	".It Dv SIGUSR1\n"
	"prints the results so far.\n"
	".El\n"
	".Sh EXIT STATUS\n"
	".Bl -tag -width 0\n"
	".It 0\n"
	"All jobs ended well, or were ended by SIGINT.\n"
	".It 1\n"
	"A job failed; the results of the others are printed.\n"
	".It 2\n"
	"What was asked for makes no sense.\n"
	"Nothing was made or written.\n"
	".El\n"
	".Sh EXAMPLES\n"
	"Random reads of 4 KiB, 32 at a time:\n"
	".Dl ioe bench --filename=data --size=1g --rw=randread --direct --iodepth=32\n"
	".Pp\n"
	"The same beside a bare loop, in turn:\n"
	".Dl ioe bench --filename=data --size=1g --rw=randread --direct --iodepth=32 \\e\n"
	".Dl \\& --runtime=5 --time_based --versus=raw-io_uring\n"
	".Pp\n"
	"What an event costs, without a device:\n"
	".Dl ioe bench --rw=nop\n"
	".Sh SEE ALSO\n"
	".Xr fio 1\n";

static void print_man(void)
{
	fputs(man_head, stdout);
	options_man(&bench_table);
	options_man(&bench_run_table);
	fputs(man_tail, stdout);
}

static int print_one(const char *name)
{
	static const struct option_table *const tables[] = { &bench_table, &bench_run_table };
	const struct option_source source = { .command = bench_table.command };
	int rc;

	if (!options_help_one(&bench_table, name) || !options_help_one(&bench_run_table, name))
		return EXIT_OK;
	rc = fio_option_check(&source, name, NULL);
	if (rc > 0)
		rc = options_refuse_unknown(tables, 2, &source, name);
	return rc ? EXIT_USAGE : EXIT_OK;
}

bool bench_help_answer(int argc, char **argv, int *ret_status)
{
	*ret_status = EXIT_OK;
	for (int i = 1; i < argc; i++) {
		char name[OPTION_NAME_MAX];
		const char *text;

		if (!strcmp(argv[i], "-h"))
			return print_overview(), true;
		if (!options_split(argv[i], name, &text))
			continue;
		if (!strcmp(name, "help"))
			return print_overview(), true;
		if (!strcmp(name, "man"))
			return print_man(), true;
		if (!strcmp(name, "version"))
			return printf("ioe-%s\n", ioe_version()), true;
		if (strcmp(name, "cmdhelp") != 0)
			continue;
		if (!text || !strcmp(text, "all"))
			print_list();
		else
			*ret_status = print_one(text);
		return true;
	}
	return false;
}
