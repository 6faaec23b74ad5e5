/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examples of schema/examples, all of them: a file's name starts with its
 * type; an invalid one says in its first comment what must come of it.
 */
#include "lib/document/doc.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <string.h>

struct examples {
	const char *folder;
	int n;
	struct dirent **entry;
};

static struct examples valid = { "valid" }, invalid = { "invalid" };
static struct err e;

static const char *path_of(const char *folder, const char *name)
{
	static char path[512];
	const char *source = getenv("srcdir");

	snprintf(path, sizeof(path), "%s/schema/examples/%s/%s",
		 source ? source : ".", folder, name);
	return path;
}

static int is_xml(const struct dirent *de)
{
	size_t n = strlen(de->d_name);

	return n > 4 && strcmp(de->d_name + n - 4, ".xml") == 0;
}

static void list(struct examples *x)
{
	x->n = scandir(path_of(x->folder, ""), &x->entry, is_xml, alphasort);
	if (x->n <= 0) {
		printf("Bail out! no examples in %s\n", path_of(x->folder, ""));
		exit(EXIT_FAILURE);
	}
}

static void free_lists(void)
{
	struct examples *all[] = { &valid, &invalid };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (int k = 0; k < all[i]->n; k++)
			free(all[i]->entry[k]);
		free(all[i]->entry);
	}
}

static enum doc_type type_of(const char *name)
{
	for (enum doc_type t = DOC_NONE + 1; t < DOC_TYPE_COUNT; t++) {
		size_t n = strlen(doc_type_name(t));

		if (strncmp(name, doc_type_name(t), n) == 0 && name[n] == '-')
			return t;
	}
	ck_abort_msg("%s has no type", name);
}

static char *read_example(const char *folder, const char *name, size_t *ret_len)
{
	char *text = NULL;

	ck_assert_msg(io_read_file(path_of(folder, name), 1 << 24, &text,
				   ret_len, &e) == 0,
		      "%s", e.text);
	return text;
}

START_TEST(valid_example_is_taken)
{
	const char *name = valid.entry[_i]->d_name;
	AUTO(doc_freep) struct doc *d = NULL;
	uint8_t digest[HASH_SIZE];
	auto_free char *text = NULL;
	size_t len;

	text = read_example("valid", name, &len);
	ck_assert_msg(doc_parse(type_of(name), text, len, &d, &e) == 0,
		      "%s: %s", name, e.text);
	hash_sha256(text, len, digest);
	ck_assert_mem_eq(d->head.digest, digest, sizeof(digest));
	ck_assert_str_eq(d->head.org, "acme");
	ck_assert_uint_eq(d->head.type, type_of(name));
}
END_TEST

START_TEST(invalid_example_is_refused_for_its_reason)
{
	const char *name = invalid.entry[_i]->d_name, *expect;
	struct doc *d = NULL;
	auto_free char *text = NULL;
	char code[64] = "";
	size_t len;
	int r;

	text = read_example("invalid", name, &len);
	expect = strstr(text, "<!-- expect: ");
	ck_assert_msg(expect != NULL, "%s", name);
	ck_assert_int_eq(sscanf(expect, "<!-- expect: %63s", code), 1);
	r = doc_parse(type_of(name), text, len, &d, &e);
	ck_assert_msg(r < 0 && !d, "%s was taken", name);
	ck_assert_msg(strcmp(err_code(&e), code) == 0, "%s: %s: %s", name,
		      err_code(&e), e.text);
	ck_assert_int_eq(r, -reason_errno(reason_from_code(code)));
	ck_assert_msg(!strchr(e.text, '\n'), "%s: %s", name, e.text);
	ck_assert_msg(strstr(e.text, "line ") || strstr(e.text, "attributes"),
		      "%s: %s", name, e.text);
}
END_TEST

