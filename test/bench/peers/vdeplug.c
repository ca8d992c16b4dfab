/*
 * vdeplug: a pair of clients of libvdeplug on one switch, to compare what a vde_switch and the
 * socket ctl of a network carry from the one to the other.
 *
 *	vdeplug window VNL BYTES SECONDS	at most WINDOW frames of so many bytes are on their way; one thread
 *	vdeplug flood VNL BYTES SECONDS		two threads: the sender sends as fast as it may
 *
 * All calls block, as those of VDE's clients do. It prints JSON: fps, frames received a second;
 * frames, received in all; lost, the part of those sent that did not come. Link it with -lvdeplug -lpthread.
 */
#include <errno.h>
#include <libvdeplug.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST 32
#define WINDOW 64

static VDECONN *from, *to;
static unsigned char frame[65536];
static size_t bytes;
static atomic_ulong sent, received, lost;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void send_one(void)
{
	if (vde_send(from, frame, bytes, 0) < 0)
		fail("vdeplug: send");
	sent++;
}

/* Wait for a frame; 0: none came for the time of SO_RCVTIMEO. */
static int receive_one(void)
{
	static unsigned char room[65536];
	ssize_t n = vde_recv(to, room, sizeof room, 0);

	if (n < 0 && errno != EAGAIN)
		fail("vdeplug: recv");
	received += n == (ssize_t)bytes;
	return n >= 0;
}

static void *receive(void *unused)
{
	(void)unused;
	for (;;)
		receive_one();
	return NULL;
}

static void *transmit(void *unused)
{
	(void)unused;
	for (;;)
		send_one();
	return NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void window(double end)
{
	static const struct timeval patience = { .tv_usec = 50000 };

	setsockopt(vde_datafd(to), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	while (now() < end) {
		while (sent - received - lost <= WINDOW - BURST)
			for (int i = 0; i < BURST; i++)
				send_one();
		for (int i = 0; i < BURST; i++)
			if (!receive_one()) {
				lost = sent - received;
				break;
			}
	}
	while (sent - received > lost && receive_one())
		;
	lost = sent - received;
}

static void flood(double end)
{
	pthread_t one, two;

	if (pthread_create(&two, NULL, receive, NULL) || pthread_create(&one, NULL, transmit, NULL))
		fail("vdeplug: thread");
	usleep((end - now()) * 1e6);
	lost = sent - received;
}

int main(int argc, char **argv)
{
	static const unsigned char header[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	static const unsigned char hello[60] = { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 2, 0x88, 0xb5 };
	double start, seconds;

	if (argc != 5 || (bytes = atoi(argv[3])) < sizeof header || bytes > sizeof frame) {
		fprintf(stderr, "usage: vdeplug window|flood VNL BYTES SECONDS\n");
		return 2;
	}
	from = vde_open(argv[2], "vdeplug: from", NULL);
	to = vde_open(argv[2], "vdeplug: to", NULL);
	if (!from || !to)
		fail("vdeplug: open");
	memcpy(frame, header, sizeof header);
	if (vde_send(to, hello, sizeof hello, 0) < 0) /* the switch learns where it is */
		fail("vdeplug: send");
	usleep(100000);
	start = now();
	(strcmp(argv[1], "flood") ? window : flood)(start + atof(argv[4]));
	seconds = now() - start;
	printf("{\"fps\": %.0f, \"frames\": %lu, \"lost\": %.4f}\n", received / seconds, received, (double)lost / sent);
	return 0;
}
