/*
 * fusehub: the least a daemon on raw /dev/fuse can do, the floor ipnfs is measured against.
 *
 *	fusehub [-r BYTES] null DIR	a WRITE is answered with its size, a READ with as many
 *					zero bytes as it asks for (at most BYTES), both at once
 *	fusehub hub DIR			a bus: what one open of DIR/port writes, all others read
 *
 * It follows what an ipnfs port does where that costs time: the same mount options, INIT answer
 * and open flags, a fresh node id for each LOOKUP, a waiting READ answered from the buffer of the
 * WRITE, a queue of 256 frames for who does not wait, a full queue drops the newcomer. One thread,
 * no rights, no poll, no settings, and a frame longer than the READ is cut. It ends with its mount.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_WRITE (1 << 20)
#define ROOT 1
#define QUEUE 256
#define OPEN_FLAGS 0x75 /* DIRECT_IO, NONSEEKABLE, STREAM, NOFLUSH, PARALLEL_DIRECT_WRITES */

/* A frame that waits in one or more queues. */
struct frame {
	unsigned refs, len;
	char data[];
};

/* A READ that waits for a frame. */
struct wait {
	struct wait *next;
	uint64_t unique;
	uint32_t size;
};

/* An open file: a port of the bus. */
struct handle {
	struct handle *next, *prev;
	int receives;
	struct wait *first, **last;
	unsigned head, count;
	struct frame *queue[QUEUE];
};

static int device, hub;
static unsigned answer_max = MAX_WRITE;
static const char *mountpoint;
static uint64_t next_node = 2;
static struct handle *handles;
static struct wait *spare_waits;
static char *request; /* the request being served */
static char zeros[MAX_WRITE];

static void reply(uint64_t unique, int error, const void *data, size_t len)
{
	struct fuse_out_header h = { .len = sizeof h + len, .error = -error, .unique = unique };
	struct iovec v[2] = { { &h, sizeof h }, { (void *)data, len } };

	/* ENOENT: the kernel has given the request up; the reader is gone. */
	if (writev(device, v, len ? 2 : 1) < 0 && errno != ENOENT)
		perror("fusehub: reply");
}

/* The port file: size 1 MiB in LOOKUP, else io_uring and libaio see an empty file. */
static struct fuse_attr attributes(uint64_t node, uint64_t size)
{
	struct fuse_attr a = { .ino = 2, .size = size, .mode = S_IFREG | 0666, .nlink = 1, .blksize = 4096 };

	if (node == ROOT)
		a = (struct fuse_attr){ .ino = ROOT, .mode = S_IFDIR | 0755, .nlink = 2, .blksize = 4096 };
	return a;
}

static void init(uint64_t unique, const struct fuse_init_in *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = in->max_readahead,
		.flags = in->flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_PARALLEL_DIROPS | FUSE_ATOMIC_O_TRUNC),
		.max_background = 64,
		.congestion_threshold = 48,
		.max_write = MAX_WRITE,
		.time_gran = 1,
		.max_pages = MAX_WRITE / 4096,
	};

	reply(unique, 0, &out, sizeof out);
}

static void lookup(uint64_t unique, uint64_t parent, const char *name)
{
	struct fuse_entry_out out = { 0 };

	if (parent != ROOT || strcmp(name, "port")) {
		reply(unique, ENOENT, NULL, 0);
		return;
	}
	out.nodeid = next_node++;
	out.attr = attributes(out.nodeid, MAX_WRITE);
	reply(unique, 0, &out, sizeof out);
}

static void readdir(uint64_t unique, const struct fuse_read_in *in)
{
	struct fuse_dirent d = { .ino = 2, .off = 1, .namelen = 4, .type = S_IFREG >> 12 };
	char entry[sizeof d + 8] = "";

	memcpy(entry, &d, sizeof d);
	memcpy(entry + sizeof d, "port", 4);
	reply(unique, 0, entry, in->offset ? 0 : sizeof entry);
}

static void open_port(uint64_t unique, const struct fuse_open_in *in)
{
	struct fuse_open_out out = { .open_flags = OPEN_FLAGS };
	struct handle *h = calloc(1, sizeof *h);

	h->receives = (in->flags & O_ACCMODE) != O_WRONLY;
	h->last = &h->first;
	h->next = handles;
	if (handles)
		handles->prev = h;
	handles = h;
	out.fh = (uintptr_t)h;
	reply(unique, 0, &out, sizeof out);
}

static void drop(struct frame *f)
{
	if (--f->refs == 0)
		free(f);
}

static struct wait *take_wait(struct handle *h, struct wait **at)
{
	struct wait *w = *at;

	*at = w->next;
	if (h->last == &w->next)
		h->last = at;
	w->next = spare_waits;
	spare_waits = w;
	return w; /* good until the next READ waits */
}

static void release(uint64_t unique, struct handle *h)
{
	while (h->first)
		reply(take_wait(h, &h->first)->unique, EBADF, NULL, 0);
	while (h->count--)
		drop(h->queue[h->head++ % QUEUE]);
	if (h->next)
		h->next->prev = h->prev;
	if (h->prev)
		h->prev->next = h->next;
	else
		handles = h->next;
	free(h);
	reply(unique, 0, NULL, 0);
}

