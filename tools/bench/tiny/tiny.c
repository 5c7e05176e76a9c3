/*
 * The tiny worker of the measurements: as little as a process can be, so that
 * what is measured is the one who looks after it. In C because a Go program
 * takes several times as long to start.
 *
 * BENCH_ANNOUNCE  a FIFO: at its start it writes its pid and the monotonic
 *                 time there, and it ends when nobody reads there any more
 * BENCH_LINES     how many lines of 100 bytes it writes first, numbered from 0
 * BENCH_EVERY_MS  then a line with the monotonic time, this often
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long setting(const char *name) {
	const char *text = getenv(name);
	return text ? atol(text) : 0;
}

int main(void) {
	int64_t me[2] = {getpid(), now()};
	const char *name = getenv("BENCH_ANNOUNCE");
	int fd = name ? open(name, O_WRONLY | O_CLOEXEC) : -1;
	if (fd < 0 || write(fd, me, sizeof me) != sizeof me)
		return 1;

	char line[100];
	memset(line, 'x', sizeof line);
	line[9] = ' ';
	line[99] = '\n';
	memset(line, '0', 9);
	long lines = setting("BENCH_LINES");
	for (long i = 0; i < lines; i++) {
		if (fwrite(line, sizeof line, 1, stdout) != 1)
			return 1;
		for (int digit = 8; digit >= 0 && ++line[digit] > '9'; digit--)
			line[digit] = '0';
	}
	fflush(stdout);

	long every = setting("BENCH_EVERY_MS");
	struct pollfd reader = {.fd = fd};
	while (poll(&reader, 1, every > 0 ? every : -1) == 0) {
		printf("at %lld\n", (long long)now());
		fflush(stdout);
	}
	return 0;
}
