/* names - do many things to what leads to a name
 *
 *	names SEED N
 *
 * In the working directory there are the directories a and b, a symlink l to one
 * of them, and files f in them; N times one of these is replaced, removed, made,
 * written, renamed away and back or exchanged with the other. Whatever is written
 * is a number of its own. At the end l/f is there if SEED is even, else it isn't.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned state;

static unsigned any(unsigned n)
{
	state = state * 1103515245 + 12345;
	return (state >> 16) % n;
}

static void put(const char *name, int flags, unsigned number)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u\n", number);
	int fd = open(name, O_WRONLY | flags, 0644);

	if (fd >= 0) {
		if (write(fd, text, len) != len)
			exit(1);
		close(fd);
	}
}

static void switch_link(const char *to)
{
	if (symlink(to, "l.new") == 0 && rename("l.new", "l") != 0)
		exit(1);
}

int main(int argc, char **argv)
{
	unsigned seed, n, i;

	if (argc != 3)
		return 125;
	seed = atoi(argv[1]);
	n = atoi(argv[2]);
	state = seed * 7919 + 1;
	for (i = 1; i <= n; i++) {
		const char *dir = any(2) ? "a" : "b";
		const char *other = *dir == 'a' ? "b" : "a";
		char f[8], new[16], g[8];

		snprintf(f, sizeof(f), "%s/f", dir);
		snprintf(g, sizeof(g), "%s/g", dir);
		snprintf(new, sizeof(new), "%s/f.new", dir);
		switch (any(12)) {
		case 0:
		case 1:
			put(new, O_CREAT | O_TRUNC, i);
			rename(new, f);
			break;
		case 2:
			unlink(f);
			break;
		case 3:
			put(f, O_CREAT | O_TRUNC, i);
			break;
		case 4:
			put(f, O_TRUNC, i);
			break;
		case 5:
			rename(f, g);
			break;
		case 6:
			rename(g, f);
			break;
		case 7:
			rename(dir, "away");
			if (any(2))
				mkdir(dir, 0755);
			else
				rename("away", dir);
			break;
		case 8:
			rename("away", dir); /* over it, if it is empty */
			break;
		case 9:
			syscall(SYS_renameat2, AT_FDCWD, dir, AT_FDCWD, other, 2);
			break;
		case 10:
			switch_link(dir);
			break;
		case 11:
			unlink(f);
			unlink(g);
			rmdir(dir);
			mkdir(dir, 0755);
			break;
		}
		mkdir(any(2) ? "a" : "b", 0755);
	}
	mkdir("a", 0755);
	switch_link("a");
	if (seed % 2 == 0)
		put("a/f", O_CREAT | O_TRUNC, i);
	else
		unlink("a/f");
	return 0;
}
