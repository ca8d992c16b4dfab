/* Trials: a sender and a receiver thread for each port. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "frames.h"

#define MAX_BURST 256       /* frames a late sender makes up for; what is above, it leaves out */
#define LEAST_SLEEP 50000   /* ns */
#define QUIET 50            /* ms without a frame: nothing more comes */
#define SAMPLES (1 << 18)   /* latencies kept of each receiver */

/* What each frame carries behind the ethernet header. */
struct stamp {
	uint32_t trial;
	uint64_t sent_ns;
} __attribute__((packed));

struct sender {
	struct port *port;
	struct batch batch;
	int to[MAX_PORTS], destinations, next;
	double rate; /* of this trial */
	uint64_t sent, took_ns;
	pthread_t thread;
};

/* A receiver begins anew with the first frame of a trial. */
struct receiver {
	struct port *port;
	pthread_t thread;
	uint32_t *ns;
	_Alignas(64) _Atomic uint32_t trial;
	_Atomic uint64_t frames;
};

static struct port *ports;
static int count;
static struct sender senders[MAX_PORTS];
static struct receiver receivers[MAX_PORTS];
static _Atomic uint32_t current;

static void take(void *arg, const uint8_t *payload)
{
	struct receiver *r = arg;
	struct stamp s;
	uint64_t frames;

	memcpy(&s, payload, sizeof s);
	if (s.trial == 0 || s.trial != atomic_load(&current))
		return; /* one that teaches addresses, or comes late */
	if (s.trial != atomic_load_explicit(&r->trial, memory_order_relaxed)) {
		atomic_store(&r->frames, 0);
		atomic_store(&r->trial, s.trial);
	}
	frames = atomic_load_explicit(&r->frames, memory_order_relaxed);
	if (frames < SAMPLES)
		r->ns[frames] = now_ns() - s.sent_ns;
	atomic_store_explicit(&r->frames, frames + 1, memory_order_release);
}

static void *receive(void *arg)
{
	struct receiver *r = arg;

	for (;;)
		port_receive(r->port, take, r);
	return NULL;
}

/* Addresses and stamps the next n frames. */
static void fill(struct sender *s, size_t n, uint32_t trial)
{
	static const uint8_t everyone[6] = { 255, 255, 255, 255, 255, 255 };
	struct stamp stamp = { trial, now_ns() };

	for (size_t i = 0; i < n; i++) {
		uint8_t *frame = batch_frame(&s->batch, i);
		int to = trial && s->destinations ? s->to[s->next] : -1;

		if (++s->next >= s->destinations)
			s->next = 0;
		memcpy(frame, to < 0 ? everyone : ports[to].mac, 6);
		memcpy(frame + 6, s->port->mac, 6);
		memcpy(frame + HEADER, &stamp, sizeof stamp);
	}
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Sends for the length of a trial. It sleeps while nothing is due: the switch may need its CPU. */
static void *send_all(void *arg)
{
	struct sender *s = arg;
	uint64_t start = now_ns(), base = start, end = start + cfg.seconds * 1e9, now;
	double paced = 0; /* frames sent since base */

	for (s->sent = 0; (now = now_ns()) < end;) {
		size_t n = s->batch.room;

		if (s->rate > 0) {
			double due = (now - base) * s->rate / 1e9 + 1 - paced;

			if (due < 1) {
				uint64_t next = base + (paced + 1) * 1e9 / s->rate;

				sleep_until(next > now + LEAST_SLEEP ? next : now + LEAST_SLEEP);
				continue;
			}
			if (due > MAX_BURST) {
				base = now;
				paced = 0;
				due = MAX_BURST;
			}
			if (due < n)
				n = due;
		}
		fill(s, n, atomic_load(&current));
		port_send(s->port, &s->batch, n);
		s->sent += n;
		paced += n;
	}
	s->took_ns = now - start;
	return NULL;
}

static uint64_t received(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < count; i++)
		if (atomic_load(&receivers[i].trial) == atomic_load(&current))
			sum += atomic_load(&receivers[i].frames);
	return sum;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void latencies(struct outcome *o)
{
	uint32_t *all = must(malloc(sizeof *all * SAMPLES * count));
	size_t n = 0;

	for (int i = 0; i < count; i++) {
		struct receiver *r = &receivers[i];
		uint64_t frames = atomic_load_explicit(&r->frames, memory_order_acquire);

		if (atomic_load(&r->trial) != atomic_load(&current))
			continue;
		frames = frames < SAMPLES ? frames : SAMPLES;
		memcpy(all + n, r->ns, frames * sizeof *all);
		n += frames;
	}
	if (n) {
		qsort(all, n, sizeof *all, by_value);
		o->p50_us = all[n / 2] / 1e3;
		o->p99_us = all[n * 99 / 100] / 1e3;
	}
	free(all);
}

void trial_setup(struct port *p, int n, flow_fn *flow)
{
	ports = p;
	count = n;
	for (int i = 0; i < n; i++) {
		struct sender *s = &senders[i];
		struct receiver *r = &receivers[i];

		s->port = r->port = &p[i];
		s->batch = batch_make();
		s->destinations = flow(i, n, s->to);
		r->ns = must(malloc(sizeof *r->ns * SAMPLES));
		if (pthread_create(&r->thread, NULL, receive, r))
			fatal(p[i].name, "thread");
	}
}

/* Each port says where it is, so that no frame of the trial goes to an unknown address. */
static void teach(void)
{
	for (int i = 0; i < count; i++) {
		fill(&senders[i], 1, 0);
		port_send(&ports[i], &senders[i].batch, 1);
	}
	usleep(5000);
}

struct outcome trial(double rate)
{
	static uint32_t number;
	struct outcome o = { 0 };
	uint64_t before, after = 0;

	teach();
	atomic_store(&current, ++number);
	for (int i = 0; i < count; i++) {
		senders[i].rate = rate;
		if (senders[i].destinations && pthread_create(&senders[i].thread, NULL, send_all, &senders[i]))
			fatal(ports[i].name, "thread");
	}
	for (int i = 0; i < count; i++) {
		struct sender *s = &senders[i];

		if (!s->destinations)
			continue;
		pthread_join(s->thread, NULL);
		o.offered += s->sent * (s->to[0] < 0 ? count - 1 : 1);
		if (s->took_ns / 1e9 > o.seconds)
			o.seconds = s->took_ns / 1e9;
	}
	for (int quiet = 0; quiet < QUIET && after < o.offered; quiet++) {
		usleep(1000);
		before = after;
		after = received();
		if (after != before)
			quiet = 0;
	}
	o.received = received();
	if (o.received > o.offered) {
		fprintf(stderr, "frames: %.0f received of %.0f offered: some came twice\n", o.received, o.offered);
		exit(1);
	}
	latencies(&o);
	return o;
}
