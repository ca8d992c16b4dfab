/*
 * vdeplug: a pair of clients of libvdeplug on one switch, to compare what a vde_switch and the
 * socket ctl of a network carry from the one to the other.
 *
 *	vdeplug VNL BYTES SECONDS	frames of so many bytes, for so long; it prints frames sent,
 *					frames received, and received frames a second
 *
 * The sender sends as fast as it may, by blocking calls, as VDE's clients do. The receiver reads all
 * that comes. Link it with -lvdeplug -lpthread.
 */
#include <libvdeplug.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static VDECONN *from, *to;
static unsigned char frame[65536];
static size_t bytes;
static atomic_ulong sent, received;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *receive(void *unused)
{
	static unsigned char room[65536];

	(void)unused;
	for (;;) {
		ssize_t n = vde_recv(to, room, sizeof room, 0);

		if (n < 0)
			fail("vdeplug: recv");
		received += (size_t)n == bytes;
	}
	return NULL;
}

static void *transmit(void *unused)
{
	(void)unused;
	for (;; sent++)
		if (vde_send(from, frame, bytes, 0) < 0)
			fail("vdeplug: send");
	return NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static const unsigned char header[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	static const unsigned char hello[60] = { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 2, 0x88, 0xb5 };
	pthread_t one, two;
	unsigned long s, r;
	double start;

	if (argc != 4 || (bytes = atoi(argv[2])) < sizeof header || bytes > sizeof frame) {
		fprintf(stderr, "usage: vdeplug VNL BYTES SECONDS\n");
		return 1;
	}
	from = vde_open(argv[1], "vdeplug: from", NULL);
	to = vde_open(argv[1], "vdeplug: to", NULL);
	if (!from || !to)
		fail("vdeplug: open");
	memcpy(frame, header, sizeof header);
	if (vde_send(to, hello, sizeof hello, 0) < 0) /* the switch learns where it is */
		fail("vdeplug: send");
	usleep(100000);
	if (pthread_create(&two, NULL, receive, NULL) || pthread_create(&one, NULL, transmit, NULL))
		fail("vdeplug: thread");
	usleep(200000);
	start = now();
	s = sent;
	r = received;
	sleep(atoi(argv[3]));
	s = sent - s;
	r = received - r;
	printf("%lu %lu %.0f\n", s, r, r / (now() - start));
	return 0;
}
