/* SPDX-License-Identifier: Apache-2.0 */
/* QR codes (ISO/IEC 18004) by libqrencode: terminal, PNG (libpng), SVG. */
#ifndef CELLSADM_UI_QR_H
#define CELLSADM_UI_QR_H

#include <stdio.h>

struct err;
struct qr;

/* Of a text, error correction M. -ERANGE: it is too long. */
int qr_new(const char *text, struct qr **ret, struct err *e);
void qr_free(struct qr *q);

/* Half blocks, dark on light whatever the terminal's colours. */
void qr_write_terminal(const struct qr *q, FILE *f);
/* The text of an SVG file, which the caller frees; NULL: no memory. */
char *qr_format_svg(const struct qr *q);
/* A PNG file, mode 0600, `scale` pixels a module. */
int qr_write_png(const struct qr *q, const char *path, unsigned int scale,
		 struct err *e);

static inline void qr_freep(struct qr **q)
{
	qr_free(*q);
}

#endif
