/* What the parts of load share: settings, endpoints, time, latencies, waiting. */
#ifndef LOAD_H
#define LOAD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define READ_BUFFER 2048 /* what a reader of small frames offers: the cost of a read follows it */

/* Settings of the command line. */
struct config {
	int cpu;           /* -c: pin to this CPU; -1: free */
	double seconds;    /* -t: length of a measurement */
	unsigned window;   /* -w: frames the slowest reader may be behind; 0: no limit */
	pid_t daemon;      /* -d: process whose CPU time is looked at */
	const char *fill;  /* -s: stream file by which `read` fills the queue */
	unsigned batch;    /* -k: frames `read` puts into the queue at once */
	const char *transport, *path;
};
extern struct config cfg;

/* Opens one more port of the bus: open(2) of the file, or a datagram socket from the relay. */
int endpoint(int flags);
void fatal(const char *what) __attribute__((noreturn));
void *must(void *allocated);
void *shared_memory(size_t len);
/* A child that dies with its parent. */
pid_t child(void);
void end_child(pid_t pid);

uint64_t now_ns(void);
uint64_t daemon_cpu_ns(void);
/* Waits until the daemon has used no CPU time for a step. */
void settle(unsigned step_us);

void futex_wait_ms(_Atomic uint32_t *word, uint32_t value, unsigned ms);
void futex_wake(_Atomic uint32_t *word);

/* Latencies. */
struct latencies {
	uint32_t *ns;
	size_t count, room;
};
void latency_add(struct latencies *l, uint64_t ns);
/* Prints calls a second over the measured time, and the median and 99th percentile in us. */
void latency_print(struct latencies *l, uint64_t measured_ns);

/* A frame of the stream form: 2-byte big-endian length, then the frame. */
static inline void put_length(char *at, size_t len)
{
	at[0] = len >> 8;
	at[1] = len;
}

static inline size_t get_length(const char *at)
{
	return (size_t)(uint8_t)at[0] << 8 | (uint8_t)at[1];
}

/* The measurements. */
void measure_write(size_t size, int full);
void measure_read(size_t size);
void measure_rtt(size_t size);
void measure_fan(int readers, size_t size);
void measure_stream(int readers, size_t size);
void measure_cost(int count, char **receivers);
void measure_cost_queued(int count, char **receivers);
void measure_hold(int readers);

#endif