/* Each type's document is none of any other type. */
START_TEST(document_of_another_type_is_refused)
{
	const char *name = valid.entry[_i]->d_name;
	auto_free char *text = NULL;
	size_t len;

	text = read_example("valid", name, &len);
	for (enum doc_type t = DOC_NONE + 1; t < DOC_TYPE_COUNT; t++) {
		struct doc *d = NULL;

		if (t == type_of(name))
			continue;
		ck_assert_int_lt(doc_parse(t, text, len, &d, &e), 0);
		ck_assert_str_eq(err_code(&e), "err.schema");
	}
}
END_TEST

/* Cut anywhere it is an error, and nothing is read behind its end. */
START_TEST(truncated_document_is_refused)
{
	const char *name = valid.entry[_i]->d_name;
	auto_free char *text = NULL;
	size_t len, end;

	text = read_example("valid", name, &len);
	for (end = len; end > 0 && text[end - 1] != '>'; end--)
		;
	for (size_t n = 0; n < end; n += 1 + n % 7) {
		auto_free char *part = malloc(n + 1);
		struct doc *d = NULL;

		memcpy(part, text, n);
		ck_assert_int_lt(doc_parse(type_of(name), part, n, &d, &e), 0);
		ck_assert_str_eq(err_code(&e), "err.schema");
	}
}
END_TEST

static struct doc *parse(const char *name)
{
	auto_free char *text = NULL;
	struct doc *d = NULL;
	size_t len;

	text = read_example("valid", name, &len);
	ck_assert_msg(doc_parse(type_of(name), text, len, &d, &e) == 0, "%s",
		      e.text);
	return d;
}

START_TEST(head_is_read)
{
	AUTO(doc_freep) struct doc *d = parse("group-field.xml");

	ck_assert_str_eq(d->head.id, "field");
	ck_assert_uint_eq(d->head.version, 5);
	ck_assert_int_eq(d->head.issued, 1795161600);
	ck_assert_int_eq(d->head.expires, 1795161600 + 30 * 86400);
}
END_TEST

START_TEST(network_of_a_vp_config_is_read)
{
	AUTO(doc_freep) struct doc *d = parse("vp-config-network.xml");
	const struct doc_vp_config *c = doc_as_vp_config(d);

	ck_assert(c->nat);
	ck_assert_uint_eq(c->net_rate, 1048576);
	ck_assert_uint_eq(c->io_weight, 20);
	ck_assert_uint_eq(c->io_read_max, 20971520);
	ck_assert_uint_eq(c->io_write_max, 2097152);
	ck_assert_uint_eq(c->n_allow, 3);
	ck_assert_uint_eq(c->allow[0].address, 0xc000020a);
	ck_assert_uint_eq(c->allow[0].prefix, 32);
	ck_assert_uint_eq(c->allow[0].protocol, 6);
	ck_assert_uint_eq(c->allow[0].port, 443);
	ck_assert_uint_eq(c->allow[1].prefix, 24);
	ck_assert_uint_eq(c->allow[1].protocol + c->allow[1].port, 0);
	ck_assert_uint_eq(c->allow[2].prefix + c->allow[2].address, 0);
	ck_assert(c->attention_call && !c->attention_sms && !c->notify_call);
	ck_assert(c->notify_sms && c->notify_alarm);
	ck_assert(c->no_new_privs);
}
END_TEST

