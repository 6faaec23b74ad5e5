/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a layer is cut into chunks: by its content, so that bytes put in move
 * only the cuts near them. FastCDC: a Gear hash, no cut before CHUNK_SIZE_MIN,
 * and a mask that is harder to meet before the wanted size than behind it.
 * (W. Xia et al., FastCDC: a Fast and Efficient Content-Defined Chunking
 * Approach for Data Deduplication, USENIX ATC 2016.)
 */
#ifndef IMAGES_CDC_H
#define IMAGES_CDC_H

#include <stddef.h>
#include <stdint.h>

struct cdc {
	uint64_t gear[256];
};

void cdc_init(struct cdc *c);

/*
 * Bytes of the first chunk of data. Gives the same answer for the same bytes as
 * long as `len` is CHUNK_SIZE_MAX or more, or reaches to the end of the layer.
 */
size_t cdc_chunk_length(const struct cdc *c, const uint8_t *data, size_t len);

#endif
