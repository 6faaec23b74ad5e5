/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsctl/daemon_client.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/bus_json.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define FOREVER UINT64_MAX
/* An enrollment talks to the server; a reset wipes. */
#define POLICY_TIMEOUT_US (300 * UINT64_C(1000000))

#define MESSAGE(m) AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL

struct daemon_client {
	sd_bus *bus;
};

int daemon_client_new(struct daemon_client **ret, struct err *e)
{
	AUTO(daemon_client_freep)
	struct daemon_client *c = calloc(1, sizeof(*c));
	int r = c ? bus_open(&c->bus, e) : err_oom(e, "system bus");

	if (r < 0)
		return r;
	*ret = steal(c);
	return 0;
}

void daemon_client_free(struct daemon_client *c)
{
	if (!c)
		return;
	bus_closep(&c->bus);
	free(c);
}

/* ---- cellsd */

static int new_device_call(struct daemon_client *c, const char *method,
			   sd_bus_message **ret, struct err *e)
{
	return bus_new_call(c->bus, BUS_DEVICE_NAME, BUS_DEVICE_PATH, method,
			    ret, e);
}

/* A call with at most one text argument. */
static int call_device_method(struct daemon_client *c, const char *method,
			      const char *argument, sd_bus_message **ret,
			      struct err *e)
{
	MESSAGE(m);
	int r = new_device_call(c, method, &m, e);

	if (r < 0)
		return r;
	if (argument)
		r = sd_bus_message_append(m, "s", argument);
	return r < 0 ? err_sys(e, -r, "call %s", method)
		     : bus_send_call(c->bus, m, FOREVER, method, ret, e);
}

/* Its name and its properties, as one object. */
static int read_vp_entry(sd_bus_message *m, json_t *vps)
{
	auto_json json_t *vp = NULL, *properties = NULL;
	const char *name;
	int r = sd_bus_message_read(m, "s", &name);

	if (r >= 0)
		r = bus_json_read_properties(m, &properties);
	if (r < 0)
		return r;
	vp = json_pack("{ss}", "name", name);
	if (!vp || json_object_update(vp, properties) < 0 ||
	    json_array_append(vps, vp) < 0)
		return -ENOMEM;
	return 0;
}

static int read_vp_list(sd_bus_message *m, json_t *ret)
{
	json_t *vps = json_array();
	uint64_t generation = 0;
	int r;

	json_object_set_new(ret, "vps", vps);
	r = sd_bus_message_enter_container(m, 'a', "(sa{sv})");
	while (r >= 0 &&
	       (r = sd_bus_message_enter_container(m, 'r', "sa{sv}")) > 0) {
		r = read_vp_entry(m, vps);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r >= 0)
		r = sd_bus_message_read(m, "t", &generation);
	json_object_set_new(ret, "generation",
			    json_integer((json_int_t)generation));
	return r;
}

int daemon_client_list_vps(struct daemon_client *c, json_t **ret, struct err *e)
{
	MESSAGE(reply);
	auto_json json_t *list = json_object();
	int r = call_device_method(c, "List", NULL, &reply, e);

	if (r < 0)
		return r;
	r = read_vp_list(reply, list);
	if (r < 0)
		return err_sys(e, -r, "read the list");
	*ret = steal(list);
	return 0;
}

int daemon_client_list_unsupported(struct daemon_client *c, json_t **ret,
				   struct err *e)
{
	MESSAGE(reply);
	auto_json json_t *rows = json_array();
	const char *what, *why, *remedy;
	int r = call_device_method(c, "Status", NULL, &reply, e);

	if (r < 0)
		return r;
	r = sd_bus_message_enter_container(reply, 'a', "(sss)");
	while (r >= 0 && (r = sd_bus_message_read(reply, "(sss)", &what, &why,
						  &remedy)) > 0)
		json_array_append_new(rows,
				      json_pack("{ss ss ss}", "what", what,
						"why", why, "remedy", remedy));
	if (r < 0)
		return err_sys(e, -r, "read what is not enforced");
	*ret = steal(rows);
	return 0;
}

int daemon_client_switch_vp(struct daemon_client *c, const char *vp,
			    struct err *e)
{
	MESSAGE(reply);

	return call_device_method(c, "Switch", vp, &reply, e);
}

/* The text in an answer; the caller frees it. */
static int read_answer_text(sd_bus_message *reply, const char *method,
			    char **ret, struct err *e)
{
	const char *text;
	int r = sd_bus_message_read(reply, "s", &text);

	if (r < 0)
		return err_sys(e, -r, "read the answer of %s", method);
	*ret = strdup(text);
	return *ret ? 0 : err_oom(e, method);
}

int daemon_client_switch_by(struct daemon_client *c, const char *method,
			    char **ret, struct err *e)
{
	MESSAGE(reply);
	int r = call_device_method(c, method, NULL, &reply, e);

	return r < 0 ? r : read_answer_text(reply, method, ret, e);
}

int daemon_client_open_console(struct daemon_client *c, const char *vp,
			       int *ret_fd, struct err *e)
{
	MESSAGE(reply);
	int fd, r = call_device_method(c, "Console", vp, &reply, e);

	if (r < 0)
		return r;
	r = sd_bus_message_read(reply, "h", &fd);
	if (r < 0)
		return err_sys(e, -r, "read the answer of Console");
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return err_sys(e, errno, "read the answer of Console");
	*ret_fd = fd;
	return 0;
}

