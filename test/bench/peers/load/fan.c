/*
 * One writer, N readers: fan (a call a frame) and stream (64 KiB a call).
 *
 * Nothing may be lost on the way: the writer stays at most cfg.window frames ahead of the slowest
 * reader, whose position stands in shared memory. When the window is full it sleeps until half of
 * it is free again, so the price is one futex wake-up for each half window. Each frame begins with
 * its number: what is missing or out of order is counted.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

#define STREAM_CALL 65536
#define GIVE_UP_MS 300

struct reader {
	_Alignas(64) _Atomic uint64_t next; /* the number expected next */
	_Atomic uint64_t got, wrong;
};

static struct shared {
	_Atomic uint64_t want;    /* the position the writer waits for */
	_Atomic uint32_t waiting; /* 1: the writer sleeps on this word */
	_Atomic int ready;
	struct reader reader[];
} *shared;

static int readers;
static size_t size;
static uint64_t sent, seen; /* frames written; a position all readers are known to have passed */
static unsigned stalls;

static uint64_t slowest(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < readers; i++)
		if (shared->reader[i].next < least)
			least = shared->reader[i].next;
	return least;
}

/* The writer sleeps until all readers have passed want, or gives up: then frames were lost. */
static void wait_for(uint64_t want)
{
	shared->want = want;
	shared->waiting = 1;
	for (uint64_t start = now_ns(); (seen = slowest()) < want;) {
		if (now_ns() - start > GIVE_UP_MS * 1000000ull) {
			stalls++;
			seen = want;
			break;
		}
		futex_wait_ms(&shared->waiting, 1, GIVE_UP_MS);
		shared->waiting = 1;
	}
	shared->waiting = 0;
}

static void keep_window(void)
{
	if (cfg.window && sent - seen >= cfg.window && sent - (seen = slowest()) >= cfg.window)
		wait_for(sent - cfg.window / 2);
}

/* A reader takes note of a frame. */
static void note(struct reader *r, const char *frame, size_t len)
{
	uint64_t number = 0;

	memcpy(&number, frame, sizeof number);
	if (len != size || number < r->next)
		atomic_store_explicit(&r->wrong, r->wrong + 1, memory_order_relaxed);
	else
		atomic_store_explicit(&r->next, number + 1, memory_order_release);
	atomic_store_explicit(&r->got, r->got + 1, memory_order_relaxed);
}

/* After one call's frames: is the writer waiting for just this? */
static void tell(struct reader *r)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (shared->waiting && r->next >= shared->want && slowest() >= shared->want) {
		shared->waiting = 0;
		futex_wake(&shared->waiting);
	}
}

static void read_frames(struct reader *r, int fd)
{
	static char buffer[STREAM_CALL];
	ssize_t n;

	while ((n = read(fd, buffer, size > READ_BUFFER ? sizeof buffer : READ_BUFFER)) > 0) {
		note(r, buffer, n);
		tell(r);
	}
}

/* Whole frames a call are promised; a part of one at the end is kept all the same. */
static void read_stream(struct reader *r, int fd)
{
	static char buffer[STREAM_CALL];
	size_t have = 0, at, len;
	ssize_t n;

	while ((n = read(fd, buffer + have, sizeof buffer - have)) > 0) {
		have += n;
		for (at = 0; have - at >= 2 && have - at >= 2 + (len = get_length(buffer + at)); at += 2 + len)
			note(r, buffer + at + 2, len);
		memmove(buffer, buffer + at, have - at);
		have -= at;
		tell(r);
	}
}

static void write_frame(int fd)
{
	static char frame[STREAM_CALL];

	memcpy(frame, &sent, sizeof sent);
	if (write(fd, frame, size) != (ssize_t)size)
		fatal("write");
	sent++;
}

static void write_stream(int fd)
{
	static char call[STREAM_CALL];
	size_t len = 0, done = 0;
	ssize_t n;

	while (len + 2 + size <= sizeof call) {
		put_length(call + len, size);
		memcpy(call + len + 2, &sent, sizeof sent);
		len += 2 + size;
		sent++;
	}
	for (; done < len; done += n)
		if ((n = write(fd, call + done, len - done)) <= 0)
			fatal("write");
}

static uint64_t deliveries(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < readers; i++)
		sum += shared->reader[i].got - shared->reader[i].wrong;
	return sum;
}

static void run(void (*write_some)(int), int fd, double seconds)
{
	for (uint64_t start = now_ns(); now_ns() - start < seconds * 1e9;) {
		keep_window();
		write_some(fd);
	}
}

static void measure(int count, size_t frame_size, void (*read_all)(struct reader *, int), void (*write_some)(int))
{
	pid_t pid[count];
	uint64_t start, before, wrong = 0, from;
	double elapsed;
	int fd;

	readers = count;
	size = frame_size;
	if (size < sizeof(uint64_t) || size > STREAM_CALL - 2)
		fatal("a frame must have room for its number");
	shared = shared_memory(sizeof *shared + readers * sizeof(struct reader));
	for (int i = 0; i < readers; i++)
		if ((pid[i] = child()) == 0) {
			fd = endpoint(O_RDONLY);
			shared->ready++;
			read_all(&shared->reader[i], fd);
			_exit(1);
		}
	fd = endpoint(O_WRONLY);
	while (shared->ready < readers)
		usleep(1000);

	run(write_some, fd, cfg.seconds / 5); /* warm up */
	wait_for(sent);
	before = deliveries();
	from = sent;
	stalls = 0;
	start = now_ns();
	run(write_some, fd, cfg.seconds);
	wait_for(sent);
	elapsed = (now_ns() - start) / 1e9;

	for (int i = 0; i < readers; i++) {
		wrong += shared->reader[i].wrong;
		end_child(pid[i]);
	}
	before = deliveries() - before;
	printf("{\"ops\":%.1f,\"deliveries\":%.1f,\"lost\":%lld,\"wrong\":%llu,\"stalls\":%u}\n",
	       before / elapsed / readers, before / elapsed,
	       (long long)((sent - from) * readers - before), (unsigned long long)wrong, stalls);
}

void measure_fan(int count, size_t frame_size)
{
	measure(count, frame_size, read_frames, write_frame);
}

void measure_stream(int count, size_t frame_size)
{
	measure(count, frame_size, read_stream, write_stream);
}
