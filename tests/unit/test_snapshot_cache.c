/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fleet/snapshot.h"

#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/document/envelope.h"
#include "lib/err.h"
#include "mgmt-server/fleet/device.h"
#include "mgmt-server/mgmtd.h"
#include "mgmt-server/server.h"
#include "mgmt-server/store/blob.h"
#include "tests/unit/unit.h"
#include "tests/unit/unitserver.h"

#include <stdarg.h>
#include <string.h>

#define EPOCH "00112233445566778899aabbccddeeff"
#define DEVICE "dev-0123456789ab"
#define IMAGE_ATTRIBUTES                                                       \
	" architecture=\"amd64\" init=\"/sbin/init\""                          \
	" stop-signal=\"TERM\" min-agent=\"1\""

static struct server *server;
static struct err e;

static void set_up(void)
{
	server = unit_server();
}

static void tear_down(void)
{
	mgmtd_free(server);
}

static char *document(const char *type, const char *id, unsigned int version,
		      int64_t life, const char *more, const char *inner)
{
	char issued[ENCODING_TIME_SIZE], expires[ENCODING_TIME_SIZE], *xml;

	encoding_format_time(clock_wall() - 100, issued);
	encoding_format_time(clock_wall() + life, expires);
	ck_assert_int_gt(asprintf(&xml,
				  "<%s xmlns=\"urn:cells:%s:1\" org=\"acme\""
				  " id=\"%s\" version=\"%u\" issued=\"%s\""
				  " expires=\"%s\"%s>%s</%s>",
				  type, type, id, version, issued, expires,
				  more, inner, type),
			 0);
	return xml;
}

/* As if its signatures had reached the threshold. */
static void keep(const char *xml, enum doc_type type, const char *state,
		 bool complete)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *d = NULL;
	auto_json json_t *signers = json_array();
	struct document_row row = { .state = state,
				    .submitter = "test",
				    .signers = signers,
				    .threshold = 1,
				    .complete = complete };

	ck_assert_msg(doc_parse(type, xml, strlen(xml), &d, &e) == 0, "%s: %s",
		      e.text, xml);
	ck_assert_int_eq(envelope_new(doc_payload_type(type), xml, strlen(xml),
				      &env, &e),
			 0);
	row.env = env;
	row.head = &d->head;
	ck_assert_msg(document_store(server->db, &row, &e) == 0, "%s", e.text);
	ck_assert_msg(snapshot_handle_document_change(server->snapshots, &e) ==
			      0,
		      "%s", e.text);
}

static void keep_group(unsigned int version, int64_t life, const char *inner)
{
	auto_free char *xml =
		document("group", "field", version, life, "", inner);

	keep(xml, DOC_GROUP, "valid", true);
}

static void keep_policy(const char *id, unsigned int version, int64_t life,
			const char *state)
{
	auto_free char *xml =
		document("device-policy", id, version, life, "",
			 "<vp id=\"work\"><default mode=\"none\"/></vp>");

	keep(xml, DOC_DEVICE_POLICY, state, true);
}

static void keep_config(const char *id, unsigned int version)
{
	auto_free char *xml = document(
		"vp-config", id, version, 1000, "",
		"<label>Work</label><image id=\"tiny\" min-version=\"1\"/>"
		"<resources memory-max=\"268435456\" cpu-weight=\"100\""
		" pids-max=\"256\"/><network mode=\"none\"/>"
		"<start on-boot=\"false\"/>");

	keep(xml, DOC_VP_CONFIG, "valid", true);
}

static void keep_image(unsigned int version, bool complete)
{
	auto_free char *inner = NULL, *xml = NULL;

	ck_assert_int_gt(asprintf(&inner,
				  "<layer digest=\"sha256:%064u\" size=\"4096\""
				  " chunks=\"sha256:%064u\"/>",
				  version, version),
			 0);
	xml = document("image", "tiny", version, 1000, IMAGE_ATTRIBUTES, inner);
	keep(xml, DOC_IMAGE, "valid", complete);
}

static void keep_all(void)
{
	keep_image(1, true);
	keep_config("work", 1);
	keep_config("personal", 1);
	keep_policy("baseline", 1, 1000, "valid");
	keep_group(1, 1000,
		   "<policy id=\"baseline\" min-version=\"1\"/>"
		   "<vp-config id=\"work\" min-version=\"1\"/>"
		   "<vp-config id=\"personal\" min-version=\"1\"/>");
}

