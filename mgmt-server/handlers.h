/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of routes.def, each in the file of its stem. */
#ifndef MGMT_HANDLERS_H
#define MGMT_HANDLERS_H

struct err;
struct request;

int health_live(struct request *rq, struct err *e);
int health_ready(struct request *rq, struct err *e);
int health_metrics(struct request *rq, struct err *e);
int admission_ca(struct request *rq, struct err *e);
int health_server(struct request *rq, struct err *e);
int account_login(struct request *rq, struct err *e);
int bearerview_self(struct request *rq, struct err *e);
int admission_device(struct request *rq, struct err *e);
int admission_renew(struct request *rq, struct err *e);
int fleet_list(struct request *rq, struct err *e);
int fleet_show(struct request *rq, struct err *e);
int fleet_change(struct request *rq, struct err *e);
int fleet_retire(struct request *rq, struct err *e);
int fleet_keys(struct request *rq, struct err *e);
int fleet_checked(struct request *rq, struct err *e);
int accessview_vps(struct request *rq, struct err *e);
int accessview_matrix(struct request *rq, struct err *e);
int accessview_explain(struct request *rq, struct err *e);
int groupview_snapshot(struct request *rq, struct err *e);
int evidence_receipts(struct request *rq, struct err *e);
int evidence_records(struct request *rq, struct err *e);
int evidence_batches(struct request *rq, struct err *e);
int order_list(struct request *rq, struct err *e);
int order_create(struct request *rq, struct err *e);
int order_show(struct request *rq, struct err *e);
int order_cancel(struct request *rq, struct err *e);
int groupview_list(struct request *rq, struct err *e);
int groupview_show(struct request *rq, struct err *e);
int archiveview_list(struct request *rq, struct err *e);
int archiveview_submit(struct request *rq, struct err *e);
int archiveview_show(struct request *rq, struct err *e);
int archiveview_envelope(struct request *rq, struct err *e);
int archiveview_withdraw(struct request *rq, struct err *e);
int archiveview_show_version(struct request *rq, struct err *e);
int archiveview_envelope_version(struct request *rq, struct err *e);
int anchor_list(struct request *rq, struct err *e);
int anchor_submit(struct request *rq, struct err *e);
int anchor_show(struct request *rq, struct err *e);
int picture_list(struct request *rq, struct err *e);
int picture_show(struct request *rq, struct err *e);
int blobview_missing(struct request *rq, struct err *e);
int blobview_get(struct request *rq, struct err *e);
int blobview_put(struct request *rq, struct err *e);
int admission_list(struct request *rq, struct err *e);
int admission_create(struct request *rq, struct err *e);
int admission_show(struct request *rq, struct err *e);
int admission_revoke(struct request *rq, struct err *e);
int account_list(struct request *rq, struct err *e);
int account_create(struct request *rq, struct err *e);
int account_show(struct request *rq, struct err *e);
int account_change(struct request *rq, struct err *e);
int account_delete(struct request *rq, struct err *e);
int bearerview_list(struct request *rq, struct err *e);
int bearerview_create(struct request *rq, struct err *e);
int bearerview_delete(struct request *rq, struct err *e);
int witness_list(struct request *rq, struct err *e);
int witness_head(struct request *rq, struct err *e);
int witness_inclusion(struct request *rq, struct err *e);
int witness_consistency(struct request *rq, struct err *e);
int witness_restored(struct request *rq, struct err *e);
int witness_export(struct request *rq, struct err *e);
int accessview_fleet(struct request *rq, struct err *e);
int usage_used(struct request *rq, struct err *e);
int usage_denied(struct request *rq, struct err *e);
int whatif_plan(struct request *rq, struct err *e);

#endif
