/* The reader of records: see replay.h. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay.h"

/* ------------------------------------------------------------------ names */

struct node {
	struct node *up, *child, *prev, *next;
	struct node *chain;      /* of the hash */
	unsigned seen;           /* round in which it was met in the real tree */
	char known;              /* told; else only on the way to what was told */
	char dir;
	char unsure;             /* came and went, or went and came: -s */
	char dark;               /* told by x: nothing is promised below */
	char *name;
};

static void *need(void *memory)
{
	if (memory == NULL) {
		perror("storm: memory");
		exit(2);
	}
	return memory;
}

static size_t hash(const struct node *up, const char *name, size_t len)
{
	uint64_t h = (uintptr_t)up * 0x9E3779B97F4A7C15u;
	size_t i;

	for (i = 0; i < len; i++) {
		h = (h ^ (unsigned char)name[i]) * 0x100000001B3u;
	}
	return h ^ (h >> 29);
}

static struct node **head_of(struct replay *r, const struct node *up,
		const char *name, size_t len)
{
	return &r->heads[hash(up, name, len) & (r->nheads - 1)];
}

static void rehash(struct replay *r, size_t want)
{
	struct node **old = r->heads;
	size_t i, n = r->nheads;

	r->nheads = want;
	r->heads = need(calloc(want, sizeof(*r->heads)));
	for (i = 0; i < n; i++) {
		struct node *e = old[i];

		while (e != NULL) {
			struct node *rest = e->chain;
			struct node **head = head_of(r, e->up, e->name,
					strlen(e->name));

			e->chain = *head;
			*head = e;
			e = rest;
		}
	}
	free(old);
}

static struct node *find(struct replay *r, struct node *up,
		const char *name, size_t len)
{
	struct node *e = *head_of(r, up, name, len);

	while (e != NULL && !(e->up == up && strncmp(e->name, name, len) == 0
			&& e->name[len] == '\0')) {
		e = e->chain;
	}
	return e;
}

static void attach(struct replay *r, struct node *e, struct node *up)
{
	struct node **head = head_of(r, up, e->name, strlen(e->name));

	e->up = up;
	e->prev = NULL;
	e->next = up->child;
	if (e->next != NULL) {
		e->next->prev = e;
	}
	up->child = e;
	e->chain = *head;
	*head = e;
}

static void detach(struct replay *r, struct node *e)
{
	struct node **link = head_of(r, e->up, e->name, strlen(e->name));

	while (*link != e) {
		link = &(*link)->chain;
	}
	*link = e->chain;
	if (e->prev != NULL) {
		e->prev->next = e->next;
	} else {
		e->up->child = e->next;
	}
	if (e->next != NULL) {
		e->next->prev = e->prev;
	}
}

static struct node *make(struct replay *r, struct node *up,
		const char *name, size_t len)
{
	struct node *e = find(r, up, name, len);

	if (e != NULL) {
		return e;
	}
	e = need(calloc(1, sizeof(*e)));
	e->name = need(strndup(name, len));
	attach(r, e, up);
	if (++r->nnodes > r->nheads) {
		rehash(r, r->nheads * 2);
	}
	return e;
}

static void forget(struct replay *r, struct node *e);

static unsigned long forget_below(struct replay *r, struct node *e)
{
	size_t before = r->nnodes;

	while (e->child != NULL) {
		forget(r, e->child);
	}
	return before - r->nnodes;
}

static void forget(struct replay *r, struct node *e)
{
	forget_below(r, e);
	detach(r, e);
	free(e->name);
	free(e);
	r->nnodes--;
}

/*
 * The node of a path: NULL when it is not below the root, or when it isn't
 * there and is not to be made.
 */
static struct node *walk(struct replay *r, const char *path, int wanted)
{
	struct node *e = r->top;
	size_t len = strlen(r->root);

