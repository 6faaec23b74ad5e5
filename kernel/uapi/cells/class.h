/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note OR Apache-2.0 */
/*
 * The classes of hardware, once: CELLS_CLASS(symbol, name, parent, shared,
 * in_background). `parent` is the coarser class whose rule holds where there is
 * no finer one (itself: none). `shared`: 1 if the class has that mode. In the
 * background, classes marked 1 act on the VP's virtual state where devns is.
 */
#ifndef CELLS_CLASS_H
#define CELLS_CLASS_H

#define CELLS_CLASSES(X)                                                       \
	X(DISPLAY, "display", DISPLAY, 0, 1)                                   \
	X(INPUT, "input", INPUT, 0, 1)                                         \
	X(GPU, "gpu", GPU, 1, 0)                                               \
	X(CAMERA, "camera", CAMERA, 1, 0)                                      \
	X(CAMERA_FRONT, "camera-front", CAMERA, 1, 0)                          \
	X(CAMERA_BACK, "camera-back", CAMERA, 1, 0)                            \
	X(MICROPHONE, "microphone", MICROPHONE, 1, 0)                          \
	X(SPEAKER, "speaker", SPEAKER, 1, 0)                                   \
	X(GPS, "gps", GPS, 1, 0)                                               \
	X(SENSORS, "sensors", SENSORS, 1, 0)                                   \
	X(VIBRATOR, "vibrator", VIBRATOR, 0, 1)                                \
	X(LED, "led", LED, 0, 1)                                               \
	X(BACKLIGHT, "backlight", BACKLIGHT, 0, 1)                             \
	X(MODEM, "modem", MODEM, 0, 0)                                         \
	X(WIFI, "wifi", WIFI, 1, 0)                                            \
	X(BLUETOOTH, "bluetooth", BLUETOOTH, 1, 0)                             \
	X(NFC, "nfc", NFC, 1, 0)                                               \
	X(USB, "usb", USB, 1, 0)                                               \
	X(STORAGE, "storage", STORAGE, 1, 0)                                   \
	X(POWER, "power", POWER, 0, 1)

#define CELLS_CLASS_SYMBOL(sym, name, parent, shared, virt) CELLS_CLASS_##sym,
enum cells_class { CELLS_CLASSES(CELLS_CLASS_SYMBOL) CELLS_CLASS_COUNT };
#undef CELLS_CLASS_SYMBOL

#endif