/* ---- cellsd: a program in a VP */

struct daemon_client_exec {
	sd_bus *bus;
	sd_bus_slot *slot;
	sd_bus_message *reply;
};

static int on_exec_reply(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct daemon_client_exec *x = arg;

	x->reply = sd_bus_message_ref(m);
	return 0;
}

static int build_exec_call(sd_bus_message *m, const char *vp, char **command,
			   const int files[3])
{
	int r = sd_bus_message_append(m, "s", vp);

	if (r >= 0)
		r = sd_bus_message_append_strv(m, command);
	if (r >= 0)
		r = sd_bus_message_append(m, "hhh", files[0], files[1],
					  files[2]);
	return r;
}

int daemon_client_exec_start(struct daemon_client *c, const char *vp,
			     char **command, const int files[3],
			     struct daemon_client_exec **ret, struct err *e)
{
	AUTO(daemon_client_exec_freep)
	struct daemon_client_exec *x = calloc(1, sizeof(*x));
	MESSAGE(m);
	int r;

	if (!x)
		return err_oom(e, "exec");
	x->bus = sd_bus_ref(c->bus);
	r = new_device_call(c, "Exec", &m, e);
	if (r < 0)
		return r;
	r = build_exec_call(m, vp, command, files);
	if (r >= 0)
		r = sd_bus_call_async(c->bus, &x->slot, m, on_exec_reply, x,
				      FOREVER);
	if (r >= 0)
		r = sd_bus_flush(c->bus);
	if (r < 0)
		return err_sys(e, -r, "call Exec");
	*ret = steal(x);
	return 0;
}

int daemon_client_exec_get_fd(const struct daemon_client_exec *x)
{
	return sd_bus_get_fd(x->bus);
}

bool daemon_client_exec_is_finished(void *arg)
{
	struct daemon_client_exec *x = arg;
	int r;

	do
		r = sd_bus_process(x->bus, NULL);
	while (r > 0 && !x->reply);
	return r < 0 || x->reply;
}

int daemon_client_exec_get_status(const struct daemon_client_exec *x,
				  struct err *e)
{
	int status, r;

	if (!x->reply)
		return err_set(e, ECONNRESET, "exec: the bus went away");
	if (sd_bus_message_is_method_error(x->reply, NULL))
		return bus_convert_error(sd_bus_message_get_error(x->reply),
					 -sd_bus_message_get_errno(x->reply),
					 "exec", e);
	r = sd_bus_message_read(x->reply, "i", &status);
	return r < 0 ? err_sys(e, -r, "read the answer of Exec") : status;
}

void daemon_client_exec_free(struct daemon_client_exec *x)
{
	if (!x)
		return;
	sd_bus_slot_unref(x->slot);
	sd_bus_message_unref(x->reply);
	sd_bus_unref(x->bus);
	free(x);
}

/* ---- cells-policyd */

static int new_policy_call(struct daemon_client *c, const char *method,
			   sd_bus_message **ret, struct err *e)
{
	return bus_new_call(c->bus, BUS_POLICY_NAME, BUS_POLICY_PATH, method,
			    ret, e);
}

static int send_policy_call(struct daemon_client *c, sd_bus_message *m,
			    const char *what, sd_bus_message **ret,
			    struct err *e)
{
	return bus_send_call(c->bus, m, POLICY_TIMEOUT_US, what, ret, e);
}

int daemon_client_get_policy_text(struct daemon_client *c, const char *method,
				  const char *a, const char *b, char **ret,
				  struct err *e)
{
	MESSAGE(m);
	MESSAGE(reply);
	int r = new_policy_call(c, method, &m, e);

	if (r < 0)
		return r;
	if (a)
		r = sd_bus_message_append(m, "s", a);
	if (r >= 0 && b)
		r = sd_bus_message_append(m, "s", b);
	if (r < 0)
		return err_sys(e, -r, "call %s", method);
	r = send_policy_call(c, m, method, &reply, e);
	return r < 0 ? r : read_answer_text(reply, method, ret, e);
}

int daemon_client_get_policy_json(struct daemon_client *c, const char *method,
				  const char *a, const char *b, json_t **ret,
				  struct err *e)
{
	auto_free char *text = NULL;
	int r = daemon_client_get_policy_text(c, method, a, b, &text, e);

	return r < 0 ? r : json_parse(text, strlen(text), method, ret, e);
}

int daemon_client_reset(struct daemon_client *c, struct err *e)
{
	MESSAGE(m);
	int r = new_policy_call(c, "Reset", &m, e);

	return r < 0 ? r : send_policy_call(c, m, "reset", NULL, e);
}

int daemon_client_send_secrets(struct daemon_client *c, const char *method,
			       const char *name,
			       const struct daemon_client_secret *secrets,
			       size_t n, const char *what, struct err *e)
{
	MESSAGE(m);
	int r = new_policy_call(c, method, &m, e);

	if (r < 0)
		return r;
	r = sd_bus_message_sensitive(m);
	if (r >= 0)
		r = sd_bus_message_append(m, "s", name);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = sd_bus_message_append_array(m, 'y', secrets[i].data,
						secrets[i].len);
	return r < 0 ? err_sys(e, -r, "call %s", method)
		     : send_policy_call(c, m, what, NULL, e);
}