	if (strncmp(path, r->root, len) != 0
			|| (path[len] != '\0' && path[len] != '/')) {
		return NULL;
	}
	path += len;
	while (e != NULL && *path != '\0') {
		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len > 0) {
			e = wanted ? make(r, e, path, len)
				: find(r, e, path, len);
		}
		path += len;
	}
	return e;
}

void replay_start(struct replay *r, const char *root)
{
	memset(r, 0, sizeof(*r));
	r->root = need(strdup(root));
	r->nheads = 1 << 12;
	r->heads = need(calloc(r->nheads, sizeof(*r->heads)));
	r->top = need(calloc(1, sizeof(*r->top)));
	r->top->known = r->top->dir = 1;
}

void replay_end(struct replay *r)
{
	forget_below(r, r->top);
	free(r->top);
	free(r->heads);
	free(r->root);
}

/* ---------------------------------------------------------------- records */

/* Turns \ooo back, in place. 0 when the field is not one of ours. */
static int unescape(char *field)
{
	unsigned char *from = (unsigned char *)field, *to = from;

	while (*from != '\0') {
		if (*from < ' ') {
			return 0;
		}
		if (*from == '\\') {
			unsigned value;

			if (from[1] < '0' || from[1] > '3'
					|| from[2] < '0' || from[2] > '7'
					|| from[3] < '0' || from[3] > '7') {
				return 0;
			}
			value = (from[1] - '0') * 64 + (from[2] - '0') * 8
				+ from[3] - '0';
			if (value == 0 || value == '/') {
				return 0;
			}
			*to++ = value;
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return 1;
}

/* y with FROM: the entry, and all known below it, moves from there to here. */
static int move(struct replay *r, const char *there, const char *here, int dir)
{
	struct node *from = walk(r, there, 0), *to = walk(r, here, 1), *up;
	char *name;

	if (to == NULL || to == r->top || from == r->top || from == to) {
		return 0;
	}
	for (up = to->up; up != NULL; up = up->up) {
		if (up == from) {
			return 0;       /* below itself */
		}
	}
	if (from == NULL || !from->known) {
		r->count.unknown++;
		forget_below(r, to);
		to->known = 1;
		to->dir = dir;
		to->dark = 0;
		return 1;
	}
	up = to->up;
	name = to->name;
	to->name = need(strdup(name));
	detach(r, from);                /* it may be below what it replaces */
	forget(r, to);
	free(from->name);
	from->name = name;
	from->dir = dir;
	attach(r, from, up);
	return 1;
}

static void bad(struct replay *r, const char *line)
{
	if (r->count.bad++ == 0) {
		snprintf(r->count.first_bad, sizeof(r->count.first_bad),
				"%s", line);
	}
}

/* yn/: whatever was here is replaced. */
static void arrive(struct replay *r, struct node *e, int dir, int listed)
{
	unsigned long below = forget_below(r, e);

	if (listed && e->known && e->dir == dir) {
		r->count.repeats += 1 + below;
	}
	e->known = 1;
	e->dir = dir;
	e->dark = 0;
}

static void create(struct replay *r, struct node *e, int dir)
{
	if (e->known && e->dir == dir) {
		r->count.repeats++;
	}
	e->known = 1;
	e->dir = dir;
}

void replay_record(struct replay *r, char *line, size_t len)
{
	char *field[4] = { NULL, NULL, NULL, NULL }, *s, *path, *said;
	const char *letters;
	struct node *e;
	int n = 0, ok, dir, mixed;

	said = need(strndup(line, len));
	r->count.records++;
	ok = strlen(line) == len;
	for (s = line; s != NULL && n < 4; ) {
		field[n++] = strsep(&s, "\t");
	}
	ok = ok && s == NULL && n >= 2;
	letters = field[0];
	path = NULL;
	if (ok) {
		for (n = 1; n < 4 && field[n] != NULL; n++) {
			ok = ok && unescape(field[n]);
		}
		ok = ok && letters[0] != '\0'
			&& letters[strspn(letters, "acew0rmyndDMuox./")] == '\0';
		ok = ok && (field[2] == NULL || (field[2][0] != '\0'
				&& strchr(field[2], '/') == NULL));
	}
	if (ok) {
		path = need(malloc(strlen(field[1]) + 2
				+ (field[2] ? strlen(field[2]) : 0)));
		strcpy(path, field[1]);
		if (field[2] != NULL) {
			strcat(strcat(path, "/"), field[2]);
		}
	}
	if (!ok || (e = walk(r, path, 0), strchr(letters, 'y') == NULL
			&& field[3] != NULL)) {
		bad(r, said);
		goto out;
	}
	dir = strchr(letters, '/') != NULL;

	if (strchr(letters, '.') != NULL) {
		r->count.steps++;
		ok = e == r->top;
	} else if (strchr(letters, 'o') != NULL) {
		r->count.overflows++;
		e = walk(r, path, 1);
		ok = e != NULL;
		if (ok) {
			forget_below(r, e);
			e->dark = 0;
		}
	} else if (strchr(letters, 'x') != NULL) {
		r->count.unwatched++;
		e = walk(r, path, 1);
		ok = e != NULL;
		if (ok) {
			e->dark = 1;
		}
	} else if (strpbrk(letters, "ynmd") == NULL) {
		r->count.other++;
	} else if (field[2] == NULL) {
		ok = 0;                 /* the root is no entry */
	} else if (strpbrk(letters, "yn") != NULL) {
		e = walk(r, path, 1);
		ok = e != NULL && e != r->top;
		if (ok && (!e->up->known || !e->up->dir)) {
			r->count.orphans++;
		}
		mixed = !dir && strpbrk(letters, "md") != NULL;
		if (!ok) {
			;
		} else if (field[3] != NULL) {
			r->count.moved++;
			ok = move(r, field[3], path, dir);
		} else if (strchr(letters, 'y') == NULL) {
			r->count.created++;
			create(r, e, dir);
		} else if (strchr(letters, 'n') == NULL) {
			r->count.arrived++;
			arrive(r, e, dir, 0);
		} else {
			r->count.listed++;
			arrive(r, e, dir, 1);
		}
		e = walk(r, path, 0);
		if (e != NULL) {
			e->unsure = mixed;
		}
	} else {
		if (strchr(letters, 'd') != NULL) {
			r->count.deleted++;
		} else {
			r->count.left++;
		}
		if (e == NULL || !e->known) {
			r->count.unknown++;
		}
		if (e != NULL) {
			forget(r, e);
		}
	}
	if (!ok) {
		bad(r, said);
	}
out:
	free(path);
	free(said);
}

/* -------------------------------------------------------------- comparing */

struct comparing {
	struct replay *replay;
	struct difference result;
	FILE *out;
	int show;
	char path[16384];
};

static void tell(struct comparing *c, const char *what, int dir)
{
	const char *s;

	if (c->out == NULL || c->show <= 0) {
		return;
	}
	if (--c->show == 0) {
		fprintf(c->out, "  ...\n");
		return;
	}
	fprintf(c->out, "  %s %s ", what, dir ? "dir " : "file");
	for (s = c->path; *s != '\0'; s++) {
		if ((unsigned char)*s < ' ' || *s == '\\') {
			fprintf(c->out, "\\%03o", *s);
		} else {
			putc(*s, c->out);
		}
	}
	putc('\n', c->out);
}

/* What is there: `known` is its node, NULL in a directory that was missed. */
static void compare_real(struct comparing *c, int fd, struct node *known,
		size_t len)
{
	DIR *list = fdopendir(fd);
	struct dirent *entry;

	if (list == NULL) {
		perror(c->path);
		exit(2);
	}
	while ((entry = readdir(list)) != NULL) {
		const char *name = entry->d_name;
		struct node *e = NULL;
		struct stat st;
		size_t more;
		int dir;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
			continue;
		}
		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			perror(name);
			continue;
		}
		dir = S_ISDIR(st.st_mode);
		if (len + strlen(name) + 2 > sizeof(c->path)) {
			fprintf(stderr, "storm: path too long\n");
			exit(2);
		}
		more = len + sprintf(c->path + len, "/%s", name);
		c->result.entries++;
		if (known != NULL) {
			e = find(c->replay, known, name, strlen(name));
		}
		if (e != NULL) {
			e->seen = c->replay->round;
		}
		if (e == NULL || !e->known) {
			c->result.missing++;
			tell(c, "missing", dir);
		} else if (e->dir != dir) {
			c->result.kind++;
			tell(c, "kind: is", dir);
		}
		if (dir && e != NULL && e->dark) {
			c->result.dark++;
		} else if (dir) {
			int below = openat(fd, name, O_RDONLY | O_DIRECTORY
					| O_NOFOLLOW | O_CLOEXEC);

			if (below < 0) {
				perror(c->path);
				exit(2);
			}
			compare_real(c, below, e, more);
		}
		c->path[len] = '\0';
	}
	closedir(list);
}

