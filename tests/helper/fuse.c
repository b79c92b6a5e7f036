/* fuse - a filesystem in memory that lies
 *
 *	fuse [-u UID] DIR [WORD]...   mount it on DIR; once that is done prints the
 *	                              process number of its server, and ends
 *
 * It speaks the protocol of /dev/fuse itself: no library is needed, and none minds what
 * we get wrong. What is made, moved and removed by way of it is, and the kernel
 * keeps nothing, but asks for each name anew. With -u it belongs to UID, and nobody
 * else may look into it, nor may root: what fusermount does for a user. WORDs:
 *
 *	EIO ESTALE EACCES ENOENT   a directory of that name is listed, but to look it up
 *	                           fails like this
 *	isfile      a file that is listed as a directory
 *	isdir       a directory that is listed as a file
 *	unknown     a directory of which the list doesn't say what it is
 *	again       a directory that is the same one as the last of the WORDs
 *	nameless    the list has an entry whose name begins with a NUL, twice
 *	dots        the list is full of "." and ".."
 *	slash       a directory in the list of which one entry is called "../up"
 *	long        the list has a file and a directory with names of 1,000 bytes
 *	twice       the list has all twice
 *	endless     a directory whose list never ends
 *	back        a directory whose list begins again and again
 *	sameino     all have one inode number
 *	newino      each answer has another inode number
 *	slow        each answer takes 20 ms
 *	hang        a directory that is listed; to look it up is never answered, and
 *	            said on standard error
 *
 * Any other WORD is a directory like any other.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { NODES = 1024, NAME = 4096, BUFFER = 64 * 1024 };

/* ids are indexes; that of the top is FUSE_ROOT_ID, 1 */
static struct node {
	unsigned parent;        /* 0: there is none */
	mode_t mode;            /* 0: a free node */
	const char *lie;        /* the WORD it was made for, or NULL */
	char name[NAME];
} nodes[NODES];

static int fd;
static unsigned last = FUSE_ROOT_ID;    /* the highest id in use */
static uint64_t answers;
static int nameless, dots, long_names, twice, same_ino, new_ino, slow;
static const char *const global[] = { "nameless", "dots", "long", "twice", "sameino", "newino", "slow", NULL };
static int *const flag[] = { &nameless, &dots, &long_names, &twice, &same_ino, &new_ino, &slow };

static int die(const char *what)
{
	fprintf(stderr, "fuse: %s: %s\n", what, strerror(errno));
	return 125;
}

static void answer(uint64_t unique, int error, const void *data, size_t size)
{
	struct fuse_out_header out = { .unique = unique, .error = -error };
	struct iovec parts[2] = { { &out, sizeof(out) }, { (void *)data, error ? 0 : size } };
	const struct timespec time = { 0, 20 * 1000 * 1000 };

	if (slow)
		nanosleep(&time, NULL);
	answers++;
	out.len = sizeof(out) + parts[1].iov_len;
	/* ENOENT: who asked has been killed */
	if (writev(fd, parts, 2) < 0 && errno != ENOENT)
		exit(die("answer"));
}

static int is(const struct node *n, const char *lie)
{
	return n->lie && strcmp(n->lie, lie) == 0;
}

static unsigned find(unsigned parent, const char *name)
{
	unsigned i;

	for (i = 1; i <= last; i++)
		if (nodes[i].parent == parent && strcmp(nodes[i].name, name) == 0)
			return i;
	return 0;
}

/* An id is never given to another: the kernel may still have it */
static unsigned make(unsigned parent, const char *name, mode_t mode)
{
	struct node *n;

	if (last + 1 == NODES || strlen(name) >= NAME)
		return 0;
	n = &nodes[++last];
	n->parent = parent;
	n->mode = mode;
	strcpy(n->name, name);
	return last;
}

static void put_attr(struct fuse_attr *attr, unsigned id)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = same_ino ? 7 : new_ino ? 1000 + answers : id;
	attr->mode = nodes[id].mode;
	attr->nlink = 1;
	attr->uid = geteuid();
	attr->blksize = 4096;
}

static void put_entry(struct fuse_entry_out *entry, unsigned id)
{
	memset(entry, 0, sizeof(*entry));
	entry->nodeid = id;
	put_attr(&entry->attr, id);
}

static void answer_entry(uint64_t unique, unsigned id)
{
	struct fuse_entry_out entry;

	if (is(&nodes[id], "again"))
		id--;
	put_entry(&entry, id);
	answer(unique, 0, &entry, sizeof(entry));
}

