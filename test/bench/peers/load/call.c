/* Single calls and round trips: write, read, rtt. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

#define WARM_UP 100
#define FILL_UP 2000 /* more frames than a queue takes */
#define STREAM_CALL 65536

static size_t buffer_for(size_t size)
{
	return size < READ_BUFFER ? READ_BUFFER : size;
}

static void send_frame(int fd, const char *frame, size_t size)
{
	if (write(fd, frame, size) != (ssize_t)size)
		fatal("write");
}

static void receive_frame(int fd, char *buffer, size_t room, size_t size)
{
	if (read(fd, buffer, room) != (ssize_t)size)
		fatal("read");
}

/* One writer. Nobody receives, or (full) one who never reads and whose queue is full. */
void measure_write(size_t size, int full)
{
	struct latencies l = { 0 };
	char *frame = must(calloc(1, size));
	uint64_t start, before, after, end = cfg.seconds * 1e9;
	int idle = full ? endpoint(O_RDONLY) : -1, fd = endpoint(O_WRONLY);

	for (int i = 0; i < (full ? FILL_UP : WARM_UP); i++)
		send_frame(fd, frame, size);
	for (start = before = now_ns(); before - start < end; before = after) {
		send_frame(fd, frame, size);
		after = now_ns();
		latency_add(&l, after - before);
	}
	latency_print(&l, before - start);
	close(fd);
	close(idle);
}

/* Puts cfg.batch frames into the queue of the one receiver. */
static void fill(int stream, size_t size)
{
	static char call[STREAM_CALL];
	size_t a_call = sizeof call / (size + 2), n;

	for (size_t i = 0; i < a_call; i++)
		put_length(call + i * (size + 2), size);
	for (size_t left = cfg.batch; left; left -= n) {
		n = left < a_call ? left : a_call;
		send_frame(stream, call, n * (size + 2));
	}
}

/* One reader, offering just the frame's size. The null peers answer at once; ipnfs has only frames
 * that were sent, so they are put into the queue in batches, and only the reading is timed. */
void measure_read(size_t size)
{
	struct latencies l = { 0 };
	char *buffer = must(calloc(1, size));
	uint64_t before, after, measured = 0, end = cfg.seconds * 1e9;
	int fd = endpoint(O_RDONLY), stream = cfg.fill ? open(cfg.fill, O_WRONLY | O_CLOEXEC) : -1;

	if (cfg.fill && stream < 0)
		fatal("open of the stream file");
	while (measured < end) {
		if (cfg.fill)
			fill(stream, size);
		before = now_ns();
		for (unsigned i = 0; i < cfg.batch; i++) {
			receive_frame(fd, buffer, size, size);
			after = now_ns();
			latency_add(&l, after - before);
			measured += after - before;
			before = after;
		}
	}
	latency_print(&l, measured);
}

/* Two processes, one frame on its way at any time. */
void measure_rtt(size_t size)
{
	_Atomic int *ready = shared_memory(sizeof *ready);
	struct latencies l = { 0 };
	char *frame = must(calloc(1, size)), *buffer = must(calloc(1, buffer_for(size)));
	uint64_t start = 0, before, after = 0, end = cfg.seconds * 1e9;
	pid_t other = child();
	int fd = endpoint(O_RDWR);

	if (other == 0)
		for (*ready = 1;;) {
			receive_frame(fd, buffer, buffer_for(size), size);
			send_frame(fd, frame, size);
		}
	while (!*ready)
		usleep(1000);
	for (int i = 0; i <= WARM_UP || after - start < end; i++) {
		before = now_ns();
		if (i == WARM_UP)
			start = before;
		send_frame(fd, frame, size);
		receive_frame(fd, buffer, buffer_for(size), size);
		after = now_ns();
		if (i >= WARM_UP)
			latency_add(&l, after - before);
	}
	latency_print(&l, after - start);
	end_child(other);
}
