/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bus.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define ERROR_PREFIX "org.cells.Error."
#define ERROR_NAME_SIZE 96
#define LARGE (2 * 1024 * 1024) /* more than all but an enrollment's answer */

/*
 * sd-bus takes a message in whole, whatever is done with it then, and a bus
 * lets 32 MiB pass. Left to itself malloc learns from the first large one that
 * is freed to keep the next.
 */
void bus_limit_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE);
	mallopt(M_TRIM_THRESHOLD, LARGE);
}

int bus_open(sd_bus **ret, struct err *e)
{
	sd_bus *bus;
	int r = sd_bus_open_system(&bus);

	if (r < 0)
		return err_sys(e, -r, "connect to the system bus");
	*ret = bus;
	return 0;
}

/* A missing id becomes one that no user and no group has. */
struct service_ids {
	bool is_known;
	uid_t agent, policy;
	gid_t group;
};

/* What could not be looked up is looked up again: getpwnam(3) has many errors
 * for "there is none", but never these. */
static bool is_lookup_conclusive(void)
{
	return errno != EIO && errno != EINTR && errno != EMFILE &&
	       errno != ENFILE && errno != ENOMEM;
}

static uid_t lookup_user_id(const char *name, bool *is_known)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	*is_known &= pw || is_lookup_conclusive();
	return pw ? pw->pw_uid : (uid_t)-1;
}

/* Looked up once: a daemon must not wait for a name service at each call. */
static const struct service_ids *get_service_ids(void)
{
	static struct service_ids ids;
	const struct group *gr;

	if (ids.is_known)
		return &ids;
	errno = 0;
	gr = getgrnam("cells");
	ids.is_known = gr || is_lookup_conclusive();
	ids.group = gr ? gr->gr_gid : (gid_t)-1;
	ids.agent = lookup_user_id("cells-agent", &ids.is_known);
	ids.policy = lookup_user_id("cells-policy", &ids.is_known);
	return &ids;
}

/* Who the caller is, as the bus took it from the caller's socket. */
struct bus_caller {
	uid_t uid;
	bool in_group;
};

static int read_caller_groups(sd_bus_message *m, gid_t wanted, bool *ret)
{
	const uint32_t *gids;
	size_t size;
	int r;

	r = sd_bus_message_enter_container(m, 'v', "au");
	if (r < 0)
		return r;
	r = sd_bus_message_read_array(m, 'u', (const void **)&gids, &size);
	if (r < 0)
		return r;
	for (size_t i = 0; i < size / sizeof(*gids); i++)
		*ret |= gids[i] == wanted;
	return sd_bus_message_exit_container(m);
}

/* One entry of GetConnectionCredentials' a{sv}. */
static int read_caller_credential(sd_bus_message *m, struct bus_caller *c,
				  bool *has_uid)
{
	const char *name;
	uint32_t uid;
	int r;

	r = sd_bus_message_read(m, "s", &name);
	if (r < 0)
		return r;
	if (strcmp(name, "UnixGroupIDs") == 0)
		return read_caller_groups(m, get_service_ids()->group,
					  &c->in_group);
	if (strcmp(name, "UnixUserID") != 0)
		return sd_bus_message_skip(m, "v");
	r = sd_bus_message_read(m, "v", "u", &uid);
	if (r < 0)
		return r;
	c->uid = uid;
	*has_uid = true;
	return 0;
}

/*
 * Asks the bus itself: it took user and groups from the socket when the caller
 * connected, where a look into /proc could meet another process.
 */
static int query_caller_credentials(sd_bus_message *m, const char *sender,
				    struct bus_caller *ret)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct bus_caller c = { .uid = (uid_t)-1 };
	bool has_uid = false;
	int r;

	r = sd_bus_call_method(
		sd_bus_message_get_bus(m), "org.freedesktop.DBus",
		"/org/freedesktop/DBus", "org.freedesktop.DBus",
		"GetConnectionCredentials", NULL, &reply, "s", sender);
	if (r < 0)
		return r;
	r = sd_bus_message_enter_container(reply, 'a', "{sv}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
		r = read_caller_credential(reply, &c, &has_uid);
		if (r < 0)
			return r;
		r = sd_bus_message_exit_container(reply);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (!has_uid)
		return -ENODATA;
	*ret = c;
	return 0;
}