static void lookup(uint64_t unique, unsigned parent, const char *name)
{
	static const struct { const char *name; int error; } errors[] = {
		{ "EIO", EIO }, { "ESTALE", ESTALE }, { "EACCES", EACCES }, { "ENOENT", ENOENT },
	};
	unsigned id = find(parent, name), i;

	if (id && is(&nodes[id], "hang")) {
		fprintf(stderr, "hangs\n");
		return;
	}
	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (id && is(&nodes[id], errors[i].name)) {
			answer(unique, errors[i].error, NULL, 0);
			return;
		}
	if (id)
		answer_entry(unique, id);
	else
		answer(unique, ENOENT, NULL, 0);
}

/* Adds an entry of a list, if there is room. off: where the next begins */
static int put_dirent(char *buffer, unsigned *used, unsigned size, uint64_t off,
		const char *name, unsigned len, int type)
{
	struct fuse_dirent *d = (struct fuse_dirent *)(buffer + *used);

	if (*used + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len) > size)
		return 0;
	memset(d, 0, FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len));
	d->ino = same_ino ? 7 : 1000 + off;
	d->off = off;
	d->namelen = len;
	d->type = type;
	memcpy(d->name, name, len);
	*used += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len);
	return 1;
}

/* What a list has at off that is in no table; 0 when there is no more */
static int put_lie(const struct node *dir, char *buffer, unsigned *used, unsigned size, unsigned off)
{
	static const char *const dot[] = { ".", "..", ".\0x", "..\0x" };
	unsigned n = off - 2 * NODES;
	char name[1001];

	if (is(dir, "slash"))
		return n < 1 && put_dirent(buffer, used, size, off + 1, "../up", 5, DT_DIR);
	if (dir != &nodes[FUSE_ROOT_ID])
		return 0;
	if (nameless && n < 2)
		return put_dirent(buffer, used, size, off + 1, "\0no", 3, n ? DT_DIR : DT_REG);
	if (dots && n < 400)
		return put_dirent(buffer, used, size, off + 1, dot[n % 4], 1 + n % 2 + n / 2 % 2 * 2, DT_DIR);
	if (long_names && n < 2) {
		memset(name, 'a' + n, 1000);
		return put_dirent(buffer, used, size, off + 1, name, 1000, n ? DT_DIR : DT_REG);
	}
	return 0;
}

static void list(uint64_t unique, unsigned id, uint64_t off, unsigned size)
{
	char buffer[BUFFER], name[32];
	unsigned used = 0;

	if (size > sizeof(buffer))
		size = sizeof(buffer);
	if (is(&nodes[id], "endless")) {
		/* one by one, and each is another */
		sprintf(name, "e%llu", (unsigned long long)off);
		put_dirent(buffer, &used, size, off + 1, name, strlen(name), DT_REG);
	} else if (is(&nodes[id], "back")) {
		put_dirent(buffer, &used, size, 0, "b", 1, DT_REG);
	}
	while (used == 0 || (!is(&nodes[id], "endless") && !is(&nodes[id], "back"))) {
		const struct node *n = &nodes[off % NODES];

		if (off >= (twice ? 2 : 1) * NODES) {
			if (off < 2 * NODES)
				off = 2 * NODES;
			if (!put_lie(&nodes[id], buffer, &used, size, off))
				break;
		} else if (n->parent == id
		 && !put_dirent(buffer, &used, size, off + 1, n->name, strlen(n->name),
			is(n, "isfile") ? DT_DIR : is(n, "isdir") ? DT_REG
			: is(n, "unknown") ? DT_UNKNOWN : (int)IFTODT(n->mode))
		) {
			break;
		}
		off++;
	}
	answer(unique, 0, buffer, used);
}

static void rename_node(uint64_t unique, unsigned from, unsigned to, const char *name, unsigned flags)
{
	const char *new = name + strlen(name) + 1;
	unsigned id = find(from, name), other = find(to, new);

	if (flags & ~1u) {
		answer(unique, EINVAL, NULL, 0);
		return;
	}
	if (!id || (other && flags)) {
		answer(unique, id ? EEXIST : ENOENT, NULL, 0);
		return;
	}
	if (other)
		nodes[other].parent = 0;
	nodes[id].parent = to;
	strcpy(nodes[id].name, new);
	answer(unique, 0, NULL, 0);
}

static void begin(uint64_t unique, const struct fuse_init_in *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = in->max_readahead,
		/* with more than one page newer kernels take names of up to 4,095 bytes */
		.flags = FUSE_MAX_PAGES & in->flags,
		.max_pages = 8,
		.max_write = 8192,
	};

	answer(unique, 0, &out, in->minor < 23 ? FUSE_COMPAT_22_INIT_OUT_SIZE : sizeof(out));
}

