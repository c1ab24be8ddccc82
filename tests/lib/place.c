/* SPDX-License-Identifier: MIT
 * place.c - see place.h. */
#include "tests/lib/place.h"
#include "tests/lib/fail.h"
#include "tests/lib/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 65536

const char *place_name(enum place place)
{
	static const char *const names[] = { "disk", "disk_direct", "shm", "shm_direct" };

	return names[place];
}

bool place_is_direct(enum place place)
{
	return place == PLACE_DISK_DIRECT || place == PLACE_SHM_DIRECT;
}

static const char *place_parent(enum place place)
{
	const char *given = getenv("IOE_TEST_DIR");

	if (place == PLACE_SHM || place == PLACE_SHM_DIRECT)
		return "/dev/shm";
	return given != NULL && given[0] != '\0' ? given : "/var/tmp";
}

int place_file(enum place place, uint64_t size, uint64_t seed, int more_flags)
{
	char dir[4096 - 16], path[4096];
	int plain, fd;

	snprintf(dir, sizeof(dir), "%s/ioe-test-XXXXXX", place_parent(place));
	must(mkdtemp(dir) != NULL, "mkdtemp %s: %s", dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/file", dir);
	plain = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	fd = open(path, O_RDWR | O_CLOEXEC | (place_is_direct(place) ? O_DIRECT : 0) | more_flags);
	unlink(path);
	rmdir(dir);
	must(plain >= 0, "create %s: %s", path, strerror(errno));
	if (fd < 0 && errno == EINVAL && place_is_direct(place))
		support_skip("O_DIRECT is refused in %s", place_parent(place));
	must(fd >= 0, "open %s: %s", path, strerror(errno));
	if (size > 0)
		file_fill(plain, 0, size, seed);
	/* Direct IO to a dirty page cache would have to write it out first. */
	if (size > 0 && place == PLACE_DISK_DIRECT)
		must_sys(fdatasync(plain));
	close(plain);
	return fd;
}

int file_reopen(int fd, int flags)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	if (again < 0 && errno == EINVAL && (flags & O_DIRECT) != 0)
		support_skip("O_DIRECT is refused");
	must(again >= 0, "open %s: %s", path, strerror(errno));
	return again;
}

void file_fill(int fd, uint64_t offset, uint64_t size, uint64_t seed)
{
	uint8_t chunk[CHUNK];
	const int plain = file_reopen(fd, O_WRONLY);

	for (uint64_t done = 0; done < size;) {
		const uint64_t n = size - done < CHUNK ? size - done : CHUNK;

		pattern_fill(chunk, n, offset + done, seed);
		must(pwrite(plain, chunk, n, (off_t)(offset + done)) == (ssize_t)n, "pwrite: %s",
		     strerror(errno));
		done += n;
	}
	close(plain);
}

int64_t file_differs(int fd, uint64_t offset, uint64_t size, uint64_t seed)
{
	uint8_t chunk[CHUNK];
	const int plain = file_reopen(fd, O_RDONLY);
	int64_t differs = -1;

	for (uint64_t done = 0; done < size && differs < 0;) {
		const uint64_t n = size - done < CHUNK ? size - done : CHUNK;
		const ssize_t got = pread(plain, chunk, n, (off_t)(offset + done));
		int64_t at;

		must_sys(got);
		at = pattern_differs(chunk, (uint64_t)got, offset + done, seed);
		if (at >= 0)
			differs = (int64_t)(offset + done) + at;
		else if ((uint64_t)got < n)
			differs = (int64_t)(offset + done) + got;
		done += n;
	}
	close(plain);
	return differs;
}

uint64_t file_size(int fd)
{
	struct stat st;

	must_sys(fstat(fd, &st));
	return (uint64_t)st.st_size;
}

void file_make_cold(int fd)
{
	must_sys(fdatasync(fd));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
}
