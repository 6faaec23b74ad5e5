# SPDX-License-Identifier: Apache-2.0
"""Each route with each role, and each route's arguments: from schema/openapi.yaml, so that a new route is in it."""
import re

import harness
import pytest
import requests
from office import Office, Phone
from test_openapi import described, parameters

RIGHTS = {
    "viewer": {"read"},
    "auditor": {"read", "audit"},
    "operator": {"read", "operate", "submit"},
    "policy-admin": {"read", "policy", "submit"},
    "image-admin": {"read", "image", "submit"},
    "admin": {"read", "audit", "operate", "policy", "image", "submit", "admin"},
}
# Values for the parts of a path: of something that is not there.
PARTS = {"device": "dev-000000000000", "sha256": "sha256:" + "0" * 64, "type": "group", "version": "1"}
ROUTES = sorted(route for route, _, _ in described() if route[3] != "device")
BODIES = ("POST", "PUT", "PATCH")


@pytest.fixture(scope="module")
def office():
    with harness.World() as world:
        yield Office(world, "token-rate = 100000\naddress-rate = 100000\nlogin-rate = 100000\n").publish(groups=("field", "lab"))


@pytest.fixture(scope="module")
def tokens(office):
    return {role: office.new_token(role) for role in RIGHTS}


SESSION = requests.Session()  # a handshake for each of some thousand calls would be most of the time


def call(office, route, token, query=""):
    method, path = route[:2]
    path = re.sub(r"{([^}]+)}", lambda m: PARTS.get(m[1], "none"), path) + query
    return SESSION.request(method, f"https://127.0.0.1:{office.admin_port}{path}", verify=str(office.ca), timeout=90,
                           headers={"Authorization": f"Bearer {token}"} if token else {},
                           data=b"{}" if method in BODIES else None)


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: r[4])
def test_a_route_is_for_the_roles_that_have_its_right(office, tokens, route):
    right = route[2]
    anonymous = call(office, route, "")
    assert (anonymous.status_code == 401 and "no token" in anonymous.text) == (right != "public"), anonymous.text
    for role, rights in RIGHTS.items():
        r = call(office, route, tokens[role])
        refused = r.status_code == 403 and "has not the right" in r.text
        assert refused == (right != "public" and right not in rights), (role, r.status_code, r.text[:300])


@pytest.mark.parametrize("route", [r for r in ROUTES if r[2] == "admin"], ids=lambda r: r[4])
def test_who_is_for_some_groups_only_hands_out_nothing(office, route):
    r = call(office, route, office.new_token("admin", ["lab"], name="lab-admin"))
    assert r.status_code == 403 and "some groups only" in r.text, r.text


@pytest.mark.parametrize("dtype, right", [("policy", "policy"), ("config", "policy"), ("group", "policy"), ("image", "image")])
def test_a_document_is_taken_from_the_roles_for_its_type(office, tokens, dtype, right):
    doc = {"policy": lambda: office.forge.policy("rights", 1, {"work": [("*", "none")]}, sign=[]),
           "config": lambda: office.forge.config("rights", 1, "tiny", sign=[]),
           "group": lambda: office.forge.group("rights", 1, [("baseline", 1)], [("work", 1)], sign=[]),
           "image": lambda: office.forge.image("rights", 1, [], sign=[])}[dtype]()
    for role, rights in RIGHTS.items():
        r = office.call("POST", "/v1/documents", doc.object, token=tokens[role])
        assert (r.status_code == 403) == (right not in rights), (role, r.status_code, r.text)


@pytest.mark.parametrize("kind, right", [("command", "operate"), ("membership", "policy")])
def test_an_order_is_taken_from_the_roles_for_it(office, tokens, kind, right):
    phone = Phone(office).enroll()
    doc = office.forge.command("rights", phone.device, "stop", "work", sign=[]) if kind == "command" \
        else office.forge.membership("rights", phone.device, "lab", sign=[])
    for role, rights in RIGHTS.items():
        r = office.call("POST", f"/v1/devices/{phone.id}/actions", {"envelope": doc.object}, token=tokens[role])
        assert (r.status_code == 403) == (right not in rights), (role, r.status_code, r.text)


def test_an_expired_token_is_refused(world):
    office = Office(world)
    brief = office.post("/v1/tokens", {"name": "brief", "role": "admin", "ttl": 60})["token"]
    office.get("/v1/self", token=brief)
    world.move_clock(wall=61)
    office.refused("GET", "/v1/self", 401, "unauthorized", token=brief)
    office.get("/v1/self")


# ---- arguments
@pytest.mark.parametrize("route", ROUTES, ids=lambda r: r[4])
def test_an_argument_that_is_not_the_route_s_is_refused_by_name(office, route):
    item, op = next((item, op) for r, item, op in described() if r == route)
    names = [p["name"] for p in parameters(item, op) if p["in"] == "query"]
    r = call(office, route, office.token, "?colour=red")
    assert r.status_code == 400 and r.json()["code"] == "bad-request" and "'colour'" in r.json()["detail"], r.text
    if names:
        r = call(office, route, office.token, f"?{names[0]}=1&{names[0]}=1")
        assert r.status_code == 400 and f"duplicate argument '{names[0]}'" in r.json()["detail"], r.text
        r = call(office, route, office.token, f"?{names[0]}")
        assert r.status_code == 400 and f"'{names[0]}' has no value" in r.json()["detail"], r.text


@pytest.mark.parametrize("query, why", [
    ("filter=" + "a" * 1200, "longer than"), ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"),
    ("limit=", "limit"), ("order=up", "order"), ("filter=colour eq red", "colour"), ("Limit=5", "'Limit'"),
    ("&".join(f"a{i}=1" for i in range(17)), "more than 16"), ("limit=5&limit=6", "duplicate"), ("filter=" + "(" * 1000, "filter")])
def test_what_does_not_fit_is_never_the_whole_list(office, query, why):
    r = office.call("GET", f"/v1/devices?{query}")
    assert r.status_code == 400 and why in r.json()["detail"], (r.status_code, r.text[:300])
