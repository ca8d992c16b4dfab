/*
 * Many readers in one process: cost (CPU time of a broadcast to N readers that wait in read(2), a
 * thread with a small stack each), costqueued (the same to N that come later) and hold (10,000
 * blocked readers).
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "load.h"

#define STACK 32768
#define FRAME 64
#define ROUND 8 /* frames in a queue; few enough for a datagram socket */
#define GIVE_UP_MS 10000

static char *stacks;               /* of the reading threads */
static int *files;                 /* of readers without a thread */
static int count;                  /* readers so far */
static _Atomic int reading;        /* those that have come to their first read */
static _Atomic uint32_t received;  /* frames of this broadcast */
static _Atomic uint32_t done;      /* 1: all have it */
static _Atomic uint32_t expected;

static void *reader(void *arg)
{
	static char buffer[READ_BUFFER]; /* nobody looks into it */
	int fd = (int)(intptr_t)arg;

	reading++;
	while (read(fd, buffer, sizeof buffer) > 0)
		if (++received == expected) {
			done = 1;
			futex_wake(&done);
		}
	return NULL;
}

static void start_reader(intptr_t fd)
{
	pthread_attr_t a;
	pthread_t t;

	pthread_attr_init(&a);
	pthread_attr_setstack(&a, stacks + (size_t)count * STACK, STACK);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&t, &a, reader, (void *)fd))
		fatal("thread");
	pthread_attr_destroy(&a);
}

/* Opens ports one after the other until there are n. */
static void grow(int n)
{
	for (; count < n; count++)
		if (files)
			files[count] = endpoint(O_RDONLY);
		else
			start_reader(endpoint(O_RDONLY));
	while (!files && reading < n)
		usleep(1000);
}

static void make_room(int n)
{
	stacks = must(mmap(NULL, (size_t)n * STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

/* Writes a frame and waits until all readers have it. Returns the time it took. */
static uint64_t broadcast(int fd)
{
	static const char frame[FRAME];
	uint64_t start = now_ns();

	received = 0;
	expected = count;
	done = count == 0;
	if (write(fd, frame, sizeof frame) != sizeof frame)
		fatal("write");
	while (!done) {
		futex_wait_ms(&done, 0, GIVE_UP_MS);
		if (now_ns() - start > GIVE_UP_MS * 1000000ull) {
			fprintf(stderr, "load: only %u of %d readers got the frame\n", received, count);
			exit(1);
		}
	}
	return now_ns() - start;
}

/* A broadcast to readers that wait. Before it all are back in read(2); their READs are its cost. */
static uint64_t to_waiting(int fd)
{
	uint64_t took = broadcast(fd);

	settle(200);
	return took;
}

/* ROUND broadcasts to readers that do not wait, then each reads what it got. */
static uint64_t to_queues(int fd)
{
	static char buffer[READ_BUFFER];
	uint64_t start = now_ns();

	for (int i = 0; i < ROUND; i++)
		if (write(fd, buffer, FRAME) != FRAME)
			fatal("write");
	for (int r = 0; r < count; r++)
		for (int i = 0; i < ROUND; i++)
			if (read(files[r], buffer, sizeof buffer) != FRAME)
				fatal("read");
	return now_ns() - start;
}

/* Prints microseconds of the daemon's CPU time, and of time, for a broadcast to 0 readers and to
 * each N, the reading included. */
static void cost(int n, char **receivers, uint64_t (*round)(int), int per_round)
{
	int fd = endpoint(O_WRONLY);

	if (!cfg.daemon) {
		fprintf(stderr, "load: cost needs -d PID\n");
		exit(1);
	}
	for (int i = -1; i < n; i++) {
		uint64_t start, cpu, wall = 0, broadcasts = 0;

		grow(i < 0 ? 0 : atoi(receivers[i]));
		for (int warm = 0; warm < 5; warm++)
			round(fd);
		cpu = daemon_cpu_ns();
		for (start = now_ns(); now_ns() - start < cfg.seconds * 1e9; broadcasts += per_round)
			wall += round(fd);
		cpu = daemon_cpu_ns() - cpu;
		printf("%s\"cpu_%d\":%.3f,\"wall_%d\":%.3f", i < 0 ? "{" : ",", count,
		       cpu / 1e3 / broadcasts, count, wall / 1e3 / broadcasts);
	}
	printf("}\n");
	exit(0); /* with all threads */
}

void measure_cost(int n, char **receivers)
{
	make_room(atoi(receivers[n - 1]));
	cost(n, receivers, to_waiting, 1);
}

void measure_cost_queued(int n, char **receivers)
{
	files = must(calloc(atoi(receivers[n - 1]), sizeof *files));
	cost(n, receivers, to_queues, ROUND);
}

/* Opens n ports with a blocked reader each; then, a line on standard input each, three broadcasts
 * and the end. */
void measure_hold(int n)
{
	uint64_t start = now_ns(), took, best = UINT64_MAX;
	int fd = endpoint(O_WRONLY);

	make_room(n);
	grow(n);
	took = now_ns() - start;
	settle(50000);
	printf("{\"ports\":%d,\"open_us\":%.1f}\n", n + 1, took / 1e3 / n);
	fflush(stdout);
	if (getchar() == EOF)
		exit(0);
	for (int i = 0; i < 3; i++) {
		took = broadcast(fd);
		best = took < best ? took : best;
		settle(50000);
	}
	printf("{\"broadcast_ms\":%.2f}\n", best / 1e6);
	fflush(stdout);
	getchar();
	exit(0);
}