START_TEST(vp_config_is_read)
{
	AUTO(doc_freep) struct doc *d = parse("vp-config-work.xml");
	const struct doc_vp_config *c = doc_as_vp_config(d);

	ck_assert_str_eq(c->label, "Work");
	ck_assert_str_eq(c->image, "acme-work");
	ck_assert_uint_eq(c->image_min_version, 4);
	ck_assert_uint_eq(c->memory_max, 536870912);
	ck_assert_uint_eq(c->storage_max, UINT64_C(4294967296));
	ck_assert(c->overcommit);
	ck_assert_uint_eq(c->cpu_weight, 100);
	ck_assert_uint_eq(c->pids_max, 512);
	ck_assert(c->nat && c->on_boot);
	ck_assert(c->attention_call && c->attention_sms && !c->attention_alarm);
	ck_assert_uint_eq(c->idle_seconds, 300);
	ck_assert_uint_eq(c->attempts, 10);
	ck_assert_uint_eq(c->attempts_then, DOC_THEN_WIPE);
	ck_assert_uint_eq(c->offline_hours, 72);
	ck_assert_uint_eq(c->offline_then, DOC_THEN_LOCK);
	ck_assert(c->is_protected);
	ck_assert_uint_eq(c->iterations, 210000);
	ck_assert_uint_eq(c->salt_len, 16);
	for (unsigned int i = 0; i < 16; i++)
		ck_assert_uint_eq(c->salt[i], i);
	for (unsigned int i = 0; i < HASH_SIZE; i++)
		ck_assert_uint_eq(c->verifier[i], i);
	ck_assert_uint_eq(c->secrets_nonce[11], 11);
	ck_assert_uint_eq(c->secrets_len, 100);
	ck_assert_int_eq(((char *)c->secrets)[99], 's');
}
END_TEST

START_TEST(left_out_elements_of_a_config_have_defaults)
{
	AUTO(doc_freep) struct doc *d = parse("vp-config-least.xml");
	const struct doc_vp_config *c = doc_as_vp_config(d);

	ck_assert_str_eq(c->label, "personal");
	ck_assert_uint_eq(c->memory_max + c->storage_max + c->pids_max, 0);
	ck_assert_uint_eq(c->cpu_weight, 100);
	ck_assert_uint_eq(c->io_weight + c->io_read_max + c->io_write_max, 0);
	ck_assert(!c->nat && !c->on_boot && !c->is_protected && !c->secrets);
	ck_assert(!c->no_new_privs);
	ck_assert_uint_eq(c->idle_seconds + c->attempts + c->offline_hours, 0);
	ck_assert_uint_eq(c->offline_then, DOC_THEN_NOTHING);
}
END_TEST

START_TEST(label_is_one_text_whatever_it_is_made_of)
{
	AUTO(doc_freep) struct doc *d = parse("vp-config-offline-wipe.xml");

	ck_assert_str_eq(doc_as_vp_config(d)->label, "Kiosk № 7 & <8>");
}
END_TEST

START_TEST(policy_is_read)
{
	AUTO(doc_freep) struct doc *d = parse("device-policy-baseline.xml");
	const struct doc_device_policy *p = doc_as_device_policy(d);
	const struct doc_rule *rule = p->vp[0].rule;

	ck_assert_uint_eq(p->require, DOC_LIVE);
	ck_assert_uint_eq(p->n_vps, 2);
	ck_assert_str_eq(p->vp[0].id, "work");
	ck_assert_uint_eq(p->vp[0].n_rules, 4);
	ck_assert_uint_eq(rule[0].cls, CELLS_CLASS_MICROPHONE);
	ck_assert(rule[0].use == CELLS_USE_FRONT && rule[0].block);
	ck_assert_uint_eq(rule[0].line, 6);
	ck_assert(rule[1].use == CELLS_USE_NONE && rule[1].block);
	ck_assert(rule[2].use == CELLS_USE_ANY && !rule[2].block);
	ck_assert_uint_eq(rule[2].on_revoke, DOC_REVOKE_KILL);
	ck_assert_uint_eq(rule[2].n_windows, 1);
	ck_assert_uint_eq(rule[2].window[0].days, 0x1f);
	ck_assert_uint_eq(rule[2].window[0].from, 480);
	ck_assert_uint_eq(rule[2].window[0].to, 1080);
	ck_assert_uint_eq(rule[3].cls, CELLS_CLASS_COUNT);
	ck_assert(rule[3].use == CELLS_USE_NONE && !rule[3].block);
	ck_assert_uint_eq(rule[3].on_revoke, DOC_REVOKE_DEFAULT);
}
END_TEST

