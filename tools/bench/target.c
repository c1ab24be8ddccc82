/* SPDX-License-Identifier: MIT
 * target.c - the files or block devices that a job works on: which, how much of them, opening.
 * Invariants: see target.h.
 * Threads:    the main thread.
 * Ownership:  see target.h.
 */
#include "tools/bench/target.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tools/bench/job_replay.h"
#include "tools/interrupt.h"
#include "tools/sys.h"
#include "tools/units.h"

int target_complain(int rc, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "ioe: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	return rc;
}

/* ---- Names --------------------------------------------------------------------------------- */

/* DIRECTORY/NAME, where NAME is relative and there is a directory. */
static char *join(const char *directory, const char *name)
{
	char *path = NULL;
	int n = directory && *directory && *name != '/' ?
			asprintf(&path, "%s/%s", directory, name) :
			asprintf(&path, "%s", name);

	return n < 0 ? NULL : path;
}

/* The next of a:b:c, where \: is a colon of a name. Moves *list behind it; NULL: no more. */
static char *next_name(const char **list)
{
	char *name = malloc(strlen(*list) + 1), *out = name;
	const char *in = *list;

	if (!name || !*in) {
		free(name);
		return NULL;
	}
	for (; *in && *in != ':'; in++) {
		if (in[0] == '\\' && in[1] == ':')
			in++;
		*out++ = *in;
	}
	*out = 0;
	*list = *in ? in + 1 : in;
	return name;
}

static int add_file(struct target *target, char *path)
{
	const uint32_t n = target->n_files;

	if (!path)
		return -ENOMEM;
	if (n == TARGET_FILES_MAX) {
		free(path);
		return target_complain(-EINVAL, "more than %u files", TARGET_FILES_MAX);
	}
	if (n % 64 == 0) {
		void *files = realloc(target->files, (n + 64) * sizeof(*target->files));

		if (!files) {
			free(path);
			return -ENOMEM;
		}
		target->files = files;
	}
	target->files[target->n_files++] = (struct target_file){ .path = path };
	return 0;
}

/* directory=a:b: clones take them in turn. */
static int choose_directory(const struct bench_options *options, uint32_t index,
			    char **ret_directory)
{
	const char *list = options->directory;
	uint32_t n = 0;
	char *name;

	*ret_directory = NULL;
	if (!list)
		return 0;
	for (; (name = next_name(&list)); n++)
		free(name);
	list = options->directory;
	for (uint32_t i = 0; n && i <= index % n; i++) {
		free(*ret_directory);
		*ret_directory = next_name(&list);
	}
	return *ret_directory ? 0 : -ENOMEM;
}

/* filename=a:b, or as fio names them: JOB.CLONE.FILE. */
static int name_files_in(const struct bench_options *options, const char *directory, uint32_t index,
			 struct target *target)
{
	const char *list = options->filename;
	int rc = 0;

	if (list) {
		char *name;

		while (!rc && (name = next_name(&list))) {
			rc = add_file(target, join(directory, name));
			free(name);
		}
		return rc;
	}
	for (uint64_t i = 0; !rc && i < (options->nrfiles ? options->nrfiles : 1); i++) {
		char *name = NULL;

		if (asprintf(&name, "%s.%u.%llu", options->name, index, (unsigned long long)i) < 0)
			return -ENOMEM;
		for (char *at = strchr(name, '/'); at; at = strchr(at, '/'))
			*at = '.';
		rc = add_file(target, join(directory, name));
		free(name);
	}
	return rc;
}

static int name_files(const struct bench_options *options, uint32_t index, struct target *target)
{
	char *directory;
	int rc = choose_directory(options, index, &directory);

	if (!rc)
		rc = name_files_in(options, directory, index, target);
	free(directory);
	return rc;
}

/* ---- Sizes --------------------------------------------------------------------------------- */

static uint64_t per_cent(uint64_t bytes, uint64_t percent)
{
	return bytes / 100 * percent + bytes % 100 * percent / 100;
}

/* Where the area begins, in a file of so many bytes. */
static uint64_t offset_in(const struct bench_options *options, uint32_t index, uint64_t bytes)
{
	uint64_t offset = options->offset_bytes, align = options->offset_align_bytes;

	if (options->offset_percent)
		offset = per_cent(bytes, options->offset_percent);
	if (options->offset_increment_percent)
		offset += per_cent(bytes, options->offset_increment_percent) * index;
	else
		offset += options->offset_increment_bytes * index;
	if (!align && (options->offset_percent || options->offset_increment_percent))
		align = options->bs_bytes;
	return align ? offset - offset % align : offset;
}

static uint64_t least_size(const struct bench_options *options)
{
	uint64_t least = options->bs_bytes;

	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		uint64_t min = options->sizes[d].min_bytes;

		if (options->sizes[d].max_bytes && min < least)
			least = min;
	}
	return least;
}

