/* SPDX-License-Identifier: Apache-2.0 */
/* Many processes with open descriptors for a benchmark: forks, each child opens its files, sockets
 * and pipes; prints "ready" when all have, and lets them go when its standard input ends.
 * Arguments: processes, descriptors of each. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

/* Of each four two are files, one a socket; a pipe has two. */
static void open_all(unsigned n)
{
	static const char *const files[] = {"/etc/passwd", "/etc/group", "/etc/hosts", "/usr"};
	int ends[2];

	for (unsigned i = 0; i < n; i++) {
		int r = i % 4 == 2   ? socket(i % 8 == 2 ? AF_INET : AF_UNIX, SOCK_STREAM, 0)
			: i % 4 == 3 ? pipe(ends)
				     : open(files[i % 3], O_RDONLY);

		if (r < 0)
			_exit(1);
		i += i % 4 == 3;
	}
}

int main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 2000,
		 n_fds = argc > 2 ? (unsigned)atoi(argv[2]) : 10;
	int told[2];
	char c;

	if (pipe2(told, O_CLOEXEC) < 0) {
		perror("pipe");
		return 1;
	}
	for (unsigned i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (pid)
			continue;
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		open_all(n_fds - 5); /* 0, 1, 2 and the pipe's ends are the others */
		if (write(told[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	for (unsigned i = 0; i < n; i++)
		if (read(told[0], &c, 1) != 1)
			return 1;
	printf("ready\n");
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0; /* the children die with us */
}