static const struct composition *compose(void)
{
	const struct composition *c = NULL;

	ck_assert_msg(snapshot_get_composition(server->snapshots, "field", &c,
					       &e) == 0,
		      "%s", e.text);
	return c;
}

static unsigned int version_of(const char *type, const char *id)
{
	const struct composition *c = compose();

	for (unsigned int i = 0; i < c->n; i++)
		if (c->documents[i].type == doc_type_from_name(type) &&
		    strcmp(c->documents[i].id, id) == 0)
			return c->documents[i].version;
	return 0;
}

START_TEST(set_is_what_the_group_names_and_its_images_once)
{
	set_up();
	keep_all();
	keep_policy("other", 1, 1000, "valid");
	ck_assert_uint_eq(compose()->n, 5);
	ck_assert_uint_eq(version_of("group", "field"), 1);
	ck_assert_uint_eq(version_of("image", "tiny"), 1);
	ck_assert_uint_eq(version_of("device-policy", "other"), 0);
	tear_down();
}
END_TEST

START_TEST(newest_valid_version_is_chosen)
{
	set_up();
	keep_all();
	keep_policy("baseline", 2, 1000, "valid");
	keep_policy("baseline", 3, 1000, "proposed");
	keep_policy("baseline", 4, 1000, "withdrawn");
	ck_assert_uint_eq(version_of("device-policy", "baseline"), 2);
	tear_down();
}
END_TEST

START_TEST(expired_version_is_not_chosen)
{
	set_up();
	keep_all();
	keep_policy("baseline", 2, -1, "valid");
	ck_assert_uint_eq(version_of("device-policy", "baseline"), 1);
	tear_down();
}
END_TEST

START_TEST(version_below_the_minimum_makes_no_set)
{
	set_up();
	keep_all();
	keep_group(2, 1000,
		   "<policy id=\"baseline\" min-version=\"7\"/>"
		   "<vp-config id=\"work\" min-version=\"1\"/>");
	ck_assert_uint_eq(compose()->n, 0);
	ck_assert_ptr_nonnull(strstr(compose()->problem, "baseline"));
	tear_down();
}
END_TEST

START_TEST(image_without_its_chunks_waits)
{
	set_up();
	keep_all();
	keep_image(2, false);
	ck_assert_uint_eq(version_of("image", "tiny"), 1);
	tear_down();
}
END_TEST

/* An image that cannot be read shows whether somebody looked. */
/* One that was looked at before. */
static void damage_seen_image(void)
{
	keep_image(1, false);
	ck_assert_int_eq(snapshot_handle_new_chunk(server->snapshots, "", &e),
			 0);
	ck_assert_int_eq(snapshot_recheck_images(server->snapshots, &e), 0);
	ck_assert_int_eq(db_exec(server->db,
				 "UPDATE document SET payload = x'00'"
				 " WHERE type = 'image'",
				 &e),
			 0);
}

START_TEST(images_are_looked_at_until_that_succeeds)
{
	set_up();
	damage_seen_image();
	ck_assert_int_eq(snapshot_recheck_images(server->snapshots, &e), 0);
	ck_assert_int_eq(snapshot_handle_new_chunk(server->snapshots, "", &e),
			 0);
	ck_assert_int_lt(snapshot_recheck_images(server->snapshots, &e), 0);
	for (int i = 0; i < 60; i++)
		ck_assert_int_eq(snapshot_recheck_images(server->snapshots, &e),
				 0);
	ck_assert_int_lt(snapshot_recheck_images(server->snapshots, &e), 0);
	tear_down();
}
END_TEST

static void add_device(void)
{
	ck_assert_int_eq(db_exec(server->db,
				 "INSERT INTO device (id, name, grp, state,"
				 " epoch, enrolled) VALUES ('" DEVICE "', 'x',"
				 " 'field', 'active', '" EPOCH "', 1)",
				 &e),
			 0);
}

/* The snapshot's version, and whether it is new. */
static int64_t snapshot(bool *ret_new)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_free char *text = NULL;
	auto_json json_t *j = NULL;
	int64_t renew;

	ck_assert_msg(snapshot_get_for_device(server->snapshots, DEVICE,
					      SNAPSHOT_RENEW, &text, ret_new,
					      &renew, &e) == 0,
		      "%s", e.text);
	if (!text)
		return 0;
	ck_assert_int_eq(envelope_parse(text, strlen(text), &env, &e), 0);
	j = json_from_text(env->payload);
	ck_assert_str_eq(json_string_value(json_object_get(j, "device")),
			 DEVICE);
	return json_integer_value(json_object_get(j, "version"));
}

