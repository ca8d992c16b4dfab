/*
 * load: the load generator for ipnfs and for every peer it is compared with, so that all of them are
 * driven by the same code.
 *
 *	load [OPTIONS] file PATH  MODE ARGS	each open(2) of PATH is a port (ipnfs, fusehub, gofuse)
 *	load [OPTIONS] dgram PATH MODE ARGS	each connection to the relay at PATH is a port
 *
 *	write SIZE, writefull SIZE	calls a second of write(2); full: to one receiver that never reads
 *	read SIZE			calls a second of read(2); with -s from a queue filled beforehand
 *	rtt SIZE			round trips of two processes
 *	fan N SIZE			one writer, N readers, a call a frame
 *	stream N SIZE			the same on ipnfs's stream file, 64 KiB a call
 *	cost N...			CPU time of the daemon (-d) for a broadcast to N waiting readers
 *	costqueued N...			the same to N readers that do not wait
 *	hold N				N blocked readers; a line on standard input starts each next step
 *
 * Each prints a line of JSON. The options are in load.h.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load.h"

struct config cfg = { .cpu = -1, .seconds = 0.25, .window = 64, .batch = 1000 };

static void usage(void)
{
	fprintf(stderr, "usage: load [-c CPU] [-t SECONDS] [-w WINDOW] [-d PID] [-s STREAM] [-k FRAMES]\n"
			"            file|dgram PATH write|writefull|read|rtt|fan|stream|cost|costqueued|hold ARGS\n");
	exit(1);
}

static void pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cfg.cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) < 0)
		fatal("sched_setaffinity");
}

int main(int argc, char **argv)
{
	struct rlimit files;
	const char *mode;
	int opt;

	while ((opt = getopt(argc, argv, "+c:t:w:d:s:k:")) != -1)
		switch (opt) {
		case 'c': cfg.cpu = atoi(optarg); break;
		case 't': cfg.seconds = atof(optarg); break;
		case 'w': cfg.window = atoi(optarg); break;
		case 'd': cfg.daemon = atoi(optarg); break;
		case 's': cfg.fill = optarg; break;
		case 'k': cfg.batch = atoi(optarg); break;
		default: usage();
		}
	argv += optind;
	argc -= optind;
	if (argc < 4)
		usage();
	cfg.transport = argv[0];
	cfg.path = argv[1];
	mode = argv[2];
	if (cfg.cpu >= 0)
		pin();
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);

	if (!strcmp(mode, "write"))
		measure_write(atoi(argv[3]), 0);
	else if (!strcmp(mode, "writefull"))
		measure_write(atoi(argv[3]), 1);
	else if (!strcmp(mode, "read"))
		measure_read(atoi(argv[3]));
	else if (!strcmp(mode, "rtt"))
		measure_rtt(atoi(argv[3]));
	else if (!strcmp(mode, "fan") && argc == 5)
		measure_fan(atoi(argv[3]), atoi(argv[4]));
	else if (!strcmp(mode, "stream") && argc == 5)
		measure_stream(atoi(argv[3]), atoi(argv[4]));
	else if (!strcmp(mode, "cost"))
		measure_cost(argc - 3, argv + 3);
	else if (!strcmp(mode, "costqueued"))
		measure_cost_queued(argc - 3, argv + 3);
	else if (!strcmp(mode, "hold"))
		measure_hold(atoi(argv[3]));
	else
		usage();
	return 0;
}