static void read_port(uint64_t unique, const struct fuse_read_in *in)
{
	struct handle *h = (struct handle *)(uintptr_t)in->fh;
	struct wait *w;

	if (!hub) {
		reply(unique, 0, zeros, in->size < answer_max ? in->size : answer_max);
	} else if (h->count) {
		struct frame *f = h->queue[h->head++ % QUEUE];

		h->count--;
		reply(unique, 0, f->data, f->len < in->size ? f->len : in->size);
		drop(f);
	} else if (in->flags & O_NONBLOCK) {
		reply(unique, EAGAIN, NULL, 0);
	} else {
		if ((w = spare_waits))
			spare_waits = w->next;
		else
			w = malloc(sizeof *w);
		*w = (struct wait){ NULL, unique, in->size };
		*h->last = w;
		h->last = &w->next;
	}
}

static void write_port(uint64_t unique, const struct fuse_write_in *in)
{
	struct fuse_write_out out = { .size = in->size };
	struct handle *from = (struct handle *)(uintptr_t)in->fh;
	const char *data = (const char *)(in + 1);
	struct frame *f = NULL;

	for (struct handle *h = hub ? handles : NULL; h; h = h->next) {
		if (h == from || !h->receives)
			continue;
		if (h->first) {
			struct wait *w = take_wait(h, &h->first);

			reply(w->unique, 0, data, in->size < w->size ? in->size : w->size);
		} else if (h->count < QUEUE) {
			if (!f) {
				f = malloc(sizeof *f + in->size);
				f->refs = 0;
				f->len = in->size;
				memcpy(f->data, data, in->size);
			}
			f->refs++;
			h->queue[(h->head + h->count++) % QUEUE] = f;
		}
	}
	reply(unique, 0, &out, sizeof out);
}

/* One thread: the READ was served before its INTERRUPT came. So it waits, or it is answered and the
 * kernel drops our EAGAIN. An INTERRUPT itself gets no answer. */
static void interrupt(uint64_t unique, const struct fuse_interrupt_in *in)
{
	for (struct handle *h = handles; h; h = h->next)
		for (struct wait **at = &h->first; *at; at = &(*at)->next)
			if ((*at)->unique == in->unique) {
				reply(take_wait(h, at)->unique, EINTR, NULL, 0);
				return;
			}
	reply(unique, EAGAIN, NULL, 0);
}

static void serve(const struct fuse_in_header *in)
{
	const void *arg = in + 1;
	struct fuse_attr_out attr = { .attr = attributes(in->nodeid, 0) };
	struct fuse_open_out dir = { 0 };
	struct fuse_statfs_out fs = { .st = { .bsize = 4096, .namelen = 255 } };

	switch (in->opcode) {
	case FUSE_READ: read_port(in->unique, arg); return;
	case FUSE_WRITE: write_port(in->unique, arg); return;
	case FUSE_INTERRUPT: interrupt(in->unique, arg); return;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET: return;
	case FUSE_INIT: init(in->unique, arg); return;
	case FUSE_LOOKUP: lookup(in->unique, in->nodeid, arg); return;
	case FUSE_OPEN: open_port(in->unique, arg); return;
	case FUSE_RELEASE:
		release(in->unique, (struct handle *)(uintptr_t)((const struct fuse_release_in *)arg)->fh);
		return;
	case FUSE_GETATTR:
	case FUSE_SETATTR: reply(in->unique, 0, &attr, sizeof attr); return;
	case FUSE_OPENDIR: reply(in->unique, 0, &dir, sizeof dir); return;
	case FUSE_READDIR: readdir(in->unique, arg); return;
	case FUSE_STATFS: reply(in->unique, 0, &fs, sizeof fs); return;
	case FUSE_RELEASEDIR:
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_DESTROY: reply(in->unique, 0, NULL, 0); return;
	default: reply(in->unique, ENOSYS, NULL, 0);
	}
}

static void stop(int sig)
{
	(void)sig;
	umount2(mountpoint, MNT_DETACH);
	_exit(0);
}

int main(int argc, char **argv)
{
	char options[160];
	int opt;

	while ((opt = getopt(argc, argv, "r:")) != -1)
		if (opt == 'r')
			answer_max = atoi(optarg);
	if (argc - optind != 2) {
		fprintf(stderr, "usage: fusehub [-r BYTES] null|hub DIR\n");
		return 1;
	}
	hub = !strcmp(argv[optind], "hub");
	mountpoint = argv[optind + 1];
	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof options,
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions,max_read=%d",
		 device, MAX_WRITE);
	if (device < 0 || mount("fusehub", mountpoint, "fuse.fusehub", MS_NOSUID | MS_NODEV, options) < 0) {
		perror("fusehub: mount");
		return 1;
	}
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	request = aligned_alloc(4096, MAX_WRITE + 4096);
	for (;;) {
		ssize_t n = read(device, request, MAX_WRITE + 4096);

		if (n > 0)
			serve((struct fuse_in_header *)request);
		else if (errno == ENODEV)
			return 0;
		else if (errno != EINTR && errno != EAGAIN && errno != ENOENT) {
			perror("fusehub: /dev/fuse");
			return 1;
		}
	}
}
