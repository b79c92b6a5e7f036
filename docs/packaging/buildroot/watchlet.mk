################################################################################
#
# watchlet
#
################################################################################

WATCHLET_VERSION = 0.1
WATCHLET_SITE = https://example.org/watchlet
WATCHLET_LICENSE = 0BSD
WATCHLET_LICENSE_FILES = LICENSE

WATCHLET_MAKE_OPTS = \
	$(TARGET_CONFIGURE_OPTS) \
	STRIP= \
	STATIC=$(if $(BR2_STATIC_LIBS),y,n) \
	PRESET=$(if $(BR2_PACKAGE_WATCHLET_FULL),full,$(if $(BR2_PACKAGE_WATCHLET_TINY),tiny,router)) \
	$(call qstrip,$(BR2_PACKAGE_WATCHLET_SETTINGS))

define WATCHLET_BUILD_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) -C $(@D) $(WATCHLET_MAKE_OPTS)
endef

define WATCHLET_INSTALL_TARGET_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) -C $(@D) $(WATCHLET_MAKE_OPTS) \
		install DESTDIR=$(TARGET_DIR) PREFIX=/usr
endef

ifeq ($(BR2_PACKAGE_WATCHLET_TINY),)
define WATCHLET_INSTALL_INIT_OPENRC
	$(INSTALL) -D -m 0755 $(@D)/docs/packaging/services/watchlet.openrc \
		$(TARGET_DIR)/etc/init.d/watchlet
endef

define WATCHLET_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/docs/packaging/services/watchlet.service \
		$(TARGET_DIR)/usr/lib/systemd/system/watchlet.service
endef
endif

$(eval $(generic-package))