/* The area of a file, from what is there and what was asked for. */
static int measure(const struct bench_options *options, uint32_t index, struct target *target,
		   uint32_t i)
{
	struct target_file *file = &target->files[i];
	struct pattern_area *area = &target->areas[i];
	const uint64_t have = file->have_bytes;
	/* What a per cent is of: for a file yet to be made of what it will have. */
	const uint64_t wanted = options->replay         ? replay_file_bytes(options->replay, i) :
				options->filesize_bytes ? options->filesize_bytes :
							  options->size_bytes / target->n_files;
	const uint64_t whole = have ? have : wanted;

	area->offset_bytes = options->file_append ? have : offset_in(options, index, whole);
	area->length_bytes = wanted;
	if (options->fill_device && !file->is_block_device)
		area->length_bytes = PATTERN_FILL_BYTES;
	else if (!wanted && options->size_percent && have)
		area->length_bytes = per_cent(have, options->size_percent);
	else if (!wanted)
		area->length_bytes = have > area->offset_bytes ? have - area->offset_bytes : 0;
	if (!area->length_bytes && (!have || !area->offset_bytes))
		return target_complain(-EINVAL, "%s %s: --size is needed", file->path,
				       file->exists ? "is empty" : "does not exist");
	if (area->length_bytes > INT64_MAX || area->offset_bytes > INT64_MAX - area->length_bytes)
		return target_complain(-EINVAL, "--size is larger than any file");
	if (area->length_bytes < least_size(options))
		return target_complain(-EINVAL, "%s has %llu bytes%s, less than --bs=%llu",
				       file->path, (unsigned long long)area->length_bytes,
				       area->offset_bytes ? " behind --offset" : "",
				       (unsigned long long)least_size(options));
	/* Of fill_device nothing has to be there before. */
	file->end_bytes = options->fill_device ? 0 : area->offset_bytes + area->length_bytes;
	if (file->is_block_device && file->end_bytes > have)
		return target_complain(-EINVAL, "%s has %llu bytes, less than --size=%llu%s",
				       file->path, (unsigned long long)have,
				       (unsigned long long)area->length_bytes,
				       area->offset_bytes ? " behind --offset" : "");
	if (options->readonly && file->end_bytes > have)
		return target_complain(-EINVAL,
				       "%s has %llu bytes, less than %llu, and --readonly "
				       "forbids to lay it out",
				       file->path, (unsigned long long)have,
				       (unsigned long long)file->end_bytes);
	target->size_bytes += area->length_bytes;
	return 0;
}

static void warn_of_holes(const struct bench_options *options, const struct target_file *file,
			  const struct stat *st)
{
	if (bench_is_write(options) || (uint64_t)st->st_blocks * 512 >= (uint64_t)st->st_size)
		return;
	fprintf(stderr, "ioe: note: %s is sparse: holes are read without the device\n", file->path);
}

/* The file system that a file is to be on: that of its folder. */
static int look_at_folder(struct target_file *file)
{
	char *folder = strdup(file->path), *slash = folder ? strrchr(folder, '/') : NULL;
	struct statvfs fs = { .f_bavail = 0 };
	struct stat st = { .st_dev = 0 };
	const char *name = ".";
	int rc;

	if (slash) {
		*(slash == folder ? slash + 1 : slash) = 0;
		name = folder;
	}
	rc = (int)sys_result(stat(name, &st));
	if (!rc)
		rc = (int)sys_result(statvfs(name, &fs));
	free(folder);
	file->device = st.st_dev;
	file->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return rc;
}

/* Find out what is there. */
static int look_at(const struct bench_options *options, uint32_t index, struct target_file *file)
{
	struct stat st = { .st_size = 0 };
	int rc = (int)sys_result(stat(file->path, &st));

	file->exists = !rc;
	if (rc == -ENOENT && options->allow_file_create)
		rc = look_at_folder(file);
	if (rc)
		return target_complain(rc, "%s: %s", file->path, strerror(-rc));
	if (!file->exists)
		return 0;
	rc = device_check_results(options, file->path, &st);
	if (rc)
		return rc;
	if (S_ISBLK(st.st_mode)) {
		file->is_block_device = true;
		file->device = st.st_rdev;
		return device_check(options, file->path, st.st_rdev, &file->have_bytes);
	}
	if (!S_ISREG(st.st_mode))
		return target_complain(-EINVAL, "%s is neither a regular file nor a block device",
				       file->path);
	file->have_bytes = (uint64_t)st.st_size;
	if (!index) /* once for all clones */
		warn_of_holes(options, file, &st);
	return look_at_folder(file);
}

