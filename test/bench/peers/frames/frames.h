/* What the parts of frames share: ports, trials, settings. */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define ETHERTYPE 0x88b5 /* IEEE 802: local experiments; no host's stack cares for it */
#define HEADER 14
#define BATCH 64         /* frames a call, where a call takes several */
#define MAX_PORTS 64
#define MAX_SIZE 9018

/* Settings of the command line. */
struct config {
	double seconds; /* -t: length of a trial */
	double rate;    /* -r: frames a second of each sender; below 0: search */
	size_t len;     /* -s: length of a frame, without the FCS, which virtual links do not carry */
};
extern struct config cfg;

/* A port of the switch: an interface in a network namespace, or a file of ipnfs. */
struct port {
	const char *name; /* NETNS/INTERFACE, or the path of a file `port` or `stream` */
	enum { DEVICE, FRAME_FILE, STREAM_FILE } kind;
	int tx, rx;
	uint8_t mac[6];
};

/* Frames behind one another, each behind the 2-byte length of ipnfs's stream. */
struct batch {
	size_t stride, room; /* bytes from one to the next, and how many there are */
	uint8_t *at;
};

void port_open(struct port *p, const char *name, int index);
/* Sends the first n frames of a batch. What the port refuses for want of room is lost. */
void port_send(struct port *p, struct batch *b, size_t n);
/* Waits for frames and calls `each` with the bytes behind the ethernet header of every one. */
void port_receive(struct port *p, void (*each)(void *arg, const uint8_t *payload), void *arg);

struct batch batch_make(void);
uint8_t *batch_frame(struct batch *b, size_t i);

/* Who sends to whom: destinations of port i of n, in turn. Returns how many; -1 is broadcast. */
typedef int flow_fn(int i, int n, int to[MAX_PORTS]);
flow_fn *flow_named(const char *name);

/* One trial. */
struct outcome {
	double offered, received; /* frames; a broadcast is offered to each receiver */
	double seconds;           /* for which was sent */
	double p50_us, p99_us;    /* from before the sender's call until after the receiver's */
};
void trial_setup(struct port *ports, int n, flow_fn *flow);
struct outcome trial(double rate);

void fatal(const char *who, const char *what) __attribute__((noreturn));
void *must(void *allocated);
uint64_t now_ns(void);

#endif
