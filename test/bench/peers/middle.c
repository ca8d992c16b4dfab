/*
 * middle: a program between two networks. What it reads from each file it writes to the other.
 *
 *	middle FILE FILE
 *
 * The files are both `port`, a frame a call, or both `stream`, as many frames a call as there are.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int file[2];

static void *copy(void *end)
{
	static char room[2][1 << 16];
	int from = end == &file[1], to = !from;

	for (;;) {
		ssize_t n = read(file[from], room[from], sizeof room[from]);

		for (ssize_t done = 0, sent; done < n; done += sent) {
			sent = write(file[to], room[from] + done, n - done);
			if (sent < 0) {
				perror("middle: write");
				exit(1);
			}
		}
		if (n <= 0 && errno != EINTR) {
			perror("middle: read");
			exit(1);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t other;

	if (argc != 3) {
		fprintf(stderr, "usage: middle FILE FILE\n");
		return 1;
	}
	for (int i = 0; i < 2; i++)
		if ((file[i] = open(argv[1 + i], O_RDWR | O_CLOEXEC)) < 0) {
			perror(argv[1 + i]);
			return 1;
		}
	if (pthread_create(&other, NULL, copy, &file[1]))
		return 1;
	copy(&file[0]);
}
