/* SPDX-License-Identifier: MIT
 * records.c - see records.h. */
#include "tests/crash/records.h"
#include "tests/lib/fail.h"
#include "tests/lib/memory.h"
#include "tests/lib/random.h"

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

struct head {
	uint64_t seed;
	uint32_t stream;
	uint32_t key;
	uint32_t version;
	uint32_t length;
};

uint32_t stream_file(uint32_t stream)
{
	const uint32_t which = stream % STREAMS_PER_THREAD;

	return which < FILE_GROWS ? which : FILE_GROWS + stream / STREAMS_PER_THREAD;
}

void layout_draw(struct layout *layout, uint64_t seed)
{
	struct random random = random_open_at(seed, 1);

	*layout = (struct layout){ .seed = seed };
	for (uint32_t stream = 0; stream < N_STREAMS; stream++) {
		uint64_t *end = &layout->file_bytes[stream_file(stream)];
		const uint64_t begin = *end;

		for (uint32_t key = 0; key < N_KEYS; key++) {
			layout->length[stream][key] = (uint32_t)random_between(
				&random, sizeof(struct head), RECORD_BYTES_MAX);
			layout->start[stream][key] = *end;
			*end += layout->length[stream][key];
		}
		layout->half[stream] = *end - begin;
		*end += layout->half[stream];
	}
}

uint64_t record_offset(const struct layout *layout, uint32_t stream, uint32_t key, uint32_t version)
{
	return layout->start[stream][key] + (version % 2 == 0 ? layout->half[stream] : 0);
}

static uint64_t body_seed(const struct head *head)
{
	struct random random = random_open_at(head->seed ^ head->version,
					      2 + (uint64_t)head->stream * N_KEYS + head->key);

	return random_next(&random);
}

void record_fill(const struct layout *layout, uint32_t stream, uint32_t key, uint32_t version,
		 uint8_t *bytes)
{
	const struct head head = { layout->seed, stream, key, version,
				   layout->length[stream][key] };

	memcpy(bytes, &head, sizeof(head));
	pattern_fill(bytes + sizeof(head), head.length - sizeof(head), 0, body_seed(&head));
}

/* Reads of the harness's own: as much as there is. */
static uint64_t read_at(int file, uint8_t *bytes, uint64_t length, uint64_t offset)
{
	uint64_t done = 0;

	while (file >= 0 && done < length) {
		const ssize_t n = pread(file, bytes + done, length - done, (off_t)(offset + done));

		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	return done;
}

static void say_lost(struct verdict *verdict, const struct head *expected, uint64_t n_read,
		     const uint8_t *bytes, uint64_t n_right)
{
	struct head head = { .seed = 0 };

	if (verdict->n_lost++ > 0)
		return;
	if (n_read >= sizeof(head))
		memcpy(&head, bytes, sizeof(head));
	snprintf(verdict->first, sizeof(verdict->first),
		 "file %u stream %u key %u version %u: %llu of %u bytes are right, %s %u is there",
		 stream_file(expected->stream), expected->stream, expected->key, expected->version,
		 (unsigned long long)n_right, expected->length,
		 head.seed == expected->seed ? "the head of version" : "nobody's head: version",
		 head.version);
}

static void look_at(const struct layout *layout, int file, const struct head *expected,
		    struct verdict *verdict)
{
	uint8_t found[RECORD_BYTES_MAX], right[RECORD_BYTES_MAX];
	const uint64_t n_read =
		read_at(file, found, expected->length,
			record_offset(layout, expected->stream, expected->key, expected->version));
	uint64_t n_right = 0;

	record_fill(layout, expected->stream, expected->key, expected->version, right);
	while (n_right < n_read && found[n_right] == right[n_right])
		n_right++;
	verdict->n_looked_at++;
	if (n_right < expected->length)
		say_lost(verdict, expected, n_read, found, n_right);
}

void records_look(const struct layout *layout, const int files[N_FILES],
		  const struct versions *versions, struct verdict *verdict)
{
	for (uint32_t stream = 0; stream < N_STREAMS; stream++) {
		for (uint32_t key = 0; key < N_KEYS; key++) {
			const struct head head = { layout->seed, stream, key,
						   versions->of[stream][key],
						   layout->length[stream][key] };

			if (head.version != 0)
				look_at(layout, files[stream_file(stream)], &head, verdict);
		}
	}
}