static void serve(void)
{
	static char request[BUFFER];
	const struct fuse_in_header *in = (void *)request;
	const void *arg = in + 1;
	struct fuse_attr_out attr;
	struct fuse_open_out opened;
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out opened;
	} created;
	struct fuse_write_out written;
	struct fuse_statfs_out statfs;
	unsigned id;

	if (read(fd, request, sizeof(request)) < 0) {
		if (errno == ENODEV)
			exit(0); /* unmounted */
		if (errno != EINTR && errno != ENOENT)
			exit(die("/dev/fuse"));
		return;
	}
	id = in->nodeid;
	switch (in->opcode) {
	case FUSE_INIT:
		begin(in->unique, arg);
		break;
	case FUSE_LOOKUP:
		lookup(in->unique, id, arg);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	case FUSE_SETATTR:
		if (((const struct fuse_setattr_in *)arg)->valid & FATTR_MODE)
			nodes[id].mode = ((const struct fuse_setattr_in *)arg)->mode;
		/* fall through */
	case FUSE_GETATTR:
		memset(&attr, 0, sizeof(attr));
		put_attr(&attr.attr, id);
		answer(in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_MKDIR:
	case FUSE_MKNOD:
		if (in->opcode == FUSE_MKDIR)
			id = make(id, (const char *)arg + sizeof(struct fuse_mkdir_in),
				S_IFDIR | ((const struct fuse_mkdir_in *)arg)->mode);
		else
			id = make(id, (const char *)arg + sizeof(struct fuse_mknod_in),
				((const struct fuse_mknod_in *)arg)->mode);
		if (id)
			answer_entry(in->unique, id);
		else
			answer(in->unique, ENOSPC, NULL, 0);
		break;
	case FUSE_CREATE:
		id = make(id, (const char *)arg + sizeof(struct fuse_create_in),
			((const struct fuse_create_in *)arg)->mode);
		if (!id) {
			answer(in->unique, ENOSPC, NULL, 0);
			break;
		}
		memset(&created, 0, sizeof(created));
		put_entry(&created.entry, id);
		answer(in->unique, 0, &created, sizeof(created));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		memset(&opened, 0, sizeof(opened));
		answer(in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_READDIR:
		list(in->unique, id, ((const struct fuse_read_in *)arg)->offset,
			((const struct fuse_read_in *)arg)->size);
		break;
	case FUSE_WRITE:
		memset(&written, 0, sizeof(written));
		written.size = ((const struct fuse_write_in *)arg)->size;
		answer(in->unique, 0, &written, sizeof(written));
		break;
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		id = find(id, arg);
		nodes[id].parent = 0;
		answer(in->unique, id ? 0 : ENOENT, NULL, 0);
		break;
	case FUSE_RENAME:
		rename_node(in->unique, id, ((const struct fuse_rename_in *)arg)->newdir,
			(const char *)arg + sizeof(struct fuse_rename_in), 0);
		break;
	case FUSE_RENAME2:
		rename_node(in->unique, id, ((const struct fuse_rename2_in *)arg)->newdir,
			(const char *)arg + sizeof(struct fuse_rename2_in), ((const struct fuse_rename2_in *)arg)->flags);
		break;
	case FUSE_STATFS:
		memset(&statfs, 0, sizeof(statfs));
		statfs.st.namelen = NAME - 1;
		answer(in->unique, 0, &statfs, sizeof(statfs));
		break;
	case FUSE_READ:
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_DESTROY:
		answer(in->unique, 0, NULL, 0);
		break;
	default:
		answer(in->unique, ENOSYS, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	char options[128];
	const char *user = NULL;
	unsigned id, i;
	pid_t pid;

	if (argc > 3 && strcmp(argv[1], "-u") == 0) {
		user = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc < 2) {
		errno = EINVAL;
		return die("bad arguments");
	}
	nodes[FUSE_ROOT_ID].mode = S_IFDIR | 0755;
	for (argc = 2; argv[argc]; argc++) {
		for (i = 0; global[i] && strcmp(argv[argc], global[i]) != 0; i++)
			continue;
		if (global[i]) {
			*flag[i] = 1;
			continue;
		}
		id = make(FUSE_ROOT_ID, argv[argc], strcmp(argv[argc], "isfile") == 0
			? S_IFREG | 0644 : S_IFDIR | 0755);
		nodes[id].lie = argv[argc];
	}
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return die("/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%s,group_id=%s%s",
		fd, user ? user : "0", user ? user : "0", user ? "" : ",allow_other,default_permissions");
	if (mount("liar", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		return die(argv[1]);
	pid = fork();
	if (pid < 0)
		return die("fork");
	if (pid > 0) {
		printf("%d\n", pid);
		return 0;
	}
	/* who waits for the end of our output is not to wait for us */
	if (!freopen("/dev/null", "w", stdout))
		return die("/dev/null");
	for (;;)
		serve();
}
