/*
 * frames: sends ethernet frames through a switch at a steady rate and counts what arrives.
 *
 *	frames [-t SECONDS] [-r RATE] [-s SIZE] FLOW PORT...
 *
 * A PORT is NETNS/INTERFACE (packet sockets) or the path of an ipnfs file called `port` (a call a
 * frame) or `stream` (up to 64 frames a call). A FLOW is
 *
 *	half		the first half of the ports to the second, each to all in turn (RFC 2889, 5.4)
 *	mesh		every port to all others in turn (5.1)
 *	out, in		the first port to all others in turn, and back (5.2)
 *	broadcast	the first port to the broadcast address (5.10)
 *
 * Without -r it looks for the highest rate of which at most 0.1 % is lost; -r 0 sends as fast as it
 * can. The answer is a line of JSON: frames a second delivered to all receivers together.
 * SIZE is that of the standards, with the 4 bytes of FCS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "frames.h"

#define MAX_LOSS 0.001
#define TRIALS 3
#define RESOLUTION 0.02 /* the search ends when it knows the rate this well */

struct config cfg = { .seconds = 0.15, .rate = -1, .len = 60 };

void fatal(const char *who, const char *what)
{
	fprintf(stderr, "frames: %s: ", who);
	perror(what);
	exit(1);
}

void *must(void *allocated)
{
	if (!allocated)
		fatal("memory", "malloc");
	return allocated;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void usage(void)
{
	fprintf(stderr, "usage: frames [-t SECONDS] [-r RATE] [-s SIZE] half|mesh|out|in|broadcast PORT PORT...\n");
	exit(1);
}

static double loss(const struct outcome *o)
{
	return o->offered > 0 ? 1 - o->received / o->offered : 1;
}

static void print(const struct outcome *o)
{
	printf("\"fps\":%.1f,\"sent\":%.0f,\"received\":%.0f,\"loss\":%.4f,\"p50\":%.2f,\"p99\":%.2f",
	       o->received / o->seconds, o->offered, o->received, 100 * loss(o), o->p50_us, o->p99_us);
}

/* A rate that fails is tried again: a machine that stands still for a moment is not the switch. */
static int passes(double rate, struct outcome *o)
{
	for (int i = 0; i < TRIALS; i++) {
		*o = trial(rate);
		if (loss(o) <= MAX_LOSS)
			return 1;
	}
	return 0;
}

/* Bisects; senders is by how many the rate of a trial is multiplied. */
static void search(int senders, int copies)
{
	struct outcome flood = trial(0), best = { .seconds = 1 }, o;
	double high = flood.offered / flood.seconds / senders / copies, low = 0;
	double rate = flood.received / flood.seconds / senders / copies;

	if (loss(&flood) <= MAX_LOSS) {
		best = flood;
		high = 0;
	}
	while (high - low > high * RESOLUTION && high >= 1) {
		if (passes(rate, &o)) {
			if (o.received / o.seconds > best.received / best.seconds)
				best = o;
			low = rate;
			if (o.offered / o.seconds / senders / copies < rate * 0.95)
				break; /* the senders cannot do more */
		} else {
			high = rate;
		}
		rate = (low + high) / 2;
	}
	printf("{");
	print(&best);
	printf(",\"flood_offered\":%.1f,\"flood_fps\":%.1f,\"flood_loss\":%.4f}\n", flood.offered / flood.seconds,
	       flood.received / flood.seconds, 100 * loss(&flood));
}

int main(int argc, char **argv)
{
	static struct port ports[MAX_PORTS];
	int opt, n, senders = 0, copies = 1, to[MAX_PORTS];
	flow_fn *flow;
	struct outcome o;

	while ((opt = getopt(argc, argv, "+t:r:s:")) != -1)
		switch (opt) {
		case 't': cfg.seconds = atof(optarg); break;
		case 'r': cfg.rate = atof(optarg); break;
		case 's': cfg.len = atoi(optarg) - 4; break;
		default: usage();
		}
	argv += optind;
	n = argc - optind - 1;
	if (n < 2 || n > MAX_PORTS || !(flow = flow_named(argv[0])) || cfg.len < 60 || cfg.len > MAX_SIZE)
		usage();
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	for (int i = 0; i < n; i++) {
		port_open(&ports[i], argv[1 + i], i);
		senders += flow(i, n, to) > 0;
	}
	flow(0, n, to);
	if (to[0] < 0)
		copies = n - 1;
	trial_setup(ports, n, flow);
	if (cfg.rate < 0) {
		search(senders, copies);
		return 0;
	}
	o = trial(cfg.rate);
	printf("{");
	print(&o);
	printf("}\n");
	return 0;
}