START_TEST(days_are_lists_of_ranges)
{
	AUTO(doc_freep) struct doc *d = parse("device-policy-windows.xml");
	const struct doc_rule *rule = doc_as_device_policy(d)->vp[0].rule;

	ck_assert_uint_eq(rule[0].window[0].days, 0x75);
	ck_assert_uint_eq(rule[0].window[0].from, 1320);
	ck_assert_uint_eq(rule[0].window[0].to, 360);
	ck_assert_uint_eq(rule[0].window[1].days, 0x02);
	ck_assert_uint_eq(rule[0].window[1].to, 1440);
	ck_assert_uint_eq(rule[2].window[0].days, 0x7f);
}
END_TEST

START_TEST(root_is_read)
{
	AUTO(doc_freep) struct doc *d = parse("root-acme.xml");
	const struct doc_root *root = doc_as_root(d);

	ck_assert_uint_eq(root->n_keys, 4);
	ck_assert_str_eq(root->key[0].name, "alice");
	ck_assert_uint_eq(root->role[DOC_ROLE_ROOT].threshold, 2);
	ck_assert_uint_eq(root->role[DOC_ROLE_ROOT].members, 0x7);
	ck_assert_uint_eq(root->role[DOC_ROLE_IMAGE].members, 0x2);
	ck_assert_uint_eq(root->role[DOC_ROLE_DIRECTOR].members, 0x8);
	ck_assert_uint_eq(root->n_cas, 1);
	ck_assert_uint_eq(root->ca[0][0], 0xab);
	ck_assert_ptr_nonnull(root->recovery);
}
END_TEST

START_TEST(absent_role_has_no_members)
{
	AUTO(doc_freep) struct doc *d = parse("root-least.xml");
	const struct doc_root *root = doc_as_root(d);

	ck_assert_str_eq(root->key[0].name, "Alice Example");
	ck_assert_uint_eq(root->role[DOC_ROLE_POLICY].threshold, 0);
	ck_assert_uint_eq(root->role[DOC_ROLE_POLICY].members, 0);
	ck_assert_ptr_null(root->recovery);
}
END_TEST

START_TEST(group_and_membership_are_read)
{
	AUTO(doc_freep) struct doc *gd = parse("group-field.xml");
	AUTO(doc_freep) struct doc *md = parse("membership-move.xml");
	const struct doc_group *g = doc_as_group(gd);
	const struct doc_membership *m = doc_as_membership(md);

	ck_assert_uint_eq(g->n_refs, 3);
	ck_assert_uint_eq(g->ref[0].type, DOC_DEVICE_POLICY);
	ck_assert_str_eq(g->ref[0].id, "acme-baseline");
	ck_assert_uint_eq(g->ref[0].min_version, 12);
	ck_assert_uint_eq(g->ref[2].type, DOC_VP_CONFIG);
	ck_assert_str_eq(m->device, "dev-0123456789ab");
	ck_assert_str_eq(m->epoch, "00112233445566778899aabbccddeeff");
	ck_assert_str_eq(m->group, "office");
	ck_assert_uint_eq(m->min_version, 2);
}
END_TEST

START_TEST(command_is_read)
{
	char name[64];
	enum doc_action a = (enum doc_action)_i;
	AUTO(doc_freep) struct doc *d = NULL;
	const struct doc_command *c;

	snprintf(name, sizeof(name), "command-%s.xml", doc_action_name(a));
	d = parse(name);
	c = doc_as_command(d);
	ck_assert_uint_eq(c->action, a);
	ck_assert_str_eq(c->vp, doc_action_needs_vp(a) ? "work" : "");
	ck_assert_uint_eq(doc_action_role(a),
			  a == DOC_WIPE || a == DOC_REMOVE ||
					  a == DOC_ROTATE_KEYS
				  ? DOC_ROLE_DESTROY
				  : DOC_ROLE_COMMAND);
	ck_assert_ptr_null(c->sealed_key);
}
END_TEST

