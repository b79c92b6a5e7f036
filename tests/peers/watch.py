#!/usr/bin/env python3
# watch.py PATH MASK... - pyinotify as its examples have it: prints event and path
import sys
import pyinotify


class Handler(pyinotify.ProcessEvent):
    def process_default(self, event):
        sys.stdout.write("%s %s %s\n" % (
            event.maskname, event.pathname, getattr(event, "src_pathname", "")))
        sys.stdout.flush()


wm = pyinotify.WatchManager()
mask = 0
for name in sys.argv[2:]:
    mask |= pyinotify.EventsCodes.ALL_FLAGS[name]
notifier = pyinotify.Notifier(wm, Handler())
wm.add_watch(sys.argv[1], mask, rec=True, auto_add=True)
notifier.loop()
