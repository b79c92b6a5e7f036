/* ubimkvol - make a volume on a UBI device: the applet that Debian's BusyBox lacks
 *
 *	ubimkvol DEVICE NAME BYTES
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <mtd/ubi-user.h>

int main(int argc, char **argv)
{
	struct ubi_mkvol_req req;
	int fd;

	memset(&req, 0, sizeof req);
	if (argc != 4 || strlen(argv[2]) >= sizeof req.name)
		return 125;
	req.vol_id = UBI_VOL_NUM_AUTO;
	req.alignment = 1;
	req.bytes = atoll(argv[3]);
	req.vol_type = UBI_DYNAMIC_VOLUME;
	req.name_len = strlen(argv[2]);
	strcpy(req.name, argv[2]);
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || ioctl(fd, UBI_IOCMKVOL, &req) != 0) {
		perror(argv[1]);
		return 1;
	}
	return 0;
}