static void put_chunk(const char *bytes, size_t len, uint8_t ret[HASH_SIZE])
{
	struct blob_sink *k = NULL;

	hash_sha256(bytes, len, ret);
	ck_assert_int_eq(blob_sink_new(server->blobs, &k, &e), 0);
	ck_assert_int_eq(blob_sink_add(k, bytes, len, &e), 0);
	ck_assert_msg(blob_sink_end(k, ret, &e) == 0, "%s", e.text);
	blob_sink_free(k);
}

/* One layer of one chunk. Its chunks come after the document. */
static void keep_image_with_chunks(unsigned int version)
{
	struct chunk chunk = { .stored = 1, .size = 1 };
	char list[ENCODING_DIGEST_SIZE];
	uint8_t digest[HASH_SIZE];
	auto_free char *text = NULL, *xml = NULL;
	size_t len;

	put_chunk("x", 1, chunk.digest);
	ck_assert_int_eq(chunk_list_text(&chunk, 1, &text, &len, &e), 0);
	put_chunk(text, len, digest);
	encoding_format_digest(digest, list);
	xml = document("image", "tiny", version, 1000, IMAGE_ATTRIBUTES,
		       unit_text("<layer digest=\"%s\" size=\"1\""
				 " chunks=\"%s\"/>",
				 list, list));
	keep(xml, DOC_IMAGE, "valid", false);
}

START_TEST(completed_image_beside_a_damaged_one_is_taken)
{
	bool is_new;

	set_up();
	add_device();
	keep_all();
	keep_image(3, false);
	ck_assert_int_eq(db_exec(server->db,
				 "UPDATE document SET payload = x'00'"
				 " WHERE type = 'image' AND version = 3",
				 &e),
			 0);
	keep_image_with_chunks(2);
	ck_assert_int_eq(snapshot(&is_new), 1);
	ck_assert_uint_eq(version_of("image", "tiny"), 1);
	snapshot_schedule_recheck(server->snapshots);
	ck_assert_int_lt(snapshot_recheck_images(server->snapshots, &e), 0);
	ck_assert_uint_eq(version_of("image", "tiny"), 2);
	ck_assert_int_eq(snapshot(&is_new), 2);
	tear_down();
}
END_TEST

START_TEST(images_are_looked_at_again_when_a_turn_is_lost)
{
	set_up();
	damage_seen_image();
	unit_lose_turn(server);
	ck_assert_int_lt(snapshot_recheck_images(server->snapshots, &e), 0);
	tear_down();
}
END_TEST

START_TEST(lapsed_group_makes_no_set)
{
	set_up();
	keep_all();
	ck_assert_int_eq(db_exec(server->db,
				 "UPDATE document SET expires = 5"
				 " WHERE type = 'group'",
				 &e),
			 0);
	snapshot_cache_clear(server->snapshots);
	ck_assert_uint_eq(compose()->n, 0);
	tear_down();
}
END_TEST

START_TEST(snapshot_is_signed_again_only_when_it_is_due)
{
	bool is_new;

	set_up();
	add_device();
	ck_assert_int_eq(snapshot(&is_new), 0);
	keep_all();
	ck_assert_int_eq(snapshot(&is_new), 1);
	ck_assert(is_new);
	ck_assert_int_eq(snapshot(&is_new), 1);
	ck_assert(!is_new);
	keep_policy("baseline", 2, 1000, "valid");
	ck_assert_int_eq(snapshot(&is_new), 2);
	/* Half its life is over. */
	ck_assert_int_eq(db_exec(server->db,
				 "UPDATE snapshot SET issued = issued - 43200",
				 &e),
			 0);
	ck_assert_int_eq(snapshot(&is_new), 3);
	/* Another enrollment; the counter goes on. */
	ck_assert_int_eq(db_exec(server->db,
				 "UPDATE device SET epoch = 'f" EPOCH "'", &e),
			 0);
	ck_assert_int_eq(snapshot(&is_new), 4);
	tear_down();
}
END_TEST

START_TEST(what_is_in_force_goes_on_when_no_set_can_be_made)
{
	bool is_new;

	set_up();
	add_device();
	keep_all();
	ck_assert_int_eq(snapshot(&is_new), 1);
	keep_group(2, 1000, "<policy id=\"nowhere\" min-version=\"1\"/>");
	ck_assert_int_eq(snapshot(&is_new), 1);
	tear_down();
}
END_TEST

