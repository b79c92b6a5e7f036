/* One process that turns the tree upside down. */
#ifndef OPS_H
#define OPS_H

#include <stdint.h>
#include <stdio.h>

enum { MILD, NASTY };

struct tally {
	unsigned long tried, done;      /* system calls that change something */
};

struct ops {
	uint64_t seed;
	int worker;
	int count;                      /* operations, of one or more calls */
	int type;                       /* MILD or NASTY */
	int warm;                       /* warm directories made beforehand */
	int closed;                     /* nothing outside takes part */
	int pause_us;                   /* now and then wait up to so long */
	int ask, answer;                /* --slow: after each call; else -1 */
	FILE *log;                      /* may be NULL */
	struct tally *tally;            /* shared with the parent */
};

/* Both work below the working directory, in "tree" and in "outside". */
void ops_warm(const struct ops *);
void ops_run(const struct ops *);

#endif