/* The null engine opens nothing, but has offsets. */
static int resolve_null(const struct bench_options *options, struct target *target)
{
	target->areas = calloc(1, sizeof(*target->areas));
	if (!target->areas)
		return -ENOMEM;
	if (!options->size_bytes)
		return target_complain(-EINVAL, "--ioengine=null: --size is needed");
	target->areas[0].length_bytes = options->size_bytes;
	target->size_bytes = options->size_bytes;
	target->n_files = 1;
	return 0;
}

int target_resolve(const struct bench_options *options, uint32_t index, struct target *ret_target)
{
	struct target *target = ret_target;
	int rc;

	memset(target, 0, sizeof(*target));
	target->unlinks = options->unlink;
	target->syncs = options->fsync_on_close;
	if (options->rw == BENCH_NOP)
		return 0;
	if (options->ioengine == BENCH_NULL)
		return resolve_null(options, target);
	rc = name_files(options, index, target);
	if (rc)
		return rc;
	if (!target->n_files)
		return target_complain(-EINVAL, "no file to work on");
	target->areas = calloc(target->n_files, sizeof(*target->areas));
	if (!target->areas)
		return -ENOMEM;
	for (uint32_t i = 0; i < target->n_files; i++) {
		rc = look_at(options, index, &target->files[i]);
		if (!rc)
			rc = measure(options, index, target, i);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- Room ---------------------------------------------------------------------------------- */

/* Another one of the same name reaches as far, or farther: that one counts. */
static bool is_part_of_another(const struct target *const targets[], uint32_t n_targets, uint32_t t,
			       uint32_t i)
{
	const struct target_file *file = &targets[t]->files[i];

	for (uint32_t a = 0; a < n_targets; a++) {
		for (uint32_t b = 0; targets[a]->files && b < targets[a]->n_files; b++) {
			const struct target_file *other = &targets[a]->files[b];
			const bool is_before = a < t || (a == t && b < i);

			if (other->end_bytes + is_before > file->end_bytes &&
			    !strcmp(other->path, file->path))
				return true;
		}
	}
	return false;
}

static uint64_t needed(const struct target_file *file)
{
	return !file->is_block_device && file->end_bytes > file->have_bytes ?
		       file->end_bytes - file->have_bytes :
		       0;
}

/* Is this the first file of its file system? */
static bool is_first_there(const struct target *const targets[], uint32_t t, uint32_t i)
{
	const uint64_t device = targets[t]->files[i].device;

	for (uint32_t a = 0; a <= t; a++) {
		const uint32_t n = !targets[a]->files ? 0 : a == t ? i : targets[a]->n_files;

		for (uint32_t b = 0; b < n; b++) {
			if (targets[a]->files[b].device == device)
				return false;
		}
	}
	return true;
}

/* All files of this file system, from the first one on. */
static int check_file_system(const struct target *const targets[], uint32_t n_targets,
			     uint64_t device)
{
	char need[UNITS_TEXT_MAX], have[UNITS_TEXT_MAX];
	uint64_t sum = 0;

	for (uint32_t t = 0; t < n_targets; t++) {
		for (uint32_t i = 0; targets[t]->files && i < targets[t]->n_files; i++) {
			const struct target_file *file = &targets[t]->files[i];

			if (file->device != device || !needed(file) ||
			    is_part_of_another(targets, n_targets, t, i))
				continue;
			if (__builtin_add_overflow(sum, needed(file), &sum))
				sum = UINT64_MAX;
			if (sum > file->free_bytes)
				return target_complain(
					-ENOSPC, "%s: needs %s, and its file system has %s left",
					file->path,
					units_format_bytes((double)sum, UNITS_1024, need),
					units_format_bytes((double)file->free_bytes, UNITS_1024,
							   have));
		}
	}
	return 0;
}

int target_check_space(const struct target *const targets[], uint32_t n_targets)
{
	for (uint32_t t = 0; t < n_targets; t++) {
		for (uint32_t i = 0; targets[t]->files && i < targets[t]->n_files; i++) {
			int rc = 0;

			if (is_first_there(targets, t, i))
				rc = check_file_system(targets, n_targets,
						       targets[t]->files[i].device);
			if (rc)
				return rc;
		}
	}
	return 0;
}

/* ---- Opening ------------------------------------------------------------------------------- */

int target_lay_out(const struct bench_options *options, struct target *target)
{
	for (uint32_t i = 0; target->files && i < target->n_files; i++) {
		int rc = layout_file(options, &target->files[i], target->areas[i].offset_bytes);

		if (rc)
			return rc;
	}
	return 0;
}

static int open_flags(const struct bench_options *options)
{
	return (bench_is_write(options) ? O_RDWR : O_RDONLY) | O_CLOEXEC |
	       (options->direct ? O_DIRECT : 0) |
	       (options->sync == BENCH_SYNC_SYNC  ? O_SYNC :
		options->sync == BENCH_SYNC_DSYNC ? O_DSYNC :
						    0);
}

/* The devices that are open exclusively, by jobs of this process. */
static uint64_t claimed[TARGET_FDS_MAX];
static uint32_t n_claimed;

static bool is_claimed(uint64_t device)
{
	for (uint32_t i = 0; i < n_claimed; i++) {
		if (claimed[i] == device)
			return true;
	}
	return false;
}

static void unclaim(uint64_t device)
{
	for (uint32_t i = 0; i < n_claimed; i++) {
		if (claimed[i] == device)
			claimed[i] = claimed[--n_claimed];
	}
}

/* One exclusive open keeps others from mounting the device meanwhile. A clone that has the same
 * device would have its own, which the kernel allows to none but the first. -EBUSY: it is mounted,
 * or in use, since it was looked at. */
static int claim(const struct bench_options *options, struct target_file *file)
{
	int fd;

	if (is_claimed(file->device) || n_claimed == TARGET_FDS_MAX)
		return (int)sys_result(open(file->path, open_flags(options)));
	fd = (int)sys_result(open(file->path, open_flags(options) | O_EXCL));
	if (fd < 0)
		return fd;
	claimed[n_claimed++] = file->device;
	file->is_claimed = true;
	return fd;
}

static int open_file(const struct bench_options *options, struct target *target, uint32_t i,
		     uint32_t k)
{
	struct target_file *file = &target->files[i];
	const bool claims = file->is_block_device && bench_is_write(options) && !k &&
			    !options->allow_mounted_write;
	int fd = claims ? claim(options, file) :
			  (int)sys_result(open(file->path, open_flags(options)));

	if (fd < 0)
		return target_complain(
			fd == -EINVAL ? -EOPNOTSUPP : fd, "%s: %s%s", file->path, strerror(-fd),
			fd == -EINVAL && options->direct ? " (O_DIRECT refused)" : "");
	target->fds[target->n_fds++] = fd;
	return 0;
}

/* The page cache gets what the files have. */
static int read_before(const struct target *target)
{
	const size_t bytes = 1 << 20;
	char *buffer = malloc(bytes);
	int rc = buffer ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < target->n_files && !rc; i++) {
		const struct pattern_area *area = &target->areas[i];
		int64_t n = 1;

		/* After a Ctrl-C the job ends when it has begun, with a report. */
		for (uint64_t at = 0; at < area->length_bytes && n > 0 && !interrupt_seen();
		     at += (uint64_t)n)
			n = pread(target_fd(target, i, 0), buffer, bytes,
				  (off_t)(area->offset_bytes + at));
		if (n < 0)
			rc = target_complain((int)sys_result(n), "%s: pre_read failed",
					     target->files[i].path);
	}
	free(buffer);
	return rc;
}

int target_open_files(const struct bench_options *options, uint32_t n_fds, struct target *target)
{
	int rc = 0;

	if (!target->files)
		return 0;
	if ((uint64_t)n_fds * target->n_files > TARGET_FDS_MAX)
		return target_complain(-EINVAL, "%u files, each opened %u times: %u are the limit",
				       target->n_files, n_fds, TARGET_FDS_MAX);
	target->fds_per_file = n_fds;
	for (uint32_t i = 0; i < target->n_files; i++) {
		for (uint32_t k = 0; k < n_fds && !rc; k++)
			rc = open_file(options, target, i, k);
	}
	if (!rc && options->pre_read)
		rc = read_before(target);
	return rc;
}

int target_open(const struct bench_options *options, uint32_t n_fds, struct target *ret_target)
{
	const struct target *targets[] = { ret_target };
	int rc = target_resolve(options, 0, ret_target);

	if (!rc)
		rc = target_check_space(targets, 1);
	if (!rc)
		rc = target_lay_out(options, ret_target);
	if (!rc)
		rc = target_open_files(options, n_fds, ret_target);
	if (rc)
		target_close(ret_target);
	return rc;
}

void target_close(struct target *target)
{
	for (uint32_t i = 0; i < target->n_fds; i++) {
		if (target->syncs)
			(void)fsync(target->fds[i]);
		close(target->fds[i]);
	}
	for (uint32_t i = 0; target->files && i < target->n_files; i++) {
		struct target_file *file = &target->files[i];

		if (file->is_claimed)
			unclaim(file->device);
		/* Only what this run has made. */
		if (target->unlinks && target->n_fds && !file->exists)
			(void)unlink(file->path);
		free(file->path);
	}
	free(target->files);
	free(target->areas);
	target->files = NULL;
	target->areas = NULL;
	target->n_files = 0;
	target->n_fds = 0;
}

void target_invalidate(const struct target *target)
{
	for (uint32_t i = 0; i < target->n_fds; i += target->fds_per_file)
		(void)posix_fadvise(target->fds[i], 0, 0, POSIX_FADV_DONTNEED);
}