START_TEST(device_reads_only_what_its_snapshot_names)
{
	AUTO(auto_freep) struct document_version *p = malloc(sizeof(*p));
	bool is_new;

	set_up();
	add_device();
	keep_all();
	keep_policy("other", 1, 1000, "valid");
	snapshot(&is_new);
	ck_assert_int_eq(document_find_newest(server->db, DOC_DEVICE_POLICY,
					      "baseline", 1, clock_wall(), p,
					      &e),
			 1);
	ck_assert_int_eq(snapshot_is_document_readable(server->snapshots,
						       DEVICE, p->sha256, &e),
			 1);
	ck_assert_int_eq(snapshot_is_document_readable(
				 server->snapshots, "dev-other", p->sha256, &e),
			 0);
	ck_assert_int_eq(document_find_newest(server->db, DOC_DEVICE_POLICY,
					      "other", 1, clock_wall(), p, &e),
			 1);
	ck_assert_int_eq(snapshot_is_document_readable(server->snapshots,
						       DEVICE, p->sha256, &e),
			 0);
	ck_assert_int_eq(snapshot_is_document_readable(server->snapshots,
						       DEVICE, "%", &e),
			 0);
	tear_down();
}
END_TEST

#define MANY 12

/* Documents on more pages than the cache holds. */
static void keep_many(void)
{
	keep_policy("baseline", 1, 1000, "valid");
	for (unsigned int i = 0; i < MANY; i++) {
		const char *id = unit_text("g%060u", i);
		auto_free char *xml =
			document("group", id, 1, 1000, "",
				 "<policy id=\"baseline\" min-version=\"1\"/>");

		keep(xml, DOC_GROUP, "valid", true);
	}
	ck_assert_int_eq(db_exec(server->db, "PRAGMA cache_size = 1", &e), 0);
}

static int revalidate_all(void)
{
	/* Whose roles nobody has: no document stays valid. */
	static const struct doc_root root;

	return document_revalidate_all(server->db, &root, &e);
}

static int update_states(void)
{
	return snapshot_handle_document_change(server->snapshots, &e);
}

static const struct {
	int (*run)(void);
	const char *state; /* of all documents, then */
} row_loops[] = {
	{ revalidate_all, "proposed" },
	{ update_states, "active" },
};

static bool are_all_in_state(const char *state)
{
	AUTO(db_done) struct db_row *row = NULL;

	ck_assert_int_eq(db_first(server->db, &row, &e,
				  "SELECT count(*) FROM document"
				  " WHERE state <> ?",
				  "s", state),
			 1);
	return db_int(row, 0) == 0;
}

/* Each read of the database in turn, until a run in which none failed. */
START_TEST(documents_behind_a_failed_read_are_not_forgotten)
{
	unsigned int n = 0;
	bool is_failed;

	set_up();
	keep_many();
	do {
		int r;

		ck_assert_int_eq(db_exec(server->db,
					 "UPDATE document SET state = 'valid'",
					 &e),
				 0);
		snapshot_cache_clear(server->snapshots);
		ck_assert_int_eq(db_begin(server->db, &e), 0);
		fault_read_at(++n);
		r = row_loops[_i].run();
		is_failed = fault_read_fired();
		fault_read_at(0);
		ck_assert_msg((r < 0) == is_failed, "read %u: %d", n, r);
		if (!is_failed)
			ck_assert(are_all_in_state(row_loops[_i].state));
		db_rollback(server->db);
	} while (is_failed);
	ck_assert_uint_gt(n, MANY);
	tear_down();
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, set_is_what_the_group_names_and_its_images_once);
	tcase_add_test(tc, newest_valid_version_is_chosen);
	tcase_add_test(tc, expired_version_is_not_chosen);
	tcase_add_test(tc, version_below_the_minimum_makes_no_set);
	tcase_add_test(tc, image_without_its_chunks_waits);
	tcase_add_test(tc, images_are_looked_at_until_that_succeeds);
	tcase_add_test(tc, completed_image_beside_a_damaged_one_is_taken);
	tcase_add_test(tc, images_are_looked_at_again_when_a_turn_is_lost);
	tcase_add_test(tc, lapsed_group_makes_no_set);
	tcase_add_test(tc, snapshot_is_signed_again_only_when_it_is_due);
	tcase_add_test(tc, what_is_in_force_goes_on_when_no_set_can_be_made);
	tcase_add_test(tc, device_reads_only_what_its_snapshot_names);
	tcase_add_loop_test(tc,
			    documents_behind_a_failed_read_are_not_forgotten, 0,
			    ARRAY_SIZE(row_loops));
}

UNIT_MAIN("snapshot_cache", add)