/* What was told, and was not met above. */
static void compare_told(struct comparing *c, struct node *up, size_t len)
{
	struct node *e;

	for (e = up->child; e != NULL; e = e->next) {
		size_t more = len;

		if (len + strlen(e->name) + 2 > sizeof(c->path)) {
			continue;
		}
		more += sprintf(c->path + len, "/%s", e->name);
		/* who is unsure looks himself, which we do here */
		if (e->known && !e->unsure && e->seen != c->replay->round) {
			c->result.extra++;
			tell(c, "extra", e->dir);
		}
		if (!(e->dark && e->seen == c->replay->round)) {
			compare_told(c, e, more);
		}
		c->path[len] = '\0';
	}
}

struct difference replay_compare(struct replay *r, FILE *out, int show)
{
	struct comparing c = { .replay = r, .out = out, .show = show };
	int fd = open(r->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		perror(r->root);
		exit(2);
	}
	r->round++;
	if (r->top->dark) {
		c.result.dark++;
		close(fd);
		return c.result;
	}
	compare_real(&c, fd, r->top, 0);
	compare_told(&c, r->top, 0);
	return c.result;
}

/* ---------------------------------------------------------- for self-test */

struct dump {
	char **lines;
	size_t n, room;
};

static void dump_below(struct dump *d, struct node *up, const char *path)
{
	struct node *e;

	for (e = up->child; e != NULL; e = e->next) {
		char *mine = need(malloc(strlen(path) + strlen(e->name) + 2));
		char *line = need(malloc(strlen(path) + strlen(e->name) + 6));

		sprintf(mine, "%s%s%s", path, *path ? "/" : "", e->name);
		sprintf(line, "%s%s%s%s\n", mine, e->dir ? "/" : "",
				e->dark ? " x" : "", e->known ? "" : " ?");
		if (d->n == d->room) {
			d->room = d->room * 2 + 16;
			d->lines = need(realloc(d->lines,
					d->room * sizeof(*d->lines)));
		}
		d->lines[d->n++] = line;
		dump_below(d, e, mine);
		free(mine);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *replay_dump(struct replay *r)
{
	struct dump d = { NULL, 0, 0 };
	char *all;
	size_t i, len = 1;

	dump_below(&d, r->top, "");
	if (d.n > 0) {
		qsort(d.lines, d.n, sizeof(*d.lines), by_name);
	}
	for (i = 0; i < d.n; i++) {
		len += strlen(d.lines[i]);
	}
	all = need(calloc(1, len));
	for (i = 0; i < d.n; i++) {
		strcat(all, d.lines[i]);
		free(d.lines[i]);
	}
	free(d.lines);
	return all;
}
