/*
 * Whoever replays the records of `watchlet -r -i -p - DIR:nymd` arrives at the
 * true tree: this is such a reader, and the comparison with the true tree.
 *
 * The rules are the table "Records" of docs/design.md, taken word by word and
 * without any cleverness that a plain consumer would not have.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include <stddef.h>
#include <stdio.h>

struct node;

struct counts {
	unsigned long records;
	unsigned long created;   /* n   */
	unsigned long listed;    /* yn  */
	unsigned long arrived;   /* y without FROM */
	unsigned long moved;     /* y with FROM */
	unsigned long deleted;   /* d   */
	unsigned long left;      /* m   */
	unsigned long overflows; /* o   */
	unsigned long unwatched; /* x   */
	unsigned long steps;     /* .   */
	unsigned long other;     /* letters that do not change the tree */
	unsigned long repeats;   /* told what was known: n of a known entry */
	unsigned long unknown;   /* d, m, or FROM of what was not known */
	unsigned long orphans;   /* entry in a directory that was not known */
	unsigned long bad;       /* not a record, or one nobody can follow */
	char first_bad[256];
};

struct replay {
	char *root;              /* PATH as the watcher was given it */
	struct node *top;
	struct node **heads;     /* hash of (parent, name) */
	size_t nheads, nnodes;
	unsigned round;          /* of comparing */
	struct counts count;
};

struct difference {
	unsigned long entries;   /* in the real tree, where compared */
	unsigned long missing;   /* there, but not told */
	unsigned long extra;     /* told, but not there */
	unsigned long kind;      /* told as a directory and is none, or v.v. */
	unsigned long dark;      /* directories told by x: not compared below */
};

void replay_start(struct replay *r, const char *root);
void replay_end(struct replay *r);

/* One record, without its newline. The line is taken apart in place. */
void replay_record(struct replay *r, char *line, size_t len);

/* Walks the real tree. Says at most `show` differences on `out`. */
struct difference replay_compare(struct replay *r, FILE *out, int show);

static inline unsigned long differences(const struct difference *d)
{
	return d->missing + d->extra + d->kind;
}

/* Everything known, one sorted line each; for the self-test. malloc'ed. */
char *replay_dump(struct replay *r);

#endif
