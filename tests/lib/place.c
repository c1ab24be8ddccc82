/* SPDX-License-Identifier: MIT
 * place.c - see place.h. */
#include "tests/lib/place.h"
#include "tests/lib/disk.h"
#include "tests/lib/fail.h"
#include "tests/lib/memory.h"
#include "tests/lib/process.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>
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

static uint32_t sector_bytes(void)
{
	return (uint32_t)process_number("IOE_TEST_SECTOR", 0);
}

bool place_is_device(enum place place)
{
	return sector_bytes() != 0 && (place == PLACE_DISK || place == PLACE_DISK_DIRECT);
}

void place_needs_file(enum place place, const char *what)
{
	if (place_is_device(place))
		support_skip("a block device has no %s", what);
}

bool place_is_memory(enum place place)
{
	struct statfs fs;

	if (place_is_device(place))
		return false;
	must_sys(statfs(place_parent(place), &fs));
	return fs.f_type == TMPFS_MAGIC;
}

/* A new file, opened plainly and once more with these flags (-1 and errno if they are refused). */
static int new_file(const char *parent, int flags, int *ret_again)
{
	char dir[4096 - 16], path[4096];
	int plain, error;

	snprintf(dir, sizeof(dir), "%s/ioe-test-XXXXXX", parent);
	must(mkdtemp(dir) != NULL, "mkdtemp %s: %s", dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/file", dir);
	plain = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	error = errno;
	*ret_again = open(path, O_RDWR | O_CLOEXEC | flags);
	if (plain >= 0)
		error = errno;
	unlink(path);
	rmdir(dir);
	must(plain >= 0, "create %s: %s", path, strerror(error));
	errno = error;
	return plain;
}

int place_backing(uint64_t size)
{
	int again;
	const int file = new_file(place_parent(PLACE_DISK), 0, &again);

	must_sys(ftruncate(file, (off_t)size));
	close(again);
	return file;
}

static int new_device(enum place place, uint64_t size, uint64_t seed, int more_flags)
{
	const uint64_t sector = sector_bytes();
	const uint64_t whole =
		size > 0 ? (size + sector - 1) / sector * sector : PLACE_DEVICE_BYTES;
	const int direct = place_is_direct(place) ? O_DIRECT : 0;
	const int file = place_backing(whole);
	const int device = disk_over(file, (uint32_t)sector, direct | more_flags);

	close(file);
	/* Through the device, so that it is in its page cache as a file's bytes are in its own:
	 * of a cold one aio may be given less, and go on with another request. */
	if (size > 0)
		file_fill(device, 0, whole, seed);
	if (size > 0 && direct != 0)
		must_sys(fdatasync(device));
	return device;
}

int place_file(enum place place, uint64_t size, uint64_t seed, int more_flags)
{
	int plain, fd;

	if (place_is_device(place))
		return new_device(place, size, seed, more_flags);
	plain = new_file(place_parent(place), (place_is_direct(place) ? O_DIRECT : 0) | more_flags,
			 &fd);
	if (fd < 0 && errno == EINVAL && place_is_direct(place))
		support_skip("O_DIRECT is refused in %s", place_parent(place));
	must(fd >= 0, "open in %s: %s", place_parent(place), strerror(errno));
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
	const int again = file_reopen(fd, O_RDONLY);
	/* Of a block device too, of which fstat() says 0. */
	const uint64_t size = (uint64_t)must_sys(lseek(again, 0, SEEK_END));

	close(again);
	return size;
}

void file_make_cold(int fd)
{
	must_sys(fdatasync(fd));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
}