static unsigned int get_caller_roles(const struct bus_caller *c)
{
	const struct service_ids *ids = get_service_ids();
	unsigned int who = 0;

	if (c->uid == 0)
		return BUS_ROOT;
	if (c->uid == ids->agent)
		who |= BUS_AGENT;
	if (c->uid == ids->policy)
		who |= BUS_POLICY;
	if (c->in_group)
		who |= BUS_GROUP;
	return who;
}

int bus_check_caller(sd_bus_message *m, unsigned int who, struct err *e)
{
	const char *sender = sd_bus_message_get_sender(m);
	const char *member = sd_bus_message_get_member(m);
	struct bus_caller c;
	int r;

	if (!member)
		member = "?";
	r = sender ? query_caller_credentials(m, sender, &c) : -ENODATA;
	if (r < 0)
		return err_sys(e, -r, "call %s: who is the caller", member);
	if (c.uid == (uid_t)-1 || !(get_caller_roles(&c) & who))
		return err_set(e, EACCES, "call %s: user %u may not%s", member,
			       (unsigned int)c.uid,
			       who & BUS_GROUP ? ": it is for root and members "
						 "of the group cells"
			       : who & BUS_ROOT ? ": it is for root"
						: "");
	return 0;
}

int bus_reply_err(sd_bus_message *m, const struct err *e)
{
	char name[ERROR_NAME_SIZE];
	int r;

	snprintf(name, sizeof(name), ERROR_PREFIX "%s",
		 err_code(e) + strlen("err."));
	for (char *p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	r = sd_bus_reply_method_errorf(m, name, "%s", e->text);
	return r < 0 ? r : 1;
}

/* "org.cells.Error.vp_state" -> REASON_VP_STATE; REASON_NONE: none of ours. */
static enum reason parse_error_name(const char *name)
{
	char code[ERROR_NAME_SIZE];

	if (strncmp(name, ERROR_PREFIX, strlen(ERROR_PREFIX)) != 0)
		return REASON_NONE;
	snprintf(code, sizeof(code), "err.%s", name + strlen(ERROR_PREFIX));
	for (char *p = code; *p; p++)
		if (*p == '_')
			*p = '-';
	return reason_from_code(code);
}

/* What a bus itself answers, in words for people. */
static const struct {
	const char *name, *text;
} answers[] = {
	{ SD_BUS_ERROR_ACCESS_DENIED,
	  "this user may not: it is for root and members of the group cells" },
	{ SD_BUS_ERROR_SERVICE_UNKNOWN,
	  "the daemon that does it is not running" },
	{ SD_BUS_ERROR_NAME_HAS_NO_OWNER,
	  "the daemon that does it is not running" },
	{ SD_BUS_ERROR_NO_REPLY, "the daemon that does it did not answer" },
	{ SD_BUS_ERROR_TIMEOUT, "the daemon that does it did not answer" },
	{ SD_BUS_ERROR_UNKNOWN_METHOD,
	  "the daemon that runs is of another version" },
	{ SD_BUS_ERROR_LIMITS_EXCEEDED, "the bus takes no more just now" },
};

static const char *describe_bus_error(const sd_bus_error *error)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		if (sd_bus_error_has_name(error, answers[i].name))
			return answers[i].text;
	return error->message ? error->message : error->name;
}

int bus_convert_error(const sd_bus_error *error, int r, const char *what,
		      struct err *e)
{
	enum reason reason;

	if (r >= 0)
		r = -EIO;
	if (!sd_bus_error_is_set(error))
		return err_sys(e, -r, "%s", what);
	reason = parse_error_name(error->name);
	/* Ours is a whole line already. */
	if (reason != REASON_NONE)
		return err_reason(e, reason, "%s", error->message);
	return err_set(e, -r, "%s: %s", what, describe_bus_error(error));
}

int bus_new_call(sd_bus *bus, const char *name, const char *path,
		 const char *method, sd_bus_message **ret, struct err *e)
{
	int r = sd_bus_message_new_method_call(bus, ret, name, path, name,
					       method);

	return r < 0 ? err_sys(e, -r, "call %s", method) : 0;
}

int bus_send_call(sd_bus *bus, sd_bus_message *m, uint64_t timeout_us,
		  const char *what, sd_bus_message **ret, struct err *e)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_call(bus, m, timeout_us, &error, ret);

	r = r < 0 ? bus_convert_error(&error, r, what, e) : 0;
	sd_bus_error_free(&error);
	return r;
}