START_TEST(sealed_key_is_read)
{
	AUTO(doc_freep) struct doc *d = parse("command-unlock-with-key.xml");
	const struct doc_command *c = doc_as_command(d);

	ck_assert_uint_eq(c->sealed_key_len, 125);
	ck_assert_uint_eq(((uint8_t *)c->sealed_key)[124], 124);
}
END_TEST

START_TEST(image_is_read)
{
	AUTO(doc_freep) struct doc *d = parse("image-work.xml");
	const struct doc_image *i = doc_as_image(d);

	ck_assert_str_eq(i->architecture, "arm64");
	ck_assert_str_eq(i->init, "/sbin/init");
	ck_assert_str_eq(i->stop_signal, "RTMIN+3");
	ck_assert_uint_eq(i->min_agent, 1);
	ck_assert_uint_eq(i->n_layers, 2);
	ck_assert_uint_eq(i->layer[0].size, 41943040);
	ck_assert_uint_eq(strlen(i->layer[1].chunks), ENCODING_DIGEST_SIZE - 1);
}
END_TEST

START_TEST(types_and_levels_have_names)
{
	for (enum doc_type t = DOC_NONE + 1; t < DOC_TYPE_COUNT; t++) {
		char payload[80];

		ck_assert_uint_eq(doc_type_from_name(doc_type_name(t)), t);
		snprintf(payload, sizeof(payload),
			 "application/vnd.cells.%s+xml", doc_type_name(t));
		ck_assert_str_eq(doc_payload_type(t), payload);
		ck_assert_uint_eq(doc_type_from_payload_type(payload), t);
	}
	for (enum doc_level l = DOC_OPEN; l <= DOC_MAPPED; l++) {
		enum doc_level read = DOC_OPEN;

		ck_assert_int_eq(doc_level_from_name(doc_level_name(l), &read),
				 0);
		ck_assert_uint_eq(read, l);
		ck_assert_int_lt(doc_level_from_name("strong", &read), 0);
		ck_assert_uint_eq(read, l);
	}
	ck_assert_uint_eq(doc_type_from_name("snapshot"), DOC_NONE);
	ck_assert_uint_eq(doc_type_from_payload_type("text/xml"), DOC_NONE);
}
END_TEST

static void add(TCase *tc)
{
	list(&valid);
	list(&invalid);
	atexit(free_lists);
	tcase_add_loop_test(tc, valid_example_is_taken, 0, valid.n);
	tcase_add_loop_test(tc, invalid_example_is_refused_for_its_reason, 0,
			    invalid.n);
	tcase_add_loop_test(tc, document_of_another_type_is_refused, 0,
			    valid.n);
	tcase_add_loop_test(tc, truncated_document_is_refused, 0, valid.n);
	tcase_add_test(tc, head_is_read);
	tcase_add_test(tc, network_of_a_vp_config_is_read);
	tcase_add_test(tc, vp_config_is_read);
	tcase_add_test(tc, left_out_elements_of_a_config_have_defaults);
	tcase_add_test(tc, label_is_one_text_whatever_it_is_made_of);
	tcase_add_test(tc, policy_is_read);
	tcase_add_test(tc, days_are_lists_of_ranges);
	tcase_add_test(tc, root_is_read);
	tcase_add_test(tc, absent_role_has_no_members);
	tcase_add_test(tc, group_and_membership_are_read);
	tcase_add_loop_test(tc, command_is_read, 0, DOC_ACTION_COUNT);
	tcase_add_test(tc, sealed_key_is_read);
	tcase_add_test(tc, image_is_read);
	tcase_add_test(tc, types_and_levels_have_names);
}

UNIT_MAIN("doc", add)
