/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/document/document_state.h"

#include "lib/document/doc.h"

#include <stdlib.h>

void document_state_fini(struct document_state *s)
{
	doc_free(s->root);
	document_set_fini(&s->in_force);
	free(s->snapshot);
	document_state_drop_staged(s);
	*s = (struct document_state){ 0 };
}

const struct doc_root *document_state_get_root(const struct document_state *s)
{
	return s->root ? doc_as_root(s->root) : NULL;
}

void document_state_drop_staged(struct document_state *s)
{
	free(s->staged);
	s->staged = NULL;
	document_set_fini(&s->staged_docs);
}
