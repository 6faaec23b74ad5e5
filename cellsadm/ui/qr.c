/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/ui/qr.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <png.h>
#include <qrencode.h>
#include <stdbool.h>
#include <string.h>

#define QUIET 4 /* modules of light around, which the standard demands */

struct qr {
	QRcode *code;
};

int qr_new(const char *text, struct qr **ret, struct err *e)
{
	AUTO(qr_freep) struct qr *q = calloc(1, sizeof(*q));

	if (!q)
		return err_oom(e, "make a QR code");
	q->code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
	if (!q->code)
		return err_sys(e, errno, "make a QR code");
	*ret = steal(q);
	return 0;
}

void qr_free(struct qr *q)
{
	if (!q)
		return;
	QRcode_free(q->code);
	free(q);
}

/* With the quiet zone; beyond it all is light. */
static unsigned int count_side_modules(const struct qr *q)
{
	return (unsigned int)q->code->width + 2 * QUIET;
}

static bool is_dark_module(const struct qr *q, unsigned int x, unsigned int y)
{
	unsigned int w = (unsigned int)q->code->width;

	if (x < QUIET || y < QUIET || x >= w + QUIET || y >= w + QUIET)
		return false;
	return q->code->data[(y - QUIET) * w + (x - QUIET)] & 1;
}

void qr_write_terminal(const struct qr *q, FILE *f)
{
	/* By upper, then lower half. */
	static const char *const block[2][2] = { { "█", "▀" }, { "▄", " " } };

	for (unsigned int y = 0; y < count_side_modules(q); y += 2) {
		/* White on black, so that light is light on any terminal. */
		fputs("\033[97;40m", f);
		for (unsigned int x = 0; x < count_side_modules(q); x++)
			fputs(block[is_dark_module(q, x, y)]
				   [is_dark_module(q, x, y + 1)],
			      f);
		fputs("\033[0m\n", f);
	}
}

char *qr_format_svg(const struct qr *q)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fprintf(f,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" "
		"viewBox=\"0 0 %u %u\" shape-rendering=\"crispEdges\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		"<path d=\"",
		count_side_modules(q), count_side_modules(q));
	for (unsigned int y = 0; y < count_side_modules(q); y++)
		for (unsigned int x = 0; x < count_side_modules(q); x++)
			if (is_dark_module(q, x, y))
				fprintf(f, "M%u %uh1v1h-1z", x, y);
	fputs("\"/>\n</svg>\n", f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

int qr_write_png(const struct qr *q, const char *path, unsigned int scale,
		 struct err *e)
{
	unsigned int n = count_side_modules(q) * scale;
	auto_free unsigned char *pixels = malloc((size_t)n * n);
	auto_free void *file = NULL;
	png_image image = { .version = PNG_IMAGE_VERSION,
			    .width = n,
			    .height = n,
			    .format = PNG_FORMAT_GRAY };
	png_alloc_size_t len = 0;

	if (!pixels)
		return err_oom(e, path);
	for (unsigned int y = 0; y < n; y++)
		for (unsigned int x = 0; x < n; x++)
			pixels[(size_t)y * n + x] =
				is_dark_module(q, x / scale, y / scale) ? 0
									: 255;
	if (!png_image_write_get_memory_size(image, len, 0, pixels, 0, NULL))
		return err_set(e, EIO, "%s: %s", path, image.message);
	file = malloc(len);
	if (!file)
		return err_oom(e, path);
	if (!png_image_write_to_memory(&image, file, &len, 0, pixels, 0, NULL))
		return err_set(e, EIO, "%s: %s", path, image.message);
	return io_replace_file(path, file, len, 0600, e);
}
