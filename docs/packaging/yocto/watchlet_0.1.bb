SUMMARY = "Tiny file watcher: inotifyd with trees and rules"
DESCRIPTION = "Reports what changes in files, directories and whole trees, as \
lines or by running a program. It takes the command line of BusyBox's inotifyd."
HOMEPAGE = "https://example.org/watchlet"
SECTION = "base"
LICENSE = "0BSD"
LIC_FILES_CHKSUM = "file://LICENSE;md5=6188e0674ddd992ecf613bf665a98f60"

SRC_URI = "https://example.org/watchlet/watchlet-${PV}.tar.gz"
SRC_URI[sha256sum] = "0000000000000000000000000000000000000000000000000000000000000000"

inherit systemd update-alternatives

# full, router (all but inotifywait) or tiny (plain inotifyd)
WATCHLET_PRESET ?= "router"
# of watchlet's Config.in, such as CONFIG_WATCHLET_MAX_WATCHES=4096
WATCHLET_SETTINGS ?= ""

EXTRA_OEMAKE = "'CC=${CC}' 'CFLAGS=${CFLAGS}' 'LDFLAGS=${LDFLAGS}' \
    STATIC=n STRIP= PRESET=${WATCHLET_PRESET} ${WATCHLET_SETTINGS}"

do_compile() {
    oe_runmake
}

do_install() {
    oe_runmake install DESTDIR=${D} PREFIX=${prefix}
    # update-alternatives makes it
    rm ${D}${sbindir}/inotifyd
    install -d ${D}${systemd_system_unitdir}
    install -m 0644 ${S}/docs/packaging/services/watchlet.service ${D}${systemd_system_unitdir}
}

# it wants /etc/watchlet.rules
SYSTEMD_SERVICE:${PN} = "watchlet.service"
SYSTEMD_AUTO_ENABLE = "disable"

ALTERNATIVE:${PN} = "inotifyd"
ALTERNATIVE_LINK_NAME[inotifyd] = "${base_sbindir}/inotifyd"
ALTERNATIVE_TARGET[inotifyd] = "${sbindir}/watchlet"
ALTERNATIVE_PRIORITY = "100"
