/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of routes.def, each in the file of its stem. */
#ifndef MGMT_SERVER_API_HANDLERS_H
#define MGMT_SERVER_API_HANDLERS_H

struct err;
struct request;

int health_api_check_liveness(struct request *rq, struct err *e);
int health_api_check_readiness(struct request *rq, struct err *e);
int health_api_show_metrics(struct request *rq, struct err *e);
int enrollment_api_show_ca(struct request *rq, struct err *e);
int health_api_show_server(struct request *rq, struct err *e);
int account_api_login(struct request *rq, struct err *e);
int token_api_show_self(struct request *rq, struct err *e);
int enrollment_api_enroll_device(struct request *rq, struct err *e);
int enrollment_api_renew_certificate(struct request *rq, struct err *e);
int device_api_list(struct request *rq, struct err *e);
int device_api_show(struct request *rq, struct err *e);
int device_api_update(struct request *rq, struct err *e);
int device_api_retire(struct request *rq, struct err *e);
int device_api_list_keys(struct request *rq, struct err *e);
int device_api_record_key_check(struct request *rq, struct err *e);
int access_api_list_vps(struct request *rq, struct err *e);
int access_api_show_matrix(struct request *rq, struct err *e);
int access_api_explain_cell(struct request *rq, struct err *e);
int group_api_show_snapshot(struct request *rq, struct err *e);
int receipt_api_list_receipts(struct request *rq, struct err *e);
int receipt_api_list_records(struct request *rq, struct err *e);
int receipt_api_list_batches(struct request *rq, struct err *e);
int command_api_list(struct request *rq, struct err *e);
int command_api_create(struct request *rq, struct err *e);
int command_api_show(struct request *rq, struct err *e);
int command_api_cancel(struct request *rq, struct err *e);
int group_api_list(struct request *rq, struct err *e);
int group_api_show(struct request *rq, struct err *e);
int document_api_list(struct request *rq, struct err *e);
int document_api_submit(struct request *rq, struct err *e);
int document_api_show(struct request *rq, struct err *e);
int document_api_show_envelope(struct request *rq, struct err *e);
int document_api_withdraw(struct request *rq, struct err *e);
int document_api_show_version(struct request *rq, struct err *e);
int document_api_show_version_envelope(struct request *rq, struct err *e);
int root_api_list(struct request *rq, struct err *e);
int root_api_submit(struct request *rq, struct err *e);
int root_api_show(struct request *rq, struct err *e);
int image_api_list(struct request *rq, struct err *e);
int image_api_show(struct request *rq, struct err *e);
int blob_api_list_missing(struct request *rq, struct err *e);
int blob_api_get_chunk(struct request *rq, struct err *e);
int blob_api_put_chunk(struct request *rq, struct err *e);
int enrollment_api_list(struct request *rq, struct err *e);
int enrollment_api_create(struct request *rq, struct err *e);
int enrollment_api_show(struct request *rq, struct err *e);
int enrollment_api_revoke(struct request *rq, struct err *e);
int account_api_list(struct request *rq, struct err *e);
int account_api_create(struct request *rq, struct err *e);
int account_api_show(struct request *rq, struct err *e);
int account_api_update(struct request *rq, struct err *e);
int account_api_delete(struct request *rq, struct err *e);
int token_api_list(struct request *rq, struct err *e);
int token_api_create(struct request *rq, struct err *e);
int token_api_delete(struct request *rq, struct err *e);
int audit_api_list(struct request *rq, struct err *e);
int audit_api_show_head(struct request *rq, struct err *e);
int audit_api_prove_inclusion(struct request *rq, struct err *e);
int audit_api_prove_consistency(struct request *rq, struct err *e);
int audit_api_record_restore(struct request *rq, struct err *e);
int audit_api_export(struct request *rq, struct err *e);
int access_api_query_devices(struct request *rq, struct err *e);
int usage_api_list_used(struct request *rq, struct err *e);
int usage_api_list_denied(struct request *rq, struct err *e);
int plan_api_show_changes(struct request *rq, struct err *e);

#endif
