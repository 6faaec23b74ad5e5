/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/auto.h"
#include "lib/document/doc.h"
#include "lib/document/doc_read.h"
#include "lib/document/xml.h"

#define SEALED_KEY_MAX 4096

#define ACTIONS(X)                                                             \
	X(START, "start", COMMAND, 1)                                          \
	X(STOP, "stop", COMMAND, 1)                                            \
	X(SWITCH, "switch", COMMAND, 1)                                        \
	X(LOCK, "lock", COMMAND, 1)                                            \
	X(UNLOCK, "unlock", COMMAND, 1)                                        \
	X(CHECKPOINT, "checkpoint", COMMAND, 1)                                \
	X(RESTORE, "restore", COMMAND, 1)                                      \
	X(REBOOT, "reboot", COMMAND, 0)                                        \
	X(WIPE, "wipe", DESTROY, 1)                                            \
	X(REMOVE, "remove", DESTROY, 1)                                        \
	X(ROTATE_KEYS, "rotate-keys", DESTROY, 0)

static const char *const names[DOC_ACTION_COUNT + 1] = {
#define NAME(sym, name, role, vp) [DOC_##sym] = name,
	ACTIONS(NAME)
#undef NAME
};

static const struct {
	enum doc_role role;
	bool needs_vp;
} actions[DOC_ACTION_COUNT] = {
#define ROW(sym, name, role, vp) [DOC_##sym] = { DOC_ROLE_##role, vp },
	ACTIONS(ROW)
#undef ROW
};

const char *doc_action_name(enum doc_action a)
{
	return names[a];
}

enum doc_role doc_action_role(enum doc_action a)
{
	return actions[a].role;
}

bool doc_action_needs_vp(enum doc_action a)
{
	return actions[a].needs_vp;
}

static const struct doc_read_attribute table[] = {
	DOC_READ("device", ID, struct doc_command, device),
	DOC_READ("epoch", TEXT, struct doc_command, epoch),
	DOC_READ("vp", ID, struct doc_command, vp, .optional = true),
	DOC_READ("action", WORD, struct doc_command, action, .words = names),
	{ NULL },
};

static int read_sealed_key(const struct xml_node *n, struct doc_command *cmd,
			   struct err *e)
{
	auto_free void *bytes = NULL;
	size_t len;
	int r;

	if (cmd->action != DOC_UNLOCK)
		return doc_read_error(n, e, "only 'unlock' carries a key");
	if (cmd->sealed_key)
		return doc_read_error(n, e, "is a duplicate");
	r = doc_read_base64(n, xml_text(n), &bytes, &len, e);
	if (r < 0)
		return r;
	if (len == 0 || len > SEALED_KEY_MAX)
		return doc_read_error(n, e, "has %zu bytes", len);
	cmd->sealed_key = steal(bytes);
	cmd->sealed_key_len = len;
	return 0;
}

int doc_command_read(const struct xml_node *n, struct doc *ret, struct err *e)
{
	struct doc_command *cmd = (struct doc_command *)ret;
	bool needs_vp;
	int r;

	r = doc_read_attributes(n, table, cmd, e);
	if (r < 0)
		return r;
	needs_vp = doc_action_needs_vp(cmd->action);
	if (needs_vp != (cmd->vp[0] != '\0'))
		return doc_read_error(n, e, "'%s' %s", names[cmd->action],
				      needs_vp ? "needs a vp" : "takes no vp");
	for (const struct xml_node *c = xml_first(n); c; c = xml_next(c)) {
		r = read_sealed_key(c, cmd, e);
		if (r < 0)
			return r;
	}
	return 0;
}

void doc_command_fini(struct doc *d)
{
	free(((struct doc_command *)d)->sealed_key);
}
